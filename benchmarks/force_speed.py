"""Forces per second: our kernels beside pypolymlp on the same displaced silicon cells; cost against size.

Run by hand: ``python benchmarks/force_speed.py [--json] [--cells 1000] [--threads 2]``. Both potentials are
trained on the same 20 DFT cells (Si, PBEsol, shared data) and evaluated in turns in one process, so that a
noisy machine slows both; the ratio is what counts. With a CUDA device the same cells are evaluated there
too (`card.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

import card
import numpy as np
import peers
import torch
from ase.build import bulk
from phonopy.structure.atoms import PhonopyAtoms
from si_pbesol import DATA, SETS, finite_differences, force_rmse, labelled_cells, read_cells, versions

from kappa_flow.documents import Structures
from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.interop import structures_from_ase
from kappa_flow.surrogate import Potential, train

TURNS = 3
SIZES = (2, 5, 10, 15, 23)
"""Repeats of the 8-atom cell along each axis: 64 to 97,336 atoms."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    report = measure(options.cells, options.threads)
    if options.json:
        print(json.dumps(report))
        return
    for key, value in report.items():
        print(f"{key:34s} {value:.5g}" if isinstance(value, float) else f"{key:34s} {value}")


def measure(cells: int, threads: int) -> dict[str, Any]:
    """Return rates (atoms/s), their ratio, force errors and the cost per atom against the size."""
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    path = DATA / SETS["random"]
    potential = Potential.from_document(train(labelled_cells(path, 20), SurrogateSettings()))
    truth, forces = finite_differences()
    peer, _ = peers.train_pypolymlp(read_cells(path, 20), truth)
    peer_rmse = float(
        np.sqrt(
            np.mean(
                (peers.from_rest(peer, truth.supercells_with_displacements or [], truth.supercell) - forces)
                ** 2
            )
        )
    )
    batch, their = displaced(truth.supercell, cells)
    potential.predict(batch.geometry(range(2)), members=False)  # compiles
    ours_rate, peer_rate = [], []
    for _ in range(TURNS):
        ours_rate.append(rate(lambda: potential.predict(batch, members=False), len(batch.numbers)))
        some = their[: max(1, cells // 10)]
        peer_rate.append(rate(lambda some=some: peer.evaluate(some), len(some) * len(truth.supercell)))
    report: dict[str, Any] = {
        "threads": threads,
        "cells": cells,
        "atoms_per_second": max(ours_rate),
        "pypolymlp_atoms_per_second": max(peer_rate),
        "ratio": float(np.median(np.array(ours_rate) / np.array(peer_rate))),
        "force_rmse": force_rmse(potential),
        "pypolymlp_force_rmse": peer_rmse,
        "members": potential.members,
        "microseconds_per_atom_by_size": by_size(potential),
        "versions": versions(),
    }
    return report | card.measure(potential, batch)


def displaced(supercell: PhonopyAtoms, count: int) -> tuple[Structures, list[PhonopyAtoms]]:
    """Return the same randomly displaced cells (0.03 Å a component) for us and for the peer."""
    moves = np.random.default_rng(1).normal(scale=0.03, size=(count, len(supercell), 3))
    positions = supercell.positions + moves
    ours = Structures.same_atoms(supercell.cell, np.array(supercell.numbers, dtype=np.int64), positions)
    symbols = supercell.symbols
    return ours, [PhonopyAtoms(symbols=symbols, cell=supercell.cell, positions=one) for one in positions]


def rate(work: Any, atoms: int) -> float:
    start = time.perf_counter()
    work()
    return atoms / (time.perf_counter() - start)


def by_size(potential: Potential) -> dict[str, float]:
    """Return µs per atom of one cell against its number of atoms."""
    found = {}
    for repeats in SIZES:
        atoms = bulk("Si", cubic=True).repeat(repeats)
        atoms.rattle(0.03, seed=1)
        single = structures_from_ase([atoms])
        turns = max(1, 2000 // len(atoms))
        batch = Structures.same_atoms(
            atoms.cell.array, single.numbers, np.repeat(atoms.positions[None], turns, 0)
        )
        seconds = min(
            1.0 / rate(lambda batch=batch: potential.predict(batch, members=False), 1) for _ in range(2)
        )
        found[str(len(atoms))] = 1e6 * seconds / len(batch.numbers)
    return found


if __name__ == "__main__":
    main()
