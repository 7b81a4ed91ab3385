"""Real DFT silicon: κ(300 K) from 40 labelled cells, ours, pypolymlp's and symfc's, against 111 DFT cells.

Run by hand: ``python benchmarks/si_pbesol.py [--json]`` (about five minutes on two cores). The data (VASP,
PBEsol) is found by KAPPA_FLOW_DATA or ../shared/data. Mesh 11×11×11, RTA, no isotopes; the truth is solved in
the same run. pypolymlp comes with ``pip install 'kappa-flow[peers]'`` (Debian: libeigen3-dev first).
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import platform
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import peers
from ase import Atoms
from ase.io import read
from phono3py import Phono3py
from phono3py.cui.load import load

from kappa_flow import graph, pipeline
from kappa_flow.documents import Conductivity, Dataset, RunConfig, SurrogateDocument
from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.interop import structures_from_ase
from kappa_flow.stages import Bench
from kappa_flow.surrogate import Potential, train

DATA = Path(os.environ.get("KAPPA_FLOW_DATA", Path(__file__).parents[2] / "shared" / "data")) / "si_pbesol"
MESH = (11, 11, 11)
SYMFC_CUTOFFS = (3.5, 4.0, 4.5, 5.0, None)
SETS = {"random": "train_rd_0.03A.extxyz.xz", "thermal": "train_thermal300K.extxyz.xz"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--cells", type=int, nargs="+", default=[40], help="training cells, the first of each set"
    )
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=sorted(SETS))
    parser.add_argument("--no-peers", action="store_true", help="skip pypolymlp and symfc")
    parser.add_argument("--surrogate", type=json.loads, default={}, help="surrogate section as JSON")
    options = parser.parse_args()
    truth, forces = finite_differences()
    target = peers.from_forces(truth, forces, MESH)
    report: dict[str, Any] = {"truth_kappa": target, "mesh": MESH, "temperature": 300, "versions": versions()}
    for name in options.sets:
        for count in options.cells:
            images = read_cells(DATA / SETS[name], count)
            row = ours(DATA / SETS[name], count, options.surrogate, target)
            if not options.no_peers:
                row |= beside(images, truth, forces, target)
            report[f"{name}_{count}"] = row
            if not options.json:
                print_row(f"{name}_{count}", row, target)
    if options.json:
        print(json.dumps(report))


def versions() -> dict[str, str]:
    names = ("kappa-flow", "phono3py", "phonopy", "symfc", "torch", "numpy")
    return {name: version(name) for name in names} | {"python": platform.python_version()}


def read_cells(path: Path, count: int) -> list[Atoms]:
    with lzma.open(path, "rt") as file:
        return read(file, f":{count}", format="extxyz")  # type: ignore[return-value]


def finite_differences() -> tuple[Phono3py, peers.FloatArray]:
    """Return phono3py's object with the truth's displaced cells, and their DFT forces."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("FORCES_FC3", "phono3py_disp.yaml"):
            with (
                lzma.open(DATA / "fd_truth" / f"{name}.xz") as packed,
                (Path(folder) / name).open("wb") as plain,
            ):
                shutil.copyfileobj(packed, plain)
        ph3 = load(
            f"{folder}/phono3py_disp.yaml",
            forces_fc3_filename=f"{folder}/FORCES_FC3",
            produce_fc=False,
            log_level=0,
        )
    assert ph3.forces is not None
    return ph3, np.array(ph3.forces)


def config_for(path: Path, count: int, surrogate: dict[str, Any]) -> RunConfig:
    """Return the run: the first ``count`` cells of a set, κ on the mesh of the truth."""
    return RunConfig.from_mapping(
        {
            "structure": {"file": "fd_truth/POSCAR-unitcell", "supercell": [2, 2, 2]},
            "dataset": {"files": [path.name], "limit": count},
            "surrogate": surrogate,
            "bte": {"mesh": list(MESH), "temperatures": [300], "isotopes": False, "member_mesh": [7, 7, 7]},
        },
        folder=DATA,
    )


def labelled_cells(path: Path, count: int) -> Dataset:
    """Return the first ``count`` cells of a set as the data set a run trains on."""
    config = config_for(path, count, {})
    documents = pipeline.inputs(config)
    for task in graph.tasks(config):
        documents[task.name] = found = pipeline.perform(task, config, documents, Bench())
        if isinstance(found, Dataset):
            return found
    raise LookupError("the run makes no data set")


def seconds_of_training(cells: Dataset) -> float:
    """Return the wall time of training with default settings."""
    start = time.perf_counter()
    train(cells, SurrogateSettings())
    return time.perf_counter() - start


def ours(path: Path, count: int, surrogate: dict[str, Any], target: float) -> dict[str, Any]:
    """Train on the first ``count`` cells and solve κ through kappa_flow's own pipeline."""
    config = config_for(path, count, surrogate)
    seconds: dict[str, float] = {}
    documents = pipeline.run_all(config, done=lambda task, _, spent: seconds.__setitem__(task.name, spent))
    trained, solved = documents["surrogate.0"], documents["bte"]
    assert isinstance(trained, SurrogateDocument)
    assert isinstance(solved, Conductivity)
    kappa = float(solved.trace[0])
    spread = (
        None if solved.member_kappa is None else np.trace(solved.member_kappa[:, 0], axis1=1, axis2=2) / 3
    )
    return {
        "kappa": kappa,
        "kappa_error_percent": 100 * (kappa / target - 1),
        "kappa_sigma": None if spread is None or len(spread) < 2 else float(np.std(spread, ddof=1)),
        "force_rmse": force_rmse(Potential.from_document(trained)),
        "train_seconds": seconds["surrogate.0"],
        "forces_seconds": seconds["forces"],
    }


def force_rmse(potential: Potential) -> float:
    """Return the force error (eV/Å) on the 111 displaced DFT cells."""
    images = read_cells(DATA / "fd_truth" / "fd_displaced_111.extxyz.xz", 111)
    predicted = potential.evaluate(structures_from_ase(images)).forces
    return float(
        np.sqrt(np.mean((predicted - np.concatenate([atoms.get_forces() for atoms in images])) ** 2))
    )


def beside(images: list[Atoms], truth: Phono3py, forces: peers.FloatArray, target: float) -> dict[str, Any]:
    """Return the peers' figures on the same cells."""
    row: dict[str, Any] = {}
    fits = peers.symfc(images, truth, MESH, SYMFC_CUTOFFS)
    linear = min(fits, key=lambda fit: abs(fit.kappa - target))
    row |= {
        "symfc_kappa": linear.kappa,
        "symfc_kappa_error_percent": 100 * (linear.kappa / target - 1),
        "symfc_setting": linear.setting,
    }
    polynomial = peers.pypolymlp(images, truth, forces, MESH)
    return row | {
        "pypolymlp_kappa": polynomial.kappa,
        "pypolymlp_kappa_error_percent": 100 * (polynomial.kappa / target - 1),
        "pypolymlp_force_rmse": polynomial.force_rmse,
        "pypolymlp_train_seconds": polynomial.seconds,
        "pypolymlp_version": version("pypolymlp"),
    }


def print_row(name: str, row: dict[str, Any], target: float) -> None:
    print(f"{name}: truth {target:.2f} W/(m K)")
    for key, value in row.items():
        print(f"  {key:32s} {value:.5g}" if isinstance(value, float) else f"  {key:32s} {value}")


if __name__ == "__main__":
    main()
