"""Is the error bar of the surrogate right? κ of many small training sets beside brute force and its spread.

Run by hand: ``python benchmarks/calibration.py [--json] [--cases si-rattled] [--out FILE]``. Each draw trains
the default committee on a few random cells of a set (other cells, another seed each time) and solves κ(300 K)
on 7×7×7, RTA, no isotopes, degenerate bands averaged, from the mean's and every member's forces on phono3py's
displaced supercells. Truth: the labels' own forces there; for NaCl symfc on all 100 cells. Rows that FILE
holds are not done again. Held-out errors are those on eight cells of the same kind.
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
import matplotlib as mpl
import matplotlib.pyplot as plt
import nacl_pbesol as nacl
import numpy as np
import peers
import si_pbesol as si
import torch
from ase import Atoms
from phono3py import Phono3py
from surrogate import Report

from kappa_flow.documents import Dataset
from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.interop import structures_from_ase
from kappa_flow.results.error_budget import CALIBRATION
from kappa_flow.surrogate import Potential, train

mpl.use("Agg")
MESH = (7, 7, 7)
HELD_OUT = 8
SEEDS = 3
SIZES: dict[str, tuple[int, ...]] = {
    "si-rattled": (5, 10, 20),
    "si-thermal": (10, 20, 40),
    "nacl": (5, 10, 20),
    "si-sw": (4, 8),
    "ge-tersoff": (4, 8),
    "mgo-sevennet": (4, 8),
    "sic-sevennet": (4, 8),
}


@dataclass(frozen=True)
class Case:
    """Labelled cells, and the way from forces on the displaced supercells to κ."""

    images: list[Atoms]
    ph3: Phono3py
    truth: float

    def kappa(self, forces: peers.FloatArray) -> float:
        """Return κ of forces on the displaced supercells, the perfect one's last."""
        return solve(self.ph3, forces[:-1] - forces[-1])

    def cells(self) -> list[Atoms]:
        """Return phono3py's displaced supercells and, last, the perfect one."""
        displaced = self.ph3.supercells_with_displacements or []
        return [peers.as_ase(cell) for cell in [*displaced, self.ph3.supercell]]


def solve(ph3: Phono3py, forces: peers.FloatArray) -> float:
    return peers.from_forces(ph3, forces, MESH, average_degenerate=True)


def silicon(kind: str) -> Case:
    ph3, forces = si.finite_differences()
    return Case(si.read_cells(si.DATA / si.SETS[kind], 200), ph3, solve(ph3, forces))


def salt() -> Case:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = nacl.phono3py.load(nacl.PARAMETERS, produce_fc=False, log_level=0)
        images = nacl.read_cells(nacl.TRAINING, 100)
        ph3 = Phono3py(truth.unitcell, [2, 2, 2], "F", log_level=0)
        ph3.nac_params = truth.nac_params
        displacements, forces, _ = peers.on_supercell(images, ph3.supercell)
        ph3.dataset = {"displacements": displacements, "forces": forces}
        ph3.produce_fc3(fc_calculator="symfc")
        target = peers.solve_kappa(ph3, MESH, average_degenerate=True)
        ph3 = Phono3py(truth.unitcell, [2, 2, 2], "F", log_level=0)
        ph3.nac_params = truth.nac_params
        ph3.generate_displacements(distance=0.03)
    return Case(images, ph3, target)


def made(name: str) -> Case:
    """Return forty rattled cells of a crystal and its brute force, labelled here."""
    found = labelled_crystals.make(name, rattled=40)
    forces = np.array([atoms.get_forces() for atoms in found.displaced])
    return Case(found.rattled, found.ph3, solve(found.ph3, forces))


CASES: dict[str, Callable[[], Case]] = {
    "si-rattled": lambda: silicon("random"),
    "si-thermal": lambda: silicon("thermal"),
    "nacl": salt,
    **{name: lambda name=name: made(name) for name in labelled_crystals.CRYSTALS},  # type: ignore[misc]
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cases", nargs="+", choices=sorted(CASES), default=list(CASES))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, help="keep rows here")
    parser.add_argument("--plot", type=Path, help="draw error over σ here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    report = Report(options.out, silent=options.json)
    report.add("versions", si.versions)
    for name in options.cases:
        wanted = [(count, seed) for count in SIZES[name] for seed in range(options.seeds)]
        if all(f"{name} {count} {seed}" in report.rows for count, seed in wanted):
            continue
        case = CASES[name]()
        for count, seed in wanted:
            report.add(f"{name} {count} {seed}", lambda c=count, s=seed, case=case: draw(case, c, s))
    print(json.dumps(report.rows if options.json else summary(report.rows), indent=1))
    if options.plot is not None:
        plot(report.rows, options.plot)


def draw(case: Case, count: int, seed: int) -> dict[str, Any]:
    """Train on ``count`` random cells; return κ, its spread, and the errors and spreads of forces."""
    order = np.random.default_rng([count, seed]).permutation(len(case.images))
    learned = as_dataset([case.images[index] for index in order[:count]])
    held = as_dataset([case.images[index] for index in order[-HELD_OUT:]])
    settings, crystal = SurrogateSettings(seed=seed + 1), peers.crystal_of(case.ph3)
    potential = Potential.from_document(train(learned, settings, crystal=crystal))
    found = potential.predict(structures_from_ase(case.cells()))
    on_held = potential.predict(held)
    assert found.member_forces is not None
    assert on_held.member_forces is not None
    atoms = len(case.ph3.supercell)
    members = [case.kappa(one.reshape(-1, atoms, 3)) for one in found.member_forces]
    return {
        "truth": case.truth,
        "kappa": case.kappa(found.forces.reshape(-1, atoms, 3)),
        "members": members,
        "train_force_rmse": rms(potential.predict(learned, members=False).forces - learned.forces),
        "held_out_force_rmse": rms(on_held.forces - held.forces),
        "held_out_force_spread": rms(on_held.member_forces.std(axis=0, ddof=1)),
        "displaced_force_spread": rms(found.member_forces.std(axis=0, ddof=1)),
        "force_rms": rms(held.forces),
    }


def as_dataset(images: list[Atoms]) -> Dataset:
    cells = structures_from_ase(images)
    return Dataset(
        **{name: getattr(cells, name) for name in type(cells).model_fields},
        energies=np.array([atoms.get_potential_energy() for atoms in images]),
        forces=np.concatenate([atoms.get_forces() for atoms in images]),
        origins=("benchmark",) * len(images),
        reference="benchmark",
        reference_calls=len(images),
    )


def rms(values: peers.FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def spread_and_error(row: dict[str, Any]) -> tuple[float, float]:
    """Return the relative spread of the members' κ and the relative error of κ."""
    return float(np.std(row["members"], ddof=1)) / row["kappa"], abs(row["kappa"] / row["truth"] - 1)


def ratios(rows: dict[str, Any], left_out: str | None = None) -> peers.FloatArray:
    """Return |error| over spread of every draw, but for one case's."""
    found = [
        row
        for name, row in rows.items()
        if name != "versions" and name.split()[0] != (left_out or "versions")
    ]
    return np.array([error / spread for spread, error in map(spread_and_error, found)])


def summary(rows: dict[str, Any]) -> dict[str, Any]:
    """Return the coverage of σ = CALIBRATION × spread, and what factor covers 68 %."""
    found = ratios(rows)
    cases = sorted({name.split()[0] for name in rows} - {"versions"})
    forces = [
        row["held_out_force_rmse"] / row["held_out_force_spread"]
        for name, row in rows.items()
        if name != "versions"
    ]
    return {
        "draws": len(found),
        "factor": CALIBRATION,
        "within_1_sigma": float((found < CALIBRATION).mean()),
        "within_2_sigma": float((found < 2 * CALIBRATION).mean()),
        "within_1_spread": float((found < 1).mean()),
        "factor_for_68_percent": float(np.quantile(found, 0.68)),
        "factor_without": {case: float(np.quantile(ratios(rows, case), 0.68)) for case in cases},
        "force_error_over_spread": [min(forces), float(np.median(forces)), max(forces)],
    }


def plot(rows: dict[str, Any], path: Path) -> None:
    """Draw |error| of κ over its σ, a colour per case; below the full line lies what 1σ covers."""
    figure, axes = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
    cases = list(dict.fromkeys(name.split()[0] for name in rows if name != "versions"))
    for case in cases:
        found = [spread_and_error(row) for name, row in rows.items() if name.split()[0] == case]
        spread, error = np.array(found).T
        axes.loglog(100 * CALIBRATION * spread, 100 * error, "o", markersize=5, label=case)
    line = np.array([1e-2, 30.0])
    axes.loglog(line, line, "k-", linewidth=1, label="1 σ")
    axes.loglog(line, 2 * line, "k--", linewidth=1, label="2 σ")
    covered = summary(rows)["within_1_sigma"]
    axes.set(
        xlabel="σ of κ by the surrogate (%)",
        ylabel="|κ − κ of brute force| (%)",
        title=f"{len(ratios(rows))} draws, {covered:.0%} within 1 σ",
    )
    axes.legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
