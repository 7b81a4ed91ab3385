"""GPAW with plane waves as a reference, in this process."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ase import Atoms
from ase.data import atomic_numbers

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.engines import GpawSettings
from kappa_flow.errors import InputError, NotConvergedError
from kappa_flow.references import gpaw_born, scf
from kappa_flow.references.base import Engine, require

CONVERGENCE: Final = {"density": 1e-8, "forces": 1e-5}
"""Electrons per valence electron; eV/Å."""
TIGHT_CONVERGENCE: Final = {"density": 1e-9, "forces": 1e-6}
_SLOW: Final = {"backend": "pulay", "beta": 0.02, "nmaxold": 5, "weight": 100.0}
REMEDIES: Final[tuple[scf.Remedy, ...]] = (
    {},
    {"eigensolver": {"name": "rmm-diis"}, "patience": 3},
    {"mixer": _SLOW, "patience": 5},
)


def engine(settings: GpawSettings) -> Engine:
    """Return GPAW in plane-wave mode.

    Setups of PBE serve every functional that has none of its own name, as with GPAW's van der Waals ones:
    energies then have an offset per atom.

    Raises
    ------
    InputError
        When GPAW or its setups are not there.

    References
    ----------
    J. J. Mortensen et al., J. Chem. Phys. 160, 092503 (2024), doi:10.1063/5.0182685
    """
    version = require("gpaw", settings.engine)
    files = _setups(settings.xc)
    digest = hashlib.sha256("".join(f"{p.name} {p.stat().st_size}" for p in files.values()).encode())
    identity = f"{settings.engine} {version} | setups {digest.hexdigest()[:16]} | "
    tight = settings.model_copy(
        update={"cutoff": scf.TIGHTER * settings.cutoff, "k_spacing": settings.k_spacing / scf.TIGHTER}
    )
    kind = next(iter(files.values())).name.split(".")[-2]
    elements = frozenset(atomic_numbers[symbol] for symbol in files)

    def made(given: GpawSettings, convergence: dict[str, float], name: str) -> Engine:
        program = _Program(given, convergence, kind)
        return Engine(name, elements, lambda: scf.ScfCalculator("gpaw", program.run, REMEDIES))

    def polar(atoms: Atoms) -> tuple[FloatArray, FloatArray]:
        program = _Program(settings, CONVERGENCE, kind)
        return scf.first_converged("gpaw", program.polar, atoms, REMEDIES)

    if no_polar := gpaw_born.refused(settings):
        born: dict[str, Any] = {"no_polar": no_polar}
    else:
        born = {"polar": polar}
    tighter = made(tight, TIGHT_CONVERGENCE, f"{identity}tighter {scf.said(tight)}")
    usual = made(settings, CONVERGENCE, identity + scf.said(settings))
    return replace(usual, tighter=tighter, noise_cells=settings.noise_cells, **born)


def _setups(xc: str) -> dict[str, Path]:
    """Return the setup file of each element: those of the functional, else those of PBE."""
    from gpaw import setup_paths

    for kind in (xc, "PBE"):
        found = sorted(path for folder in setup_paths for path in Path(folder).glob(f"*.{kind}.gz"))
        files = {path.name.split(".")[0]: path for path in found if path.name.split(".")[0] in atomic_numbers}
        if files:
            return files
    raise InputError(
        "reference.engine = gpaw", "finds no setups", "pip install gpaw-data, or set $GPAW_SETUP_PATH"
    )


class _Program:
    """One GPAW calculation, from scratch."""

    def __init__(self, settings: GpawSettings, convergence: dict[str, float], setups: str) -> None:
        self._settings = settings
        self._convergence = convergence
        self._kind = setups

    def run(self, atoms: Atoms, remedy: scf.Remedy) -> dict[str, Any]:
        from gpaw import KohnShamConvergenceError

        bare = Atoms(numbers=atoms.numbers, cell=atoms.cell, positions=atoms.positions, pbc=True)
        bare = scf.with_moments(bare, self._settings)
        points = {
            "size": scf.kpoint_grid(atoms.cell.array, self._settings.k_spacing),
            "gamma": self._settings.k_grid == "gamma-centred",
        }
        bare.calc = self._calculator(points, remedy)
        try:
            return {
                "energy": bare.get_potential_energy(force_consistent=True),
                "free_energy": bare.get_potential_energy(force_consistent=True),
                "forces": bare.get_forces(),
                "stress": bare.get_stress(),
            }
        except KohnShamConvergenceError as error:
            raise NotConvergedError("gpaw", "SCF did not converge", "Raise max_iterations") from error

    def polar(self, atoms: Atoms, remedy: scf.Remedy) -> tuple[FloatArray, FloatArray]:
        def make(points: dict[str, Any], **more: Any) -> Any:
            return self._calculator(points, {**remedy, **more})

        return gpaw_born.tensors(atoms, make, self._settings.k_spacing)

    def _calculator(self, points: dict[str, Any], changes: scf.Remedy) -> Any:
        from gpaw import GPAW

        given, change = self._settings, dict(changes)
        usual = {
            "mode": {"name": "pw", "ecut": given.cutoff},
            "xc": self._functional(),
            "occupations": {"name": "fermi-dirac", "width": given.smearing},
            "convergence": self._convergence,
            "setups": dict(given.setups),
            "maxiter": given.max_iterations * change.pop("patience", 1),
        }
        return GPAW(kpts=points, txt=None, **{**usual, **change})

    def _functional(self) -> Any:
        from gpaw.xc import XC

        functional = XC(self._settings.xc)
        if self._kind != self._settings.xc:
            functional.get_setup_name = lambda: self._kind
        return functional
