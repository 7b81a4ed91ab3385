"""SurrogateDocument: a trained committee of potentials and how well it does."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from kappa_flow.arrays import FloatArray, NamedArrays, Shape
from kappa_flow.documents.base import Document, Part


class FitErrors(Part):
    """Errors of the committee mean on one part of the data."""

    structures: int
    force_rmse: float
    """eV/Å."""
    force_mae: float
    """eV/Å."""
    energy_rmse: float
    """eV/atom, after the per-set offset the model fits."""
    force_spread: float
    """Root mean square over atoms of the committee's standard deviation, eV/Å."""
    stress_rmse: float | None = None
    """eV/Å³; None where the data have no stresses."""


class TrainingHistory(Part):
    """Force errors during training, mean over members."""

    iterations: Annotated[FloatArray, Shape(("n_points",))]
    """0 is the linear read-out alone, 1 the start of the networks, then one per iteration."""
    train_force_rmse: Annotated[FloatArray, Shape(("n_points",), "eV/Å")]
    validation_force_rmse: Annotated[FloatArray, Shape(("n_points",), "eV/Å")] | None = None
    """None where no structures were held out."""


class Parity(Part):
    """Reference against predicted forces: of held-out structures, else of the training ones."""

    reference: Annotated[FloatArray, Shape(("n_components",), "eV/Å")]
    predicted: Annotated[FloatArray, Shape(("n_components",), "eV/Å")]


class SurrogateDocument(Document):
    """A trained potential: description, weights, quality."""

    kind: ClassVar[str] = "surrogate"

    model: dict[str, Any]
    """JSON description: elements, symmetry functions, architecture, scaling."""
    weights: NamedArrays
    """All weights by name, float64."""
    train: FitErrors
    validation: FitErrors | None = None
    test: FitErrors | None = None
    unseen: FitErrors | None = None
    """Errors of the potential of the round before on the structures labelled since."""
    history: TrainingHistory
    parity: Parity
    warnings: tuple[str, ...] = ()
    """E.g. cutoff passes half the training box."""
    largest_cell: int | None = None
    """Atoms of the largest training structure; None in documents older than it."""
    components_per_force_constant: float | None = None
    """Force components learned from for each force constant fitted beside the functions, where there are any.
    Below one the data do not determine them, and the strength of the regression decides the rest."""

    @property
    def undetermined(self) -> float | None:
        """Force components for each force constant where they are too few to determine them, else None."""
        known = self.components_per_force_constant
        return known if known is not None and known < 1.0 else None

    @property
    def held_out(self) -> tuple[str, FitErrors] | None:
        """Errors on structures not learned from, and which: ``test``, ``validation`` or ``unseen``."""
        found = ((name, getattr(self, name)) for name in ("test", "validation", "unseen"))
        return next(((name, errors) for name, errors in found if errors is not None), None)

    def knows(self, n_atoms: int) -> bool:
        """Whether it learned from structures of so many atoms."""
        return self.largest_cell is not None and self.largest_cell >= n_atoms
