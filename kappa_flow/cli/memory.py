"""memory: what the large arrays of a run take, step by step, beside what the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

import numpy as np

from kappa_flow import bte, force_constants
from kappa_flow.displacements import CellCount
from kappa_flow.documents import Crystal, RunConfig

BYTES: Final = 8
_SOLVER: Final = 2.0
"""fc3 arrays phono3py's finite-difference solver and the check of its answer hold at a time, that included:
1.3 and 0.8 more measured for 216 atoms of silicon (phono3py 4.8.2)."""
_CONTROL_GROUP: Final = Path("/sys/fs/cgroup/memory.max")
_MOST: Final = "most at a time"


def memory(config: RunConfig, crystal: Crystal, count: CellCount) -> dict[str, int]:
    """Return upper bounds of the large arrays and of what stands in memory together, bytes.

    symfc's own arrays (``displacements.method: random``), training and the engine's are not in it.
    """
    primitive = round(abs(np.linalg.det(crystal.primitive_matrix)) * len(crystal.cell.numbers))
    members = config.surrogate.committee if config.trains else 1
    fc3 = BYTES * primitive * 27 * count.fc3_atoms**2
    one = fc3 + BYTES * primitive * 9 * (count.fc2_atoms or count.fc3_atoms)
    rows = count.fc3_cells * count.fc3_atoms + count.fc2_cells * count.fc2_atoms
    forces = BYTES * 3 * rows * members
    kept, variants = one * members if members > 1 else 0, one * force_constants.VARIANTS
    solver = _solver(config, fc3, count.fc3_atoms // primitive)
    found = {
        "fc2 and fc3": one,
        "fc2 and fc3 of all members": kept,
        "fc2 and fc3 made otherwise, for the error budget": variants,
        "forces of all members" if members > 1 else "forces": forces,
        "batch of force evaluations (forces.memory)": round(config.forces.memory * 2**30)
        if members > 1
        else 0,
        "solver of fc3": solver,
        "BTE, one grid point": _grid_point(config, 3 * primitive),
        "BTE, collision matrices (bte.memory)": bte.collision_memory(crystal, config.bte),
    }
    transport = found["BTE, one grid point"] + found["BTE, collision matrices (bte.memory)"]
    steps = {
        "forces": forces + found["batch of force evaluations (forces.memory)"],
        "force_constants": forces + kept + variants + one + solver,
        "bte": kept + variants + 2 * one + transport,
    }
    largest = max(steps, key=lambda name: steps[name])
    return {**found, f"{_MOST} ({largest})": steps[largest]}


def shortage(needed: dict[str, int], machine: int | None) -> str | None:
    """Return a warning where the largest step does not fit into the machine's memory, else None."""
    most = {name: value for name, value in needed.items() if name.startswith(_MOST)}
    if machine is None or not most or max(most.values()) <= machine:
        return None
    (name, value), gib = next(iter(most.items())), 2**30
    return (
        f"memory: {name.removeprefix(_MOST)[2:-1]} takes up to {value / gib:.3g} GiB, this machine has "
        f"{machine / gib:.3g}; take a smaller structure.supercell, a smaller surrogate.committee, no "
        "displacements.pair_cutoff (with one, fc3 is made for every atom of the supercell), or another"
    )


def of_machine() -> int | None:
    """Return the bytes this machine, or the control group it runs in, has; None where it does not say."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    try:
        limit = _CONTROL_GROUP.read_text(encoding="ascii").strip()
    except OSError:
        return found
    return min(found, int(limit)) if limit.isdigit() else found


def _solver(config: RunConfig, fc3: int, cells: int) -> int:
    """Return what the solver holds: with a pair cutoff phono3py makes fc3 of every atom of the supercell."""
    if config.displacements.method == "random":
        return 0
    whole = fc3 * cells if config.displacements.pair_cutoff is not None else 0
    return whole + round(_SOLVER * fc3)


def _grid_point(config: RunConfig, bands: int) -> int:
    mesh = config.bte.mesh
    points = config.bte.mesh_limit**3 if mesh == "auto" else math.prod(mesh)
    return BYTES * points * bands**3
