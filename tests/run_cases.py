"""Run configs of small crystals, for the tests from a config to its result."""

from pathlib import Path
from typing import Any

from ase.build import bulk

from kappa_flow.documents import RunConfig

SMALL_LINEAR = {"model": "linear", "committee": 4, "cutoff": 4.5, "radial": 5, "l_max": 3}
"""What copper near its equilibrium needs, and not much more."""


def write_poscar(folder: Path, element: str, a: float) -> str:
    """Write the cubic cell of an element into the folder, made if there is none; return the file's name."""
    folder.mkdir(parents=True, exist_ok=True)
    bulk(element, a=a, cubic=True).write(folder / "POSCAR", format="vasp", direct=True)
    return "POSCAR"


def copper(folder: Path, *, relax: bool = False, **sections: Any) -> RunConfig:
    """Return a run of copper by EMT, in cells of 32 atoms, with what these sections have otherwise."""
    structure = {"file": write_poscar(folder, "Cu", 3.59), "supercell": [2, 2, 2], "relax": relax}
    structure |= sections.pop("structure", {})
    given = {"structure": structure, "reference": {"engine": "ase-emt"}, **sections}
    return RunConfig.from_mapping(given, folder)


def one_round(labels: int) -> dict[str, dict[str, Any]]:
    """Return the sections of a run of so many labels, one round and the smallest surrogate and mesh."""
    return {
        "sampling": {"method": "rattle", "initial": labels, "budget": labels, "tolerance": None},
        "surrogate": {"model": "linear", "committee": 2, "cutoff": 4.5, "radial": 4, "l_max": 2},
        "bte": {"mesh": [3, 3, 3], "temperatures": [300]},
    }


def brute_force_in_parts(folder: Path, **bte: Any) -> RunConfig:
    """Return a run of copper with all forces from EMT and each mesh in three parts."""
    asked = {"mesh": [3, 3, 3], "temperatures": [300], "tasks": 3} | bte
    return copper(folder, forces={"source": "reference"}, bte=asked)
