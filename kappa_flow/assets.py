"""Where the shipped templates and workflows are, in a wheel and in a checkout."""

from __future__ import annotations

from pathlib import Path

from kappa_flow.errors import InputError
from kappa_flow.settings import nearest

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Return the folder ``templates`` or ``workflows``: in a wheel inside the package, else beside it."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def template(name: str) -> Path:
    """Return the folder of the run template ``name``.

    Raises
    ------
    InputError
        When no template has that name.
    """
    root = folder("templates")
    names = sorted(path.name for path in root.iterdir() if (path / "kappa.yaml").is_file())
    return root / _among(name, names, "template")


def workflow(name: str) -> Path:
    """Return the file of the workflow ``name``.

    Raises
    ------
    InputError
        When no workflow has that name.
    """
    root = folder("workflows")
    return root / f"{_among(name, sorted(path.stem for path in root.glob('*.yaml')), 'workflow')}.yaml"


def _among(name: str, names: list[str], what: str) -> str:
    if name not in names:
        reason = f"there is none of that name; {nearest(name, names)}"
        raise InputError(f"{what} {name!r}", reason, "Choose one of them")
    return name
