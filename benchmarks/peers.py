"""The programs we are measured against, run on the same cells in the same process.

pypolymlp is called as phono3py calls it (``Phono3py.develop_mlp`` with default parameters); symfc through
``Phono3py.produce_fc3``. Both need their data as displacements of phono3py's own supercell, so sites are
matched by geometry first: the sets of the shared data differ in atom order and origin.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from phono3py import Phono3py
from phonopy.interface.mlp import PhonopyMLP
from phonopy.structure.atoms import PhonopyAtoms

from kappa_flow.documents import Crystal
from kappa_flow.interop import cell_from_phonopy

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PeerResult:
    """κ of one peer on one training set."""

    kappa: float
    """W/(m K), mean of the diagonal."""
    seconds: float
    force_rmse: float | None = None
    """eV/Å on the finite-difference cells; None for a fit that has no forces."""
    setting: str = "defaults"


def as_ase(cell: PhonopyAtoms) -> Atoms:
    """Return the cell as ASE's atoms."""
    return Atoms(numbers=cell.numbers, cell=cell.cell, positions=cell.positions, pbc=True)


def crystal_of(work: Phono3py) -> Crystal:
    """Return the crystal and supercell of a phono3py object as a run holds them."""
    return Crystal(
        cell=cell_from_phonopy(work.unitcell),
        primitive_matrix=work.primitive_matrix,
        supercell=work.supercell_matrix,
        formula=work.unitcell.formula,
        spacegroup=work.symmetry.dataset.international,
        spacegroup_number=work.symmetry.dataset.number,
        symprec=work.symmetry.tolerance,
    )


def on_supercell(images: Sequence[Atoms], perfect: PhonopyAtoms) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lay labelled cells on the perfect supercell.

    Returns
    -------
    displacements, forces : (n, n_atoms, 3), Å and eV/Å
    energies : (n,), eV
    """
    sites = perfect.scaled_positions
    order, shift = _match(np.mean([_unwrapped(atoms, images[0]) for atoms in images], axis=0), sites)
    displacements, forces = [], []
    for atoms in images:
        scaled = _unwrapped(atoms, images[0])[order] + shift - sites
        displacements.append((scaled - np.round(scaled)) @ atoms.cell.array)
        forces.append(atoms.get_forces()[order])
    return np.array(displacements), np.array(forces), np.array([a.get_potential_energy() for a in images])


def _unwrapped(atoms: Atoms, first: Atoms) -> FloatArray:
    start = first.get_scaled_positions(wrap=False)
    moved = atoms.get_scaled_positions(wrap=False) - start
    return start + moved - np.round(moved)


def _match(mean: FloatArray, sites: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    for site in sites:
        shift = site - mean[0]
        gap = (mean + shift)[None, :, :] - sites[:, None, :]
        distance = np.linalg.norm(gap - np.round(gap), axis=-1)
        order = distance.argmin(axis=1)
        if distance.min(axis=1).max() < 0.03 and len(set(order)) == len(sites):
            at_rest = mean[order] - sites
            drift = at_rest - np.round(at_rest)
            return order, -np.mean(drift - np.round(drift - drift[0]), axis=0)
    raise ValueError("the cells do not lie on this supercell in any translation")


def strained(ph3: Phono3py, cell: FloatArray) -> Phono3py:
    """Return the same phono3py object on the lattice the training cells were computed with."""
    unitcell = ph3.unitcell.copy()
    scale = np.cbrt(abs(np.linalg.det(cell) / np.linalg.det(ph3.supercell.cell)))
    unitcell.cell = unitcell.cell * scale
    return Phono3py(
        unitcell, supercell_matrix=ph3.supercell_matrix, primitive_matrix=ph3.primitive_matrix, log_level=0
    )


def solve_kappa(
    ph3: Phono3py, mesh: Sequence[int], temperature: float = 300.0, *, average_degenerate: bool = False
) -> float:
    """Return κ by RTA without isotopes, mean of the diagonal, W/(m K)."""
    ph3.mesh_numbers = list(mesh)
    ph3.init_phph_interaction(average_degenerate_weights=average_degenerate)
    ph3.run_thermal_conductivity(temperatures=[temperature], is_isotope=False, write_kappa=False, log_level=0)
    return float(np.mean(ph3.thermal_conductivity.kappa.reshape(-1, 6)[0, :3]))


def from_forces(
    ph3: Phono3py,
    forces: FloatArray,
    mesh: Sequence[int],
    phonon_forces: FloatArray | None = None,
    *,
    average_degenerate: bool = False,
) -> float:
    """Return κ from forces on phono3py's displaced supercells, symmetrised as its command line does."""
    ph3.forces = forces
    if phonon_forces is not None:
        ph3.phonon_forces = phonon_forces
    ph3.produce_fc3()
    ph3.produce_fc2()
    ph3.symmetrize_fc3()
    ph3.symmetrize_fc2()
    return solve_kappa(ph3, mesh, average_degenerate=average_degenerate)


def train_pypolymlp(images: Sequence[Atoms], like: Phono3py) -> tuple[PhonopyMLP, float]:
    """Train pypolymlp with phono3py's defaults on supercells of ``like``; return it and the seconds."""
    trainer = strained(like, images[0].cell.array)
    displacements, labels, energies = on_supercell(images, trainer.supercell)
    start = time.perf_counter()
    trainer.mlp_dataset = {"displacements": displacements, "forces": labels, "supercell_energies": energies}
    trainer.develop_mlp()
    assert trainer.mlp is not None
    return trainer.mlp, time.perf_counter() - start


def from_rest(mlp: PhonopyMLP, cells: Sequence[PhonopyAtoms], perfect: PhonopyAtoms) -> FloatArray:
    """Return pypolymlp's forces on displaced cells, less those on the perfect one."""
    predicted = np.array(mlp.evaluate([*cells, perfect])[1])
    return np.asarray(predicted[:-1] - predicted[-1])


def pypolymlp(
    images: Sequence[Atoms], truth: Phono3py, forces: FloatArray, mesh: Sequence[int]
) -> PeerResult:
    """Train pypolymlp with phono3py's defaults and solve κ from its forces on the cells of ``truth``."""
    mlp, seconds = train_pypolymlp(images, truth)
    cells = truth.supercells_with_displacements
    assert cells is not None
    predicted = from_rest(mlp, cells, truth.supercell)
    rmse = float(np.sqrt(np.mean((predicted - forces) ** 2)))
    return PeerResult(from_forces(truth, predicted, mesh), seconds, rmse)


def symfc(
    images: Sequence[Atoms],
    truth: Phono3py,
    mesh: Sequence[int],
    cutoffs: Sequence[float | None],
    fc2: FloatArray | None = None,
) -> list[PeerResult]:
    """Fit force constants by symfc and solve κ, for each of several fc3 cutoffs (Å).

    With ``fc2`` given, of the larger supercell of ``truth``, only fc3 is taken from the fit. A cutoff that
    leaves more unknowns than the cells determine is left out.
    """
    found = []
    for cutoff in cutoffs:
        trainer = strained(truth, images[0].cell.array)
        displacements, labels, _ = on_supercell(images, trainer.supercell)
        start = time.perf_counter()
        trainer.dataset = {"displacements": displacements, "forces": labels}
        options = None if cutoff is None else f"cutoff = {cutoff}"
        try:
            trainer.produce_fc3(fc_calculator="symfc", fc_calculator_options=options)
        except np.linalg.LinAlgError:
            continue
        seconds = time.perf_counter() - start
        truth.fc2, truth.fc3 = trainer.fc2 if fc2 is None else fc2, trainer.fc3
        found.append(PeerResult(solve_kappa(truth, mesh), seconds, None, f"fc3 cutoff {cutoff} Å"))
    return found
