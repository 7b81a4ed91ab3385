"""Connections to MongoDB that lose no acknowledged write and say at once when nobody answers."""

from __future__ import annotations

from typing import Any, TypeAlias
from urllib.parse import quote_plus

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidURI, OperationFailure
from pymongo.uri_parser import parse_uri

from kappa_flow.errors import InputError

MongoDatabase: TypeAlias = Database[dict[str, Any]]

DATABASE_NAME = "kappa_flow"
COMMAND_PATIENCE = 5.0
"""Seconds a command a person types waits for the server."""
WORKER_PATIENCE = 600.0
"""Seconds a worker waits, so that an outage does not throw a good result away."""


def socket_uri(path: str, name: str = DATABASE_NAME) -> str:
    """Return the URI of a server on a unix socket."""
    return f"mongodb://{quote_plus(path)}/{name}"


def safe_uri(uri: str, patience: float = COMMAND_PATIENCE) -> str:
    """Return ``uri`` with journalled writes and a time limit for finding the server, unless it sets them.

    Without ``journal=true`` a kill -9 of the server loses tens of acknowledged writes; with it, none.

    Raises
    ------
    InputError
        When it is no MongoDB URI.
    """
    options = {key.lower() for key in _parsed(uri)["options"]}
    wanted = {"journal": "true", "serverSelectionTimeoutMS": str(int(patience * 1000))}
    extra = "&".join(f"{key}={value}" for key, value in wanted.items() if key.lower() not in options)
    if not extra:
        return uri
    base, question, given = uri.partition("?")
    if not question and "/" not in base.split("://", 1)[1]:
        base += "/"
    return f"{base}?{given}{'&' if given else ''}{extra}"


def database_name(uri: str) -> str:
    """Return the database a URI names, or the usual one."""
    return str(_parsed(uri)["database"] or DATABASE_NAME)


def connect(uri: str, patience: float = COMMAND_PATIENCE) -> MongoDatabase:
    """Return the database of ``uri`` once its server has answered.

    Raises
    ------
    InputError
        When the URI is wrong, nobody answers, or the server refuses the user.
    """
    shown = where(uri)
    client: MongoClient[dict[str, Any]] = MongoClient(safe_uri(uri, patience), tz_aware=True)
    try:
        client.admin.command("ping")
    except ConnectionFailure as error:
        client.close()
        raise InputError(
            f"database {shown}",
            f"no MongoDB server answered within {patience:g} s",
            "Start it, correct --db, or leave --db out to use the embedded server",
        ) from error
    except (OperationFailure, ConfigurationError) as error:
        client.close()
        raise InputError(
            f"database {shown}", str(error), "Correct the user or the options in --db"
        ) from error
    return client[database_name(uri)]


def where(uri: str) -> str:
    """Return host and database of a URI, without user and password."""
    hosts = ",".join(host if port is None else f"{host}:{port}" for host, port in _parsed(uri)["nodelist"])
    return f"{hosts}/{database_name(uri)}"


def _parsed(uri: str) -> dict[str, Any]:
    try:
        return dict(parse_uri(uri, warn=False))
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise InputError(
            "database URI", str(error), "Write it as mongodb://user:password@host:27017/kappa_flow"
        ) from error
