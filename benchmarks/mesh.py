"""Mesh convergence of κ: what ``bte.mesh: auto`` extrapolates, against meshes about twice as fine.

Run by hand: ``python benchmarks/mesh.py [--cases si nacl aln] [--divisions 7 11 15 19 31] [--no-solve]``.
Real DFT (shared data): silicon PBEsol, 111 finite-difference cells; NaCl PBEsol, symfc with the DFT fc2 of
4×4×4 and Born charges; wurtzite AlN LDA, Born charges. RTA with and without natural isotopes at 100, 300 and
1000 K. Meshes that ``results/mesh.json`` holds are not solved again. One core: silicon 15³ takes 72 s, 19³
four minutes, 31³ about an hour and a half.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nacl_pbesol as nacl
import numpy as np
import peers
import phono3py
import si_pbesol as si
from phono3py import Phono3py

from kappa_flow import bte
from kappa_flow.bte.meshes import scaled
from kappa_flow.documents import Crystal, ForceConstants, PolarTensors
from kappa_flow.documents.force_constants import Residuals
from kappa_flow.documents.mesh_extrapolation import extrapolate
from kappa_flow.documents.sections import BteSettings
from kappa_flow.interop import cell_from_phonopy

RESULTS = Path(__file__).parent / "results" / "mesh.json"
TEMPERATURES = (100.0, 300.0, 1000.0)
PIECES = Path(tempfile.gettempdir()) / "kappa_flow_mesh"
"""Linewidths of parts of the finest meshes: a benchmark that was stopped goes on from them."""
SEQUENCES = ((7, 11, 15), (11, 15, 19), (15, 19, 23), (19, 23, 27), (23, 27, 31))
"""Last three meshes of ``auto``."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=sorted(CASES), default=sorted(CASES))
    parser.add_argument("--divisions", type=int, nargs="+", default=[7, 11, 15, 19, 31])
    parser.add_argument("--no-solve", action="store_true", help="only judge what the results file holds")
    options = parser.parse_args()
    report: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    for name in [] if options.no_solve else options.cases:
        missing = [n for n in options.divisions if str(n) not in report.get(name, {}).get("meshes", {})]
        work = CASES[name]() if missing else None
        for divisions in missing:
            assert work is not None
            entry = report.setdefault(name, {"temperatures": TEMPERATURES, "meshes": {}})
            entry["meshes"][str(divisions)] = solved(work, divisions)
            RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, entry in report.items():
        judge(name, entry)


def silicon() -> Phono3py:
    work, work.forces = si.finite_differences()
    work.produce_fc3()
    work.produce_fc2()
    work.symmetrize_fc3()
    work.symmetrize_fc2()
    return work


def salt() -> Phono3py:
    return phono3py.load(nacl.PARAMETERS, produce_fc=True, fc_calculator="symfc", log_level=0)


def nitride() -> Phono3py:
    folder = nacl.DATA.parent / "aln_lda"
    work = phono3py.load(
        folder / "phono3py_disp_dimfc2.yaml.xz",
        forces_fc3_filename=folder / "FORCES_FC3.xz",
        forces_fc2_filename=folder / "FORCES_FC2.xz",
        born_filename=folder / "BORN",
        produce_fc=False,
        log_level=0,
    )
    work.produce_fc3()
    work.produce_fc2()
    work.symmetrize_fc3()
    work.symmetrize_fc2()
    return work


CASES: dict[str, Callable[[], Phono3py]] = {"si": silicon, "nacl": salt, "aln": nitride}


def solved(work: Phono3py, divisions: int) -> dict[str, Any]:
    """Return κ on a mesh as the results file keeps it."""
    crystal = Crystal(
        cell=cell_from_phonopy(work.unitcell),
        primitive_matrix=work.primitive_matrix,
        supercell=work.supercell_matrix,
        fc2_supercell=work.phonon_supercell_matrix,
        formula="",
        spacegroup="",
        spacegroup_number=1,
        symprec=1e-5,
    )
    calm = Residuals(fc2_drift=0, fc3_drift=0, fc2_permutation=0, fc3_permutation=0)
    nac = work.nac_params
    polar = (
        None if nac is None else PolarTensors(**{key: nac[key] for key in ("born", "dielectric", "factor")})
    )
    constants = ForceConstants(
        fc2=work.fc2, fc3=work.fc3, polar=polar, raw=calm, final=calm, solver="phono3py"
    )
    mesh, start = scaled(work, divisions), time.process_time()
    settings = BteSettings(mesh=mesh, temperatures=TEMPERATURES, tasks=32 if divisions > 19 else 1)
    pieces = []
    for part in range(int(settings.tasks)):
        kept = PIECES / f"{constants.content_hash[:16]}_{divisions}_{part}.pickle"
        if not kept.is_file():
            PIECES.mkdir(exist_ok=True)
            kept.write_bytes(pickle.dumps(bte.linewidths(crystal, constants, settings, (divisions, part))))
        pieces.append(pickle.loads(kept.read_bytes()))
    kappa, pure = (
        bte.collect(crystal, constants, settings.model_copy(update={"isotopes": scatter}), divisions, pieces)
        for scatter in (True, False)
    )
    return {
        "mesh": mesh,
        "kappa": np.diagonal(kappa.kappa, axis1=1, axis2=2).tolist(),
        "kappa_without_isotopes": np.diagonal(pure.kappa, axis1=1, axis2=2).tolist(),
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def judge(name: str, entry: dict[str, Any]) -> None:
    """Print κ(∞) ± σ of every sequence, and how far the finest mesh, if 1.6 times its last, lies from it."""
    meshes = {int(n): found for n, found in entry["meshes"].items()}
    for key in ("kappa", "kappa_without_isotopes"):
        for sequence in SEQUENCES:
            if not all(n in meshes and key in meshes[n] for n in sequence):
                continue
            kappa = np.array([tensors(meshes[n][key]) for n in sequence])
            limit = extrapolate([tuple(meshes[n]["mesh"]) for n in sequence], kappa)
            assert limit is not None
            finest = max((n for n in meshes if key in meshes[n]), default=0)
            fine = tensors(meshes[finest][key]) if finest >= 1.6 * sequence[-1] else None
            for row, temperature in enumerate(entry["temperatures"]):
                value, sigma = (float(np.trace(part[row]) / 3) for part in (limit.kappa, limit.sigma))
                text = (
                    f"{name} {key} {temperature:g} K: on {sequence[-1]} {np.trace(kappa[-1, row]) / 3:.2f}, "
                )
                text += f"extrapolated {value:.2f} ± {sigma:.2f} ({100 * sigma / value:.1f} %)"
                if fine is not None:
                    truth = float(np.trace(fine[row]) / 3)
                    text += f", on {finest} {truth:.2f}: {(truth - value) / sigma:+.2f} σ"
                print(text)


def tensors(diagonals: list[list[float]]) -> peers.FloatArray:
    """Return (n_temperatures, 3, 3) of the diagonals kept."""
    return np.asarray([np.diag(diagonal) for diagonal in diagonals])


if __name__ == "__main__":
    main()
