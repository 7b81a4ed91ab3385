"""Phonon frequencies of a force model on the band path and a mesh, and how far two sets are apart."""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from phonopy import Phonopy
from phonopy.phonon.band_structure import get_band_qpoints_by_seekpath

from kappa_flow import interop
from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents import Crystal, PolarTensors, Structures
from kappa_flow.errors import InputError
from kappa_flow.protocols import ForceModel, Progress, quiet

DISTANCE: Final = 0.01
"""Å, of the finite differences: fc2 errs by the fourth-order terms, 1e-4 of it in silicon."""
LENGTH: Final = 60.0
"""Å: the mesh has at least this over the lattice constant as divisions, 16³ in silicon."""
_POINTS: Final = 51


@dataclass(frozen=True)
class Phonons:
    """Frequencies in THz, imaginary ones negative."""

    distances: FloatArray
    """Along the band path, 1/Å, (n_points,)."""
    bands: FloatArray
    """(n_points, n_bands)."""
    mesh: FloatArray
    """Irreducible q-points of the mesh, (n_q, n_bands)."""
    weights: IntArray
    """Multiplicity of each, (n_q,)."""
    dos_frequencies: FloatArray
    """(n_bins,)."""
    dos: FloatArray
    """1/THz per primitive cell, by tetrahedra, (n_bins,)."""
    fc2: FloatArray
    """eV/Å², phonopy's compact form."""

    @property
    def lowest(self) -> float:
        """Lowest frequency met; below -0.05 THz the crystal is unstable in this model."""
        return float(min(self.bands.min(), self.mesh.min()))

    @property
    def highest(self) -> float:
        """Highest frequency met."""
        return float(max(self.bands.max(), self.mesh.max()))


@dataclass(frozen=True)
class PhononErrors:
    """Deviations of one model's frequencies from another's at equal q, bands in order of frequency; THz."""

    path_max: float
    path_rms: float
    mesh_max: float
    mesh_rms: float
    dos: float
    """Half of ∫|g - g_ref| / ∫g_ref: the part of the modes that lies at other frequencies."""


def phonons(
    model: ForceModel, crystal: Crystal, polar: PolarTensors | None = None, progress: Progress = quiet
) -> Phonons:
    """Return the phonons of a model in the crystal's supercell for fc2, by finite differences.

    Parameters
    ----------
    model : ForceModel
    crystal : Crystal
    polar : PolarTensors, optional
        Of the crystal's primitive cell: adds the non-analytical term.
    progress : Progress
    """
    work = interop.phonopy_of(crystal)
    work.generate_displacements(distance=DISTANCE)
    cells = [cell for cell in work.supercells_with_displacements if cell is not None]
    perfect = work.supercell
    every = np.array([cell.positions for cell in [*cells, perfect]])
    asked = Structures.same_atoms(perfect.cell, np.asarray(perfect.numbers, np.int64), every)
    forces = model.evaluate(asked, progress).forces.reshape(len(every), -1, 3)
    work.forces = forces[:-1] - forces[-1]
    work.produce_force_constants(calculate_full_force_constants=False)
    with contextlib.redirect_stdout(io.StringIO()):
        work.symmetrize_force_constants()
    return _solved(work, polar)


def of_fc2(fc2: FloatArray, crystal: Crystal, polar: PolarTensors | None = None) -> Phonons:
    """Return the phonons of force constants (compact or full) of the crystal's supercell for fc2.

    Raises
    ------
    InputError
        When they belong to another supercell.
    """
    work = interop.phonopy_of(crystal)
    size = len(work.supercell)
    if fc2.shape not in ((len(work.primitive), size, 3, 3), (size, size, 3, 3)):
        raise InputError(
            f"fc2 of shape {fc2.shape}",
            f"the supercell has {size} atoms",
            "Give both from the same calculation",
        )
    work.force_constants = np.array(fc2)
    return _solved(work, polar)


def compare(found: Phonons, reference: Phonons) -> PhononErrors:
    """Return how far ``found`` is from ``reference``; both of the same crystal."""
    path, mesh = found.bands - reference.bands, found.mesh - reference.mesh
    weights = np.repeat(reference.weights[:, None], mesh.shape[1], axis=1)
    grid = np.union1d(reference.dos_frequencies, found.dos_frequencies)
    one, other = (
        np.interp(grid, which.dos_frequencies, which.dos, left=0.0, right=0.0) for which in (found, reference)
    )
    apart, whole = np.trapezoid(np.abs(one - other), grid), np.trapezoid(other, grid)
    return PhononErrors(
        path_max=float(np.abs(path).max()),
        path_rms=float(np.sqrt(np.mean(path**2))),
        mesh_max=float(np.abs(mesh).max()),
        mesh_rms=float(np.sqrt(np.average(mesh**2, weights=weights))),
        dos=float(apart / whole / 2),
    )


def _solved(work: Phonopy, polar: PolarTensors | None) -> Phonons:
    if polar is not None:
        work.nac_params = polar.nac_params
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter(
            "ignore"
        )  # seekpath speaks of other primitive cells, which are the same lattice
        paths, _, _ = get_band_qpoints_by_seekpath(work.primitive, _POINTS)
        work.run_band_structure(paths)
        work.run_mesh(LENGTH)
        work.run_total_dos()
    path, mesh, density = work.band_structure, work.mesh, work.total_dos
    return Phonons(
        distances=np.concatenate(path.distances),
        bands=np.concatenate(path.frequencies),
        mesh=np.array(mesh.frequencies),
        weights=np.array(mesh.weights),
        dos_frequencies=np.array(density.frequency_points),
        dos=np.array(density.dos),
        fc2=np.array(work.force_constants),
    )
