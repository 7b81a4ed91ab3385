"""How many reference calculations κ needs, by the method that selects them from a pool of real DFT cells.

Run by hand: ``python benchmarks/selection.py [--json] [--cases si-rattled] [--out FILE]``. For each seed 60
cells of the set are the pool; each method orders them, knowing no label; the linear read-out is fitted to the
forces of the first n; κ(300 K), RTA, no isotopes, from its forces on phono3py's displaced cells is compared
with the truth on the same mesh (7×7×7 unless given). Truth: silicon 111 DFT finite-difference cells; NaCl
symfc on all 100 cells. ``si-unequal`` are 30 cells in which all atoms move and the 111 in which one or two
do; ``mgo-unequal`` the same of rock salt MgO, labelled by SevenNet-0. In NaCl fc2 is the DFT one of 4×4×4
cells in both, so that the selection decides fc3.
Rows that FILE holds already are not done again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import labelled_crystals
import nacl_pbesol as nacl
import numpy as np
import peers
import si_pbesol as si
import torch
from ase import Atoms
from phono3py import Phono3py
from surrogate import Report

from kappa_flow.documents.sections import Selection, SurrogateSettings
from kappa_flow.documents.structures import Structures
from kappa_flow.interop import structures_from_ase
from kappa_flow.surrogate.experiment import Experiment
from kappa_flow.surrogate.fitting.information import (
    Information,
    most_informative,
    most_useful,
)
from kappa_flow.surrogate.fitting.linear import Ridge
from kappa_flow.surrogate.fitting.selection import design
from kappa_flow.surrogate.fitting.training import functions_for

POOL = 60
"""Cells of the pool of a seed."""
METHODS: tuple[Selection, ...] = ("random", "d-optimal", "displaced-cells", "farthest-point")
WITHIN = (2.0, 5.0)
"""Errors of κ, %, that the number of calls is asked for."""


@dataclass(frozen=True)
class Case:
    """A labelled set, the cells κ is made from, and κ of forces on them."""

    cells: Structures
    forces: torch.Tensor
    rows: torch.Tensor
    """Force rows of all cells."""
    wanted: torch.Tensor
    """Force rows of the displaced cells and, last, the perfect one."""
    settings: SurrogateSettings
    kappa: Callable[[peers.FloatArray], float]
    truth: float
    counts: tuple[int, ...]

    @classmethod
    def of(
        cls,
        images: list[Atoms],
        ph3: Phono3py,
        settings: SurrogateSettings,
        kappa: Callable[[peers.FloatArray], float],
        truth: float,
        counts: tuple[int, ...],
    ) -> Case:
        cells = structures_from_ase(images)
        asked = [*(ph3.supercells_with_displacements or []), ph3.supercell]
        wanted = structures_from_ase([peers.as_ase(cell) for cell in asked])
        functions = functions_for(cells, settings)
        forces = torch.tensor(np.array([atoms.get_forces() for atoms in images])).flatten(1)
        rows = design(cells, functions).view(*forces.shape, -1)
        return cls(cells, forces, rows, design(wanted, functions), settings, kappa, truth, counts)

    def error(self, chosen: list[int]) -> float:
        """Return the error of κ, %, from a fit to the forces of the chosen cells."""
        target = self.forces[chosen].flatten()
        ridge = Ridge.fit(self.rows[chosen].flatten(0, 1), target)
        equal = torch.ones(1, len(target), dtype=target.dtype)
        weights = ridge.coefficients(ridge.factor(equal), target[None]) @ ridge.back.T
        found = (self.wanted @ weights[0]).numpy().reshape(-1, self.forces.shape[1] // 3, 3)
        return 100.0 * (self.kappa(found[:-1] - found[-1]) / self.truth - 1.0)

    def order(self, pool: list[int], method: Selection, seed: int) -> list[int]:
        """Return the first cells of a pool in the order a method chooses them."""
        count = max(self.counts)
        gains = {"d-optimal": most_informative, "displaced-cells": most_useful}
        if method in gains:
            rows = self.rows[pool].flatten(0, 1)
            known = Information.of(rows, [self.rows.shape[1]] * len(pool), None, self.wanted)
            found = known.choose([np.arange(len(pool))] * count, gains[method])
        else:
            found = Experiment(self.cells.geometry(pool), self.settings).choose(count, method, seed).tolist()
        return [pool[number] for number in found]


def silicon(name: str, counts: tuple[int, ...], mesh: list[int]) -> Case:
    truth, forces = si.finite_differences()
    target = peers.from_forces(truth, forces, mesh)
    if name == "unequal":
        images = si.read_cells(si.DATA / si.SETS["random"], 30)
        images += si.read_cells(si.DATA / "fd_truth" / "fd_displaced_111.extxyz.xz", 111)
    else:
        images = si.read_cells(si.DATA / si.SETS[name], 200)
    settings = SurrogateSettings(model="linear")
    return Case.of(images, truth, settings, lambda f: peers.from_forces(truth, f, mesh), target, counts)


def magnesia(counts: tuple[int, ...], mesh: list[int]) -> Case:
    found = labelled_crystals.make("mgo-sevennet", rattled=30)
    ph3 = found.ph3
    target = peers.from_forces(ph3, np.array([atoms.get_forces() for atoms in found.displaced]), mesh)
    return Case.of(
        [*found.rattled, *found.displaced],
        ph3,
        SurrogateSettings(model="linear"),
        lambda f: peers.from_forces(ph3, f, mesh),
        target,
        counts,
    )


def salt(counts: tuple[int, ...], mesh: list[int]) -> Case:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = nacl.phono3py.load(nacl.PARAMETERS, produce_fc=True, fc_calculator="symfc", log_level=0)
    target = peers.solve_kappa(truth, mesh)
    ph3 = Phono3py(truth.unitcell, [2, 2, 2], "F", phonon_supercell_matrix=[4, 4, 4], log_level=0)
    ph3.nac_params = truth.nac_params
    ph3.generate_displacements(distance=0.03)

    def kappa(forces: peers.FloatArray) -> float:
        ph3.forces = forces
        ph3.produce_fc3()
        ph3.symmetrize_fc3()
        ph3.fc2 = np.array(truth.fc2)
        return peers.solve_kappa(ph3, mesh)

    settings = SurrogateSettings(model="linear", cutoff=5.6)
    return Case.of(nacl.read_cells(nacl.TRAINING, 100), ph3, settings, kappa, target, counts)


CASES: dict[str, Callable[[list[int]], Case]] = {
    "si-rattled": lambda mesh: silicon("random", (2, 3, 4, 6, 8), mesh),
    "si-thermal": lambda mesh: silicon("thermal", (6, 10, 14, 18), mesh),
    "si-unequal": lambda mesh: silicon("unequal", (4, 6, 12), mesh),
    "mgo-unequal": lambda mesh: magnesia((4, 6, 12), mesh),
    "nacl": lambda mesh: salt((1, 2, 3, 4), mesh),
}


def calls(errors: dict[str, float], within: float) -> int | None:
    """Return the fewest cells from which on κ stays within an error; None: more than were tried."""
    settled = None
    for count, error in sorted(((int(n), e) for n, e in errors.items()), reverse=True):
        if abs(error) > within:
            break
        settled = count
    return settled


def summary(rows: dict[str, Any], case: str, method: str, seeds: int) -> dict[str, Any]:
    """Return calls needed and median |error| per number of cells over the seeds there are."""
    found = [rows[f"{case} {method} {s}"] for s in range(seeds) if f"{case} {method} {s}" in rows]
    result: dict[str, Any] = {"seeds": len(found)}
    for within in WITHIN:
        needed = [calls(row, within) for row in found]
        result[f"calls_{within:g}"] = needed
        median = float(np.median([np.inf if n is None else n for n in needed]))
        result[f"median_{within:g}"] = median if np.isfinite(median) else None
    result["median_error"] = {n: float(np.median([abs(row[n]) for row in found])) for n in found[0]}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cases", nargs="+", choices=sorted(CASES), default=list(CASES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--mesh", type=int, nargs=3, default=[7, 7, 7])
    parser.add_argument("--out", type=Path, help="keep rows here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    report = Report(options.out, silent=options.json)
    for name in options.cases:
        measure(name, CASES[name](options.mesh), report, options)
    table = {
        f"{name} {method}": summary(report.rows, name, method, options.seeds)
        for name in options.cases
        for method in options.methods
    }
    if options.json:
        print(json.dumps(table))
        return
    for name, row in table.items():
        print(name, json.dumps(row))


def measure(name: str, case: Case, report: Report, options: argparse.Namespace) -> None:
    """Add a row of errors per method and seed."""
    for seed in range(options.seeds):
        for method in options.methods:
            pool = np.random.default_rng(seed).permutation(len(case.cells))[:POOL].tolist()
            report.add(f"{name} {method} {seed}", lambda p=pool, m=method, s=seed: errors(case, p, m, s))


def errors(case: Case, pool: list[int], method: Selection, seed: int) -> dict[str, float]:
    order = case.order(pool, method, seed)
    return {str(count): case.error(order[:count]) for count in case.counts}


if __name__ == "__main__":
    main()
