"""Settings of the structure: which crystal, in which supercells."""

from __future__ import annotations

from pathlib import Path

from kappa_flow.documents.sections.numbers import IntMatrix3, Positive, Repeats
from kappa_flow.settings import Settings


class StructureSettings(Settings):
    """Which crystal."""

    file: Path
    """Any structure file pymatgen, ASE or phonopy reads: POSCAR, CIF, phonopy/phono3py yaml, extxyz, json."""
    supercell: Repeats | IntMatrix3 | None = None
    """fc3 supercell of the conventional cell; None takes ``min_length``."""
    min_length: Positive = 10.0
    """Least distance between periodic images (Å) when ``supercell`` is None."""
    fc2_supercell: Repeats | IntMatrix3 | None = None
    """A larger supercell for fc2 alone."""
    fc2_min_length: Positive | None = None
    """The same by length, Å."""
    relax: bool = True
    """Relax cell and positions with the reference, symmetry kept. False where there is no reference."""
    force_tolerance: Positive = 1e-4
    """Largest force component after relaxation, eV/Å."""
    symprec: Positive = 1e-5
    """Tolerance of the symmetry search, Å."""
