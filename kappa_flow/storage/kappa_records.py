"""Flat, searchable records of every κ computed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from kappa_flow.documents import KappaDocument
from kappa_flow.settings import Settings
from kappa_flow.storage.connection import MongoDatabase
from kappa_flow.storage.plain import plain

ROOM_TEMPERATURE = 300.0


@dataclass(frozen=True)
class KappaRecord:
    """One κ(T) as it is searched for; the whole result is the KappaDocument ``document``.

    Parameters
    ----------
    run, document : str
        Run id and content hash of the KappaDocument.
    formula : str
    elements : tuple of str
    spacegroup : str
        International symbol.
    spacegroup_number : int
    temperatures : tuple of float
        K, ascending.
    kappa, kappa_sigma : tuple of float
        Mean of the diagonal at each temperature and its standard uncertainty, W/(m K).
    kappa_300 : float or None
        At 300 K; None when that lies outside the temperatures computed.
    method : str
    mesh : tuple of int
    converged : bool
    flags, tags : tuple of str
    reference : str
    reference_calls : int
    surrogate : str or None
        Model of the potential; None for brute force.
    created : datetime
    """

    run: str
    document: str
    formula: str
    elements: tuple[str, ...]
    spacegroup: str
    spacegroup_number: int
    temperatures: tuple[float, ...]
    kappa: tuple[float, ...]
    kappa_sigma: tuple[float, ...] | None
    kappa_300: float | None
    method: str
    mesh: tuple[int, ...]
    converged: bool
    flags: tuple[str, ...]
    tags: tuple[str, ...]
    reference: str
    reference_calls: int
    surrogate: str | None
    created: datetime

    @classmethod
    def of(cls, run: str, key: str, document: KappaDocument) -> KappaRecord:
        """Return the record of a result of ``run`` whose content hash is ``key``."""
        order = np.argsort(document.temperatures)
        temperatures = tuple(document.temperatures[order].tolist())
        kappa = tuple((np.trace(document.kappa, axis1=1, axis2=2) / 3)[order].tolist())
        sigma = document.kappa_sigma
        model = None if document.surrogate is None else str(document.surrogate.get("model", "surrogate"))
        return cls(
            run=run,
            document=key,
            formula=document.formula,
            elements=tuple(sorted(document.elements)),
            spacegroup=document.spacegroup,
            spacegroup_number=document.spacegroup_number,
            temperatures=temperatures,
            kappa=kappa,
            kappa_sigma=None
            if sigma is None
            else tuple((np.trace(sigma, axis1=1, axis2=2) / 3)[order].tolist()),
            kappa_300=interpolated(temperatures, kappa, ROOM_TEMPERATURE),
            method=document.method,
            mesh=document.mesh,
            converged=document.converged,
            flags=tuple(flag.name for flag in document.flags),
            tags=document.tags,
            reference=document.reference,
            reference_calls=document.reference_calls,
            surrogate=model,
            created=datetime.now(UTC),
        )

    def kappa_at(self, temperature: float) -> float | None:
        """Return κ (W/(m K)) at a temperature (K), or None outside the temperatures computed."""
        return interpolated(self.temperatures, self.kappa, temperature)


class KappaQuery(Settings):
    """What to look for; a field left out is not asked about."""

    formula: str | None = None
    """Reduced formula as on the result, e.g. ``MgO``."""
    elements: tuple[str, ...] = ()
    """Elements that must all be in it."""
    spacegroup: str | int | None = None
    """International symbol or number."""
    temperature: Annotated[float, Field(gt=0)] = ROOM_TEMPERATURE
    """Where ``kappa_min`` and ``kappa_max`` hold, K."""
    kappa_min: float | None = None
    """Least κ, W/(m K)."""
    kappa_max: float | None = None
    """Largest κ, W/(m K)."""
    method: str | None = None
    """``rta`` or ``lbte``."""
    converged: bool | None = None
    tags: tuple[str, ...] = ()
    """Tags that must all be on it."""
    reference: str | None = None
    """Identity of the reference, or its beginning, e.g. ``lammps``."""
    run: str | None = None
    """Run id."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Most records returned, newest first."""

    @field_validator("elements", "tags", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _some_kappa_fits(self) -> Self:
        if self.kappa_min is not None and self.kappa_max is not None and self.kappa_min > self.kappa_max:
            raise ValueError(f"kappa_min {self.kappa_min:g} is above kappa_max {self.kappa_max:g}")
        return self

    def filter(self) -> dict[str, Any]:
        """Return the part MongoDB itself can check."""
        wanted: dict[str, Any] = {
            name: value
            for name in ("formula", "method", "converged")
            if (value := getattr(self, name)) is not None
        }
        if self.reference is not None:
            wanted["reference"] = {"$regex": f"^{re.escape(self.reference)}"}
        if self.run is not None:
            wanted["_id"] = self.run
        if self.spacegroup is not None:
            number = isinstance(self.spacegroup, int)
            wanted["spacegroup_number" if number else "spacegroup"] = self.spacegroup
        for name in ("elements", "tags"):
            if values := getattr(self, name):
                wanted[name] = {"$all": list(values)}
        return wanted

    def accepts(self, record: KappaRecord) -> bool:
        """Whether κ at the temperature asked for lies within the limits."""
        if self.kappa_min is None and self.kappa_max is None:
            return self.temperature == ROOM_TEMPERATURE or record.kappa_at(self.temperature) is not None
        kappa = record.kappa_at(self.temperature)
        if kappa is None:
            return False
        above = self.kappa_min is None or kappa >= self.kappa_min
        return above and (self.kappa_max is None or kappa <= self.kappa_max)


class KappaRecords:
    """The collection ``kappa``: one record per run.

    Parameters
    ----------
    database : pymongo.database.Database
    """

    def __init__(self, database: MongoDatabase) -> None:
        self._kappa = database["kappa"]

    def keep(self, record: KappaRecord) -> None:
        """Keep the record of a run; a rerun replaces it, the time of the first result stays."""
        fields = plain(asdict(record))
        run, created = fields.pop("run"), fields.pop("created")
        self._kappa.update_one(
            {"_id": run}, {"$set": fields, "$setOnInsert": {"created": created}}, upsert=True
        )

    def find(self, query: KappaQuery) -> list[KappaRecord]:
        """Return the records that fit, newest first."""
        found: list[KappaRecord] = []
        for fields in self._kappa.find(query.filter()).sort("created", -1):
            record = _record(fields)
            if query.accepts(record):
                found.append(record)
            if query.limit is not None and len(found) == query.limit:
                break
        return found


def interpolated(temperatures: Sequence[float], kappa: Sequence[float], temperature: float) -> float | None:
    """Return κ at a temperature, linear in log T, or None outside the (ascending) temperatures."""
    if not temperatures or not temperatures[0] - 1e-9 <= temperature <= temperatures[-1] + 1e-9:
        return None
    return float(np.interp(np.log(temperature), np.log(temperatures), kappa))


def _record(fields: dict[str, Any]) -> KappaRecord:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    return KappaRecord(run=values.pop("_id"), **values)
