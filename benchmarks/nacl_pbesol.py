"""Real DFT rock salt: trained in 2×2×2 cells, asked for the fc2 of 4×4×4 ones; with and without dipoles.

Run by hand: ``python benchmarks/nacl_pbesol.py [--json]``. The data (VASP, PBEsol; the truth: symfc's fc3 of
100 2×2×2 cells with the DFT fc2 of 4×4×4) is found by KAPPA_FLOW_DATA or ../shared/data. Mesh 11×11×11, RTA,
no isotopes, Born charges; the truth is solved in the same run. pypolymlp as in si_pbesol.py.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import peers
import phono3py
from ase import Atoms
from phono3py import Phono3py
from phonopy import Phonopy
from si_pbesol import print_row, read_cells, versions

from kappa_flow import pipeline
from kappa_flow.documents import Conductivity, ForceConstants, RunConfig, SurrogateDocument
from kappa_flow.interop import structures_from_ase
from kappa_flow.surrogate import Potential

DATA = Path(os.environ.get("KAPPA_FLOW_DATA", Path(__file__).parents[2] / "shared" / "data")) / "nacl_pbesol"
PARAMETERS = DATA / "phono3py_params_NaCl-rd.yaml.xz"
TRAINING = DATA / "train_rd_0.03A_222.extxyz.xz"
LARGER = DATA / "fc2_rd_0.03A_444.extxyz.xz"
HELD_OUT = 10
"""The last of the 100 cells, never trained on."""
MESH = (11, 11, 11)
NEAR_GAMMA = (0.02, 0.02, 0.0)


@dataclass(frozen=True)
class Truth:
    """What the DFT cells give."""

    kappa: float
    fc2: peers.FloatArray
    nac: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cells", type=int, nargs="+", default=[20, 40], help="training cells, at most 90")
    parser.add_argument("--no-peers", action="store_true", help="skip pypolymlp")
    parser.add_argument("--surrogate", type=json.loads, default={}, help="surrogate section as JSON")
    options = parser.parse_args()
    truth = solve_truth()
    report: dict[str, Any] = {"truth_kappa": truth.kappa, "mesh": MESH, "temperature": 300}
    report |= {"truth_optical": optical(truth, truth.fc2), "versions": versions()}
    for name, row in rows(options, truth):
        report[name] = row
        if not options.json:
            print_row(name, row, truth.kappa)
    if options.json:
        print(json.dumps(report))


def rows(options: argparse.Namespace, truth: Truth) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and figures of ours with and without dipoles, then the peer's, as they are ready."""
    for count in options.cells:
        for switch in ("auto", "off"):
            yield (
                f"long_range_{switch}_{count}",
                ours(count, options.surrogate | {"long_range": switch}, truth),
            )
        if not options.no_peers:
            yield f"pypolymlp_{count}", polynomial(count, truth)


def solve_truth() -> Truth:
    """Return κ from symfc's fc3 of the 100 cells and the DFT fc2, and that fc2."""
    with contextlib.redirect_stdout(io.StringIO()):
        ph3 = phono3py.load(PARAMETERS, produce_fc=True, fc_calculator="symfc", log_level=0)
    assert ph3.fc2 is not None
    assert ph3.nac_params is not None
    return Truth(peers.solve_kappa(ph3, MESH), np.array(ph3.fc2), dict(ph3.nac_params))


def empty(truth: Truth) -> Phono3py:
    """Return phono3py's object of the crystal: 2×2×2 for fc3, 4×4×4 for fc2, Born charges, no forces."""
    unitcell = phono3py.load(PARAMETERS, produce_fc=False, log_level=0).unitcell
    ph3 = Phono3py(unitcell, [2, 2, 2], "F", phonon_supercell_matrix=[4, 4, 4], log_level=0)
    ph3.nac_params = dict(truth.nac)
    return ph3


def optical(truth: Truth, fc2: peers.FloatArray) -> list[float]:
    """Return the two transverse and the longitudinal optical frequency near Γ, THz."""
    ph3 = empty(truth)
    phonons = Phonopy(ph3.unitcell, np.diag([4, 4, 4]), primitive_matrix="F", log_level=0)
    phonons.nac_params, phonons.force_constants = dict(truth.nac), fc2
    return [float(f) for f in phonons.run_qpoints([NEAR_GAMMA]).frequencies[0][3:]]


def compare(truth: Truth, kappa: float, fc2: peers.FloatArray) -> dict[str, Any]:
    """Return what every row says of κ and fc2."""
    return {
        "kappa": kappa,
        "kappa_error_percent": 100 * (kappa / truth.kappa - 1),
        "fc2_relative_error": float(np.linalg.norm(fc2 - truth.fc2) / np.linalg.norm(truth.fc2)),
        "optical_thz": optical(truth, fc2),
    }


def ours(count: int, surrogate: dict[str, Any], truth: Truth) -> dict[str, Any]:
    """Train on the first ``count`` cells and solve κ through kappa_flow's own pipeline."""
    config = RunConfig.from_mapping(
        {
            "structure": {"file": PARAMETERS.name, "supercell": [2, 2, 2], "fc2_supercell": [4, 4, 4]},
            "dataset": {"files": [TRAINING.name], "limit": count},
            "surrogate": surrogate,
            "force_constants": {"nac": {"file": PARAMETERS.name}},
            "bte": {"mesh": list(MESH), "temperatures": [300], "isotopes": False, "member_mesh": [3, 3, 3]},
        },
        folder=DATA,
    )
    seconds: dict[str, float] = {}
    documents = pipeline.run_all(config, done=lambda task, _, spent: seconds.__setitem__(task.name, spent))
    trained, constants = documents["surrogate.0"], documents["force_constants"]
    solved = documents["bte"]
    assert isinstance(trained, SurrogateDocument)
    assert isinstance(constants, ForceConstants)
    assert isinstance(solved, Conductivity)
    potential = Potential.from_document(trained)
    return compare(truth, float(solved.trace[0]), constants.fc2) | {
        "force_rmse_held_out": force_rmse(potential, read_cells(TRAINING, 100)[-HELD_OUT:]),
        "force_rmse_4x4x4": force_rmse(potential, read_cells(LARGER, 2)),
        "train_seconds": seconds["surrogate.0"],
        "forces_seconds": seconds["forces"],
    }


def force_rmse(potential: Potential, images: Sequence[Atoms]) -> float:
    """Return the force error on labelled cells, eV/Å."""
    found = potential.predict(structures_from_ase(images), members=False).forces
    return float(np.sqrt(np.mean((found - np.concatenate([atoms.get_forces() for atoms in images])) ** 2)))


def polynomial(count: int, truth: Truth) -> dict[str, Any]:
    """Return pypolymlp's figures, phono3py's defaults, on the same cells."""
    ph3 = empty(truth)
    with contextlib.redirect_stdout(io.StringIO()):
        mlp, seconds = peers.train_pypolymlp(read_cells(TRAINING, count), ph3)
    ph3.generate_displacements(distance=0.03)
    ph3.generate_fc2_displacements(distance=0.03)
    fc3_forces = peers.from_rest(mlp, ph3.supercells_with_displacements or [], ph3.supercell)
    fc2_forces = peers.from_rest(mlp, ph3.phonon_supercells_with_displacements, ph3.phonon_supercell)
    kappa = peers.from_forces(ph3, fc3_forces, MESH, fc2_forces)
    assert ph3.fc2 is not None
    small = Phono3py(ph3.unitcell, [2, 2, 2], "F", log_level=0)
    small.nac_params = dict(truth.nac)
    small.generate_displacements(distance=0.03)
    interpolated = peers.from_forces(small, fc3_forces, MESH)
    return compare(truth, kappa, np.array(ph3.fc2)) | {
        "kappa_error_percent_fc2_of_2x2x2": 100 * (interpolated / truth.kappa - 1),
        "force_rmse_held_out": polynomial_rmse(mlp, read_cells(TRAINING, 100)[-HELD_OUT:]),
        "force_rmse_4x4x4": polynomial_rmse(mlp, read_cells(LARGER, 2)),
        "train_seconds": seconds,
        "version": version("pypolymlp"),
    }


def polynomial_rmse(mlp: peers.PhonopyMLP, images: Sequence[Atoms]) -> float:
    """Return pypolymlp's force error on labelled cells, eV/Å."""
    cells = [
        peers.PhonopyAtoms(numbers=atoms.numbers, cell=atoms.cell.array, positions=atoms.positions)
        for atoms in images
    ]
    found = np.array(mlp.evaluate(cells)[1])
    return float(np.sqrt(np.mean((found - np.array([atoms.get_forces() for atoms in images])) ** 2)))


if __name__ == "__main__":
    main()
