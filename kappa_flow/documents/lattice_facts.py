"""LatticeFacts: what the force constants say of the crystal beside κ."""

from __future__ import annotations

from typing import Annotated, Literal

from kappa_flow.arrays import FloatArray, Shape
from kappa_flow.documents.base import Part


class Anharmonicity(Part):
    r"""σ_A, the part of the forces at a temperature that the harmonic force constants do not give."""

    sigma: float
    """rms(F − F_harmonic) / rms(F)."""
    temperature: float
    """K."""
    source: Literal["reference", "surrogate"]
    """Whose forces: the reference's on labelled thermal or MD cells, or the surrogate's on thermal draws."""
    cells: int
    """Displaced supercells it rests on."""


class LatticeFacts(Part):
    """Measures made of the finished force constants; None where one could not be made."""

    anharmonicity: Anharmonicity | None = None
    stiffness: Annotated[FloatArray, Shape((6, 6), "GPa")] | None = None
    """Elastic constants from the slopes of the acoustic branches, Voigt."""
