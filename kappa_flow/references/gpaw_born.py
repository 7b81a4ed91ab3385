"""Born charges and dielectric tensor by GPAW: Berry phases of displaced atoms, density response."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from ase import Atoms, units

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.engines import GpawSettings
from kappa_flow.errors import InputError, KappaFlowError, NotConvergedError, WorkError
from kappa_flow.references import scf

Make = Callable[..., Any]
"""(k-points, GPAW's parameters that differ) to a GPAW calculator with the engine's settings."""

STEP: Final = 0.01
"""Å by which an atom is displaced to either side."""
COARSER: Final = 2.0
"""Times k_spacing: the k-points of the Berry phases."""
BANDS_UP_TO: Final = 50.0
"""eV: as many empty bands as there are plane waves below."""
LOCAL_FIELDS_UP_TO: Final = 100.0
"""eV: plane waves of the density response."""
_DIRECTIONS: Final = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0))
_CONVERGENCE: Final = {"density": 1e-8}
_KERNEL: Final = {"xc": "ALDA", "rshewmin": 1e-3}
"""Parts of the kernel inside the spheres below this share are left out: 1e-5 of the dielectric constant."""
_REMEDY: Final = "Look at the reference section, or give force_constants.nac a BORN file"


def refused(settings: GpawSettings) -> tuple[str, str] | None:
    """Return why GPAW has no response for these settings, and what to do; None where it has.

    Raises
    ------
    InputError
        When GPAW does not know the functional.
    """
    from gpaw.xc import XC

    other = "Give force_constants.nac a BORN file"
    if settings.magnetic_moments:
        return "computes them for crystals without spin", other
    try:
        functional = XC(settings.xc)
    except NameError as error:
        raise InputError(f"reference.xc = {settings.xc}", str(error), "Write e.g. PBEsol") from error
    if functional.orbital_dependent:
        return "GPAW's response knows no hybrid functional or meta-GGA", other
    return None


def tensors(atoms: Atoms, make: Make, spacing: float) -> tuple[FloatArray, FloatArray]:
    """Return Born charges (n_atoms, 3, 3) in e, field first, and the dielectric tensor (3, 3).

    Parameters
    ----------
    atoms : Atoms
        The primitive cell.
    make : callable
    spacing : float
        Largest distance of k-points, Å⁻¹; doubled for the Berry phases, which converge earlier.

    Raises
    ------
    NotConvergedError
        When self-consistency was not reached.
    WorkError
        When GPAW fails or there is no gap.

    References
    ----------
    R. D. King-Smith, D. Vanderbilt, Phys. Rev. B 47, 1651 (1993), doi:10.1103/PhysRevB.47.1651
    J. Yan, J. J. Mortensen, K. W. Jacobsen, K. S. Thygesen, Phys. Rev. B 83, 245122 (2011),
    doi:10.1103/PhysRevB.83.245122
    """
    with _clear_errors(), contextlib.redirect_stdout(io.StringIO()):
        dielectric = _dielectric(atoms, make, spacing)  # first: it is cheap, and refuses metals
        return _born_charges(atoms, make, spacing), dielectric


def _dielectric(atoms: Atoms, make: Make, spacing: float) -> FloatArray:
    """Return the static limit with local fields of Hartree, exchange and correlation (adiabatic LDA)."""
    from ase.dft.bandgap import bandgap
    from gpaw.response.df import DielectricFunction

    crystal = atoms.copy()
    crystal.calc = make(_points(atoms, spacing), nbands=-2, convergence=_CONVERGENCE)
    crystal.get_potential_energy()
    scf.refuse_metal(float(bandgap(crystal.calc)[0]))
    bands = round(crystal.calc.get_number_of_electrons()) // 2 + _plane_waves(atoms)
    spare = max(3, bands // 10)
    wide = crystal.calc.fixed_density(nbands=bands + spare, convergence={"bands": bands}, txt=None)
    wide.get_potential_energy()
    response = DielectricFunction(
        wide, frequencies=[0.0], eta=1e-4, hilbert=False, intraband=False,
        nbands=bands, ecut=LOCAL_FIELDS_UP_TO, txt=None,
    )  # fmt: skip
    along = [
        response.get_inverse_dielectric_function(direction=way, **_KERNEL).dielectric_constant()[1]
        for way in _DIRECTIONS
    ]
    return _tensor(along)


def _tensor(along: list[float]) -> FloatArray:
    """Return the symmetric tensor ε of q̂ ε q̂ along ``_DIRECTIONS``."""
    tensor = np.diag(along[:3])
    for value, way in zip(along[3:], _DIRECTIONS[3:], strict=True):
        first, second = np.flatnonzero(way)
        tensor[first, second] = value - (tensor[first, first] + tensor[second, second]) / 2
        tensor[second, first] = tensor[first, second]
    return tensor


def _born_charges(atoms: Atoms, make: Make, spacing: float) -> FloatArray:
    """Return the change of polarisation with each atom's place, no sum rule applied."""
    from gpaw.berryphase import (
        ZeroBandgap,
        get_atomic_polarization_phase,
        get_electronic_polarization_phase,
    )
    from gpaw.borncharges import born_charges, displace_atom, get_cartesian_displacements

    displacements = get_cartesian_displacements(atoms, STEP)
    calculator = make(_points(atoms, COARSER * spacing), nbands=-1, symmetry="off", convergence=_CONVERGENCE)
    phases = {}
    for label, (atom, axis, sign, step) in displacements.items():
        displaced = displace_atom(atoms, atom, axis, sign, step)
        displaced.calc = calculator
        displaced.get_potential_energy()
        try:
            electrons = get_electronic_polarization_phase(calculator)
        except ZeroBandgap:
            scf.refuse_metal(0.0)
        cores = [setup.Nv for setup in calculator.setups]
        phases[label] = electrons + get_atomic_polarization_phase(cores, displaced.get_scaled_positions())
    found = born_charges(atoms, displacements, phases, check=False)
    return np.asarray(found["Z_avv"], dtype=np.float64)


def _points(atoms: Atoms, spacing: float) -> dict[str, Any]:
    """Return k-points half a step off Γ, so even in number; the response uses what symmetry they leave."""
    grid = scf.kpoint_grid(atoms.cell.array, spacing)
    return {"size": tuple(points + points % 2 for points in grid), "gamma": False}


def _plane_waves(atoms: Atoms) -> int:
    """Return how many plane waves of the cell lie below ``BANDS_UP_TO``: V k³ / (6π²)."""
    radius = np.sqrt(2 * BANDS_UP_TO / units.Hartree) / units.Bohr
    return int(np.ceil(atoms.get_volume() * radius**3 / (6 * np.pi**2)))


@contextmanager
def _clear_errors() -> Iterator[None]:
    from gpaw import KohnShamConvergenceError

    try:
        yield
    except KohnShamConvergenceError as error:
        raise NotConvergedError("gpaw", "SCF did not converge", "Raise max_iterations") from error
    except KappaFlowError:
        raise
    except Exception as error:  # GPAW raises anything; it becomes one clear line
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise WorkError("gpaw", f"computed no Born charges: {said}", _REMEDY) from error
