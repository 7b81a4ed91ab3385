"""Settings of the structure: which crystal, in which supercells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from kappa_flow.documents.sections.numbers import IntMatrix3, Positive, Repeats, three
from kappa_flow.settings import Settings


class StructureSettings(Settings):
    """Which crystal."""

    file: Path
    """Any structure file pymatgen, ASE or phonopy reads: POSCAR, CIF, phonopy/phono3py yaml, extxyz, json."""
    supercell: Repeats | IntMatrix3 | Literal["auto"] | None = None
    """fc3 supercell of the conventional cell; None takes ``min_length``. ``auto``: the whole calculation from
    ``min_length`` on in larger and larger ones until κ moves by less than ``displacements.tolerance``."""
    min_length: Positive = 10.0
    """Least distance between periodic images (Å) where ``supercell`` is not given; of ``auto``, at first."""
    supercell_limit: Annotated[int, Field(ge=1)] = 250
    """Most atoms of the supercells ``supercell: auto`` tries."""
    fc2_supercell: Repeats | IntMatrix3 | Literal["auto"] | None = None
    """A larger supercell for fc2 alone. ``auto``: grows from the fc3 supercell until κ moves by less than
    ``displacements.tolerance``; needs a reference."""
    fc2_min_length: Positive | None = None
    """The same by length, Å."""
    fc2_limit: Annotated[int, Field(ge=1)] = 600
    """Most atoms of the supercells ``fc2_supercell: auto`` tries."""
    relax: bool = True
    """Relax cell and positions with the reference, symmetry kept. False where there is no reference."""
    force_tolerance: Positive = 1e-4
    """Largest force component after relaxation, eV/Å."""
    symprec: Positive = 1e-5
    """Tolerance of the symmetry search, Å."""

    @field_validator("supercell", "fc2_supercell", mode="before")
    @classmethod
    def _three_repeats(cls, value: object) -> object:
        return three(value, "[2, 2, 2], or auto")

    @model_validator(mode="after")
    def _one_fc2_supercell(self) -> Self:
        if self.grows and self.fc2_min_length is not None:
            raise ValueError("fc2_supercell: auto and fc2_min_length exclude one another; give one")
        if self.tries_supercells and (self.fc2_supercell is not None or self.fc2_min_length is not None):
            raise ValueError(
                "supercell: auto lets fc2 grow with fc3; leave fc2_supercell and fc2_min_length out"
            )
        return self

    @property
    def tries_supercells(self) -> bool:
        """Whether the fc3 supercell is left to a sequence of κ."""
        return self.supercell == "auto"

    @property
    def grows(self) -> bool:
        """Whether the fc2 supercell is left to a sequence of κ."""
        return self.fc2_supercell == "auto"
