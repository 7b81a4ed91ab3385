"""Convergence: κ over one setting that was asked to be ``auto``."""

from __future__ import annotations

from typing import Annotated

from kappa_flow.arrays import FloatArray, Shape
from kappa_flow.documents.base import Part


class Convergence(Part):
    """A setting tried at one value after another until κ moved no more."""

    parameter: str
    """``displacements.distance``, ``displacements.pair_cutoff``, ``structure.fc2_supercell`` or
    ``structure.supercell``."""
    values: Annotated[FloatArray, Shape(("n_values",), "Å")]
    """In the order they were tried. The largest pair cutoff leaves no pair out; of a supercell it is the
    least distance between images, of fc2's the first is that of fc3."""
    kappa: Annotated[FloatArray, Shape(("n_values",), "W/(m K)")]
    """Mean of the diagonal at ``temperature`` on ``mesh``, in RTA, of the committee's mean."""
    temperature: float
    """K."""
    mesh: tuple[int, int, int]
    tolerance: float
    """Relative change of κ below which a step counts as none."""
    converged: bool
    """Whether κ moved by less than the tolerance; the last value is the one used either way."""

    @property
    def chosen(self) -> float:
        """The value used: the last one, Å."""
        return float(self.values[-1])

    @property
    def change(self) -> float:
        """Relative change of κ in the last step; 0 where there was but one value."""
        last = self.kappa[-2:]
        return float(abs(last[-1] - last[0]) / abs(last[-1]))
