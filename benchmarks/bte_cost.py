"""What a triplet of q-points costs phono3py on one thread: the measurement behind `kappa_flow.bte.cost`.

Run by hand: ``python benchmarks/bte_cost.py [--cases cu-2 si-2 …] [--json PATH]``. Force constants are made
by EMT and LAMMPS; some grid points of a mesh are computed, their triplets counted. CPU seconds, so that other
processes matter little; the first point is left out, it sets up what all share. a n N_s² + b n_b³
per triplet is fitted with relative errors, coefficients not negative, and compared with the constants in use.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ |= {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # before phono3py is imported

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import write
from phono3py.phonon3.triplets import get_triplets_at_q
from scipy.optimize import nnls

from kappa_flow import graph, pipeline, references
from kappa_flow.bte import cost
from kappa_flow.bte.transport import calculator_of, loaded, prepare
from kappa_flow.documents import Crystal, ForceConstants, RunConfig
from kappa_flow.stages import Bench

RESULTS = Path(__file__).parent / "results" / "bte_cost.json"
POINTS = 5


def four_h() -> Atoms:
    """Return 4H-SiC, eight atoms in its primitive cell."""
    sites = [(0, 0, 0), (1 / 3, 2 / 3, 1 / 4)]
    half = [(0, 0, 1 / 2), (2 / 3, 1 / 3, 3 / 4)]
    silicon = np.array([*sites, *half])
    positions = np.concatenate([silicon, silicon + np.array([0, 0, 3 / 16])])
    return Atoms("Si4C4", cell=[3.08, 3.08, 10.08, 90, 90, 120], scaled_positions=positions, pbc=True)


EMT = {"engine": "ase-emt"}
SIC = {"engine": "tersoff", "elements": ["Si", "C"]}
SI = {"engine": "tersoff", "elements": ["Si"]}
CASES: dict[str, tuple[Any, list[int], dict[str, Any], list[int]]] = {
    "cu-2": (lambda: bulk("Cu", a=3.6, cubic=True), [2, 2, 2], EMT, [11, 11, 11]),
    "cu-3": (lambda: bulk("Cu", a=3.6, cubic=True), [3, 3, 3], EMT, [11, 11, 11]),
    "si-2": (lambda: bulk("Si", a=5.43, cubic=True), [2, 2, 2], SI, [9, 9, 9]),
    "sic-2h": (lambda: bulk("SiC", "wurtzite", a=3.08, c=5.05), [3, 3, 2], SIC, [5, 5, 5]),
    "sic-4h": (four_h, [2, 2, 1], SIC, [5, 5, 3]),
    "sic-4h-3": (four_h, [3, 3, 1], SIC, [5, 5, 3]),
}
"""Crystal, supercell, reference, mesh."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=sorted(CASES), default=list(CASES))
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = []
    for name in options.cases:
        rows.append(measured(name))
        print(json.dumps(rows[-1]), flush=True)
    report = {"rows": rows, "fit": fitted(rows), "in_use": [cost.FOURIER, cost.MODES]}
    options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report["fit"]))


def config(name: str, folder: Path, **sections: Any) -> RunConfig:
    """Return a run of a case, all forces by the reference on a few randomly displaced cells."""
    make, supercell, reference, mesh = CASES[name]
    write(folder / "POSCAR", make(), format="vasp")
    few = {"method": "random", "count": 6} if reference is SIC else {}
    return RunConfig.from_mapping(
        {
            "structure": {"file": "POSCAR", "supercell": supercell, "relax": True},
            "reference": reference,
            "displacements": few,
            "forces": {"source": "reference"},
            "bte": {"mesh": mesh, "temperatures": [300], "isotopes": False},
        }
        | sections,
        folder,
    )


def measured(name: str) -> dict[str, Any]:
    """Return what a triplet of one crystal costs."""
    with tempfile.TemporaryDirectory() as place:
        settings = config(name, Path(place))
        documents = dict(pipeline.inputs(settings))
        bench = Bench(references.build(settings.reference))
        for task in graph.tasks(settings):
            if task.stage == "bte":
                break
            documents[task.name] = pipeline.perform(task, settings, documents, bench)
    crystal, constants = documents["structure"], documents["force_constants"]
    assert isinstance(crystal, Crystal)
    assert isinstance(constants, ForceConstants)
    work = loaded(crystal, constants)
    mesh = settings.bte.mesh
    assert mesh != "auto"
    prepare(work, mesh, settings.bte)
    points, _ = cost.irreducible(work.grid)
    chosen = points[np.linspace(0, len(points) - 1, POINTS).round().astype(int)]
    triplets = [len(get_triplets_at_q(int(point), work.grid)[0]) for point in points]
    by_point = dict(zip(points.tolist(), triplets, strict=True))
    calculator = calculator_of(work, settings.bte.temperature_list, settings.bte, chosen)
    ends: list[float] = []
    calculator.run(on_grid_point=lambda _: ends.append(time.process_time()))
    seconds = (ends[-1] - ends[0]) / sum(by_point[point] for point in chosen[1:].tolist())
    atoms, supercell = len(work.primitive), len(work.supercell)
    return {
        "case": name,
        "primitive_atoms": atoms,
        "supercell_atoms": supercell,
        "mesh": list(mesh),
        "triplets": sum(triplets),
        "triplets_estimated": float(np.prod(mesh)) ** 2 / (2 * len(work.grid.rotations)),
        "seconds_per_triplet": seconds,
        "seconds_per_triplet_estimated": cost.per_triplet(atoms, supercell),
    }


def fitted(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the coefficients that fit the rows best, each weighed by its own size, and how well they do."""
    found = np.array([row["seconds_per_triplet"] for row in rows])
    terms = np.array([cost.terms(row["primitive_atoms"], row["supercell_atoms"]) for row in rows])
    coefficients, _ = nnls(terms / found[:, None], np.ones(len(rows)))
    return {
        "coefficients": coefficients.tolist(),
        "estimated_over_measured": (terms @ coefficients / found).tolist(),
    }


if __name__ == "__main__":
    main()
