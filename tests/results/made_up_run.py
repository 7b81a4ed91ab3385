"""A made-up but consistent run: diamond silicon's cell, κ falling as 1/T; no physics stands behind it."""

from __future__ import annotations

import numpy as np

from kappa_flow.documents import (
    Cell,
    Conductivity,
    Crystal,
    Dataset,
    Displacements,
    Document,
    ForceConstants,
    ForceSets,
    SurrogateDocument,
)
from kappa_flow.documents.conductivity import Bands, MeanFreePaths, MeshPoint
from kappa_flow.documents.displacements import DisplacedCells
from kappa_flow.documents.force_constants import Residuals
from kappa_flow.documents.force_sets import CellForces
from kappa_flow.documents.surrogate import FitErrors, Parity, TrainingHistory

TEMPERATURES = np.arange(100.0, 1001.0, 50.0)
MEMBERS = np.array([0.988, 0.996, 1.004, 1.012])
"""κ of each member relative to the mean; unbiased standard deviation 0.01033."""


def tensor(level: np.ndarray) -> np.ndarray:
    return level[..., None, None] * np.eye(3)


def on_mesh(limit: np.ndarray, divisions: int) -> np.ndarray:
    """κ lacks 2.334/N²: a fit by 1/N to 7, 11 and 15 then ends 2 % above κ(∞), which makes σ 1 %."""
    return limit * (1 - 2.3339577039274935 / divisions**2)


def make_crystal(numbers: tuple[int, int] = (14, 14), formula: str = "Si") -> Crystal:
    face = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cell = Cell(
        lattice=np.eye(3) * 5.43,
        positions=np.concatenate([face, face + 0.25]),
        numbers=np.repeat(numbers, 4),
    )
    primitive = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    return Crystal(
        cell=cell, primitive_matrix=primitive, supercell=np.eye(3, dtype=int), formula=formula,
        spacegroup="Fd-3m", spacegroup_number=227, symprec=1e-5,
    )  # fmt: skip


def make_conductivity(**changes: object) -> Conductivity:
    kappa = tensor(120.0 * 300.0 / TEMPERATURES)
    q = np.linspace(0, 1, 60)
    w = np.linspace(0, 16, 80)
    fields: dict[str, object] = {
        "method": "rta",
        "temperatures": TEMPERATURES,
        "kappa": on_mesh(kappa, 15),
        "mesh": (15, 15, 15),
        "mesh_sequence": (
            MeshPoint(mesh=(7, 7, 7), kappa=on_mesh(kappa, 7)),
            MeshPoint(mesh=(11, 11, 11), kappa=on_mesh(kappa, 11)),
        ),
        "mesh_converged": True,
        "member_kappa": MEMBERS[:, None, None, None] * kappa * 0.9,
        "member_mesh": (11, 11, 11),
        "member_mean_kappa": kappa * 0.9,
        "max_frequency": 15.4,
        "imaginary_modes": 0,
        "min_frequency": 0.0,
        "bands": Bands(
            distances=q,
            frequencies=np.stack(
                [(3 + 2 * n) * np.sin(q * np.pi / 2) + (n > 2) * (5 - q) for n in range(6)], 1
            ),
            tick_positions=[0, 0.6, 1],
            tick_labels=("GAMMA", "X|K", "L"),
            dos_frequencies=w,
            dos=np.exp(-((w - 14) ** 2)) + 0.2 * w / 16,
        ),
        "mean_free_paths": MeanFreePaths(
            temperature=300.0,
            lengths=np.logspace(0, 6, 60),
            cumulative=tensor(120 / (1 + (3e3 / np.logspace(0, 6, 60)) ** 1.2)),
        ),
        "modes": {},
        "switches": {"isotopes": "yes", "boundary": "none", "nac": "no"},
    }
    return Conductivity.model_validate({**fields, **changes})


def make_surrogate(**changes: object) -> SurrogateDocument:
    forces = np.random.default_rng(0).normal(size=3000) * 0.3
    errors = FitErrors(
        structures=18, force_rmse=0.002, force_mae=0.0015, energy_rmse=1e-5, force_spread=0.001
    )
    fields: dict[str, object] = {
        "model": {"elements": ["Si"]},
        "weights": {"w": np.ones(3)},
        "train": errors,
        "validation": errors.model_copy(update={"structures": 2, "force_rmse": 0.0025}),
        "history": TrainingHistory(
            iterations=np.arange(40.0),
            train_force_rmse=0.05 * np.exp(-np.arange(40) / 8) + 0.002,
            validation_force_rmse=0.05 * np.exp(-np.arange(40) / 8) + 0.0025,
        ),
        "parity": Parity(
            reference=forces, predicted=forces + 0.0025 * np.random.default_rng(1).normal(size=3000)
        ),
    }
    return SurrogateDocument.model_validate({**fields, **changes})


def make_documents(crystal: Crystal | None = None) -> dict[str, Document]:
    crystal = crystal or make_crystal()
    cell, size = crystal.cell, len(crystal.cell.numbers)
    still = cell.positions @ cell.lattice
    calm = Residuals(fc2_drift=1e-9, fc3_drift=1e-7, fc2_permutation=0, fc3_permutation=0)
    return {
        "input.structure": cell,
        "structure": crystal,
        "dataset.0": _dataset(cell, 8, 8),
        "surrogate.0": make_surrogate(),
        "dataset.1": _dataset(cell, 20, 27),
        "surrogate.1": make_surrogate(),
        "displacements": Displacements(
            method="finite-difference", distance=0.03,
            fc3=DisplacedCells(
                cell=cell.lattice, numbers=cell.numbers, equilibrium=still,
                displacements=np.full((5, size, 3), 0.01), pattern_json="{}",
            ),
        ),
        "forces": ForceSets(
            source="surrogate", device="cpu",
            fc3=CellForces(forces=np.zeros((5, size, 3)), residual=np.zeros((size, 3))),
        ),
        "force_constants": ForceConstants(
            fc2=np.ones((2, size, 3, 3)), fc3=np.ones((2, size, size, 3, 3, 3)), raw=calm, final=calm,
            solver="phono3py 4.8",
        ),
        "bte": make_conductivity(),
    }  # fmt: skip


def _dataset(cell: Cell, count: int, calls: int) -> Dataset:
    size = len(cell.numbers)
    return Dataset(
        n_atoms=np.full(count, size), cells=np.broadcast_to(cell.lattice, (count, 3, 3)),
        numbers=np.tile(cell.numbers, count), positions=np.tile(cell.positions @ cell.lattice, (count, 1)),
        energies=np.zeros(count), forces=np.zeros((count * size, 3)),
        origins=("md 300 K",) * count, reference="ase-emt 3.25", reference_calls=calls,
    )  # fmt: skip
