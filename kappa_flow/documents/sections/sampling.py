"""Settings of sampling and of the learning loop."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kappa_flow.documents.sections.numbers import Count, Positive, Temperature
from kappa_flow.settings import Settings

Selection = Literal["d-optimal", "displaced-cells", "farthest-point", "random"]


class SamplingSettings(Settings):
    """Which displaced configurations are worth a reference calculation."""

    method: Literal["md", "thermal", "rattle", "none"] = "md"
    """``md``: equilibrium MD; ``thermal``: draws from the harmonic phonons; ``rattle``: random displacements;
    ``none``: only ``dataset.files``."""
    driver: Literal["surrogate", "reference"] = "surrogate"
    """What runs the MD or gives the phonons. ``surrogate``: a first fit on ``initial`` rattled cells, and
    only the frames kept are labelled; ``reference``: every MD step, or every finite displacement, is a
    reference calculation."""
    temperatures: Annotated[tuple[Temperature, ...], Field(min_length=1)] = (300.0,)
    """K."""
    statistics: Literal["quantum", "classical"] = "quantum"
    """Of ``thermal``: Bose–Einstein with the zero-point motion, or equipartition. MD is classical."""
    initial: Annotated[int, Field(ge=2)] = 8
    """Rattled cells of the first fit."""
    frames: Annotated[int, Field(ge=1)] = 4
    """Structures labelled in each later round: decorrelated MD frames or thermal cells over all temperatures,
    or rattled cells. MD and phonons of the reference have one round, of so many."""
    budget: Annotated[int, Field(ge=2)] = 40
    """Most structures the run labels; a later run with a larger one labels none of them again."""
    tolerance: Positive | None = 0.02
    """The rounds end when κ at 300 K on a modest mesh has changed by less than this since the last two, and
    σ of κ by the committee is less too (relative). With ``forces.source: none``: when the forces of two
    rounds' structures were foretold better than this. None: nothing is looked at, the budget is spent."""
    amplitude: Positive = 0.03
    """Length of each atom's random displacement in rattled cells, Å."""
    initial_amplitude: Positive = 0.15
    """The ``initial`` cells take lengths spread evenly from ``amplitude`` to this (Å), so that the first fit
    knows displacements as large as those of the MD it has to drive."""
    strain: Annotated[float, Field(ge=0, le=0.05)] = 0.0
    """Largest relative strain of rattled cells: three principal strains up to this, along random axes. For
    ``surrogate.stress_weight`` and elastic constants; κ at fixed volume needs none."""
    trust: Positive = 20.0
    """MD by the surrogate ends, that frame included, where an atom is this far outside the training data
    (``Potential.extrapolation``; 1 is their edge). What was measured: docs/stages/2-sampling.md."""
    selection: Selection = "d-optimal"
    """Which candidates are labelled. ``d-optimal``: those whose forces tell most about the weights of the
    linear read-out; ``displaced-cells``: most about the forces on phono3py's displaced cells;
    ``farthest-point``: those whose atoms are least like any labelled; ``random``. Each temperature keeps its
    share."""
    candidates: Annotated[int, Field(ge=1)] = 1
    """Candidates made for each structure labelled; 1: every one is labelled and nothing is selected."""
    timestep: Positive = 2.0
    """fs."""
    friction: Positive = 0.02
    """Langevin friction, 1/fs."""
    equilibration: Positive = 400.0
    """fs before the first frame."""
    interval: Positive = 60.0
    """fs between frames."""
    seed: Count = 1

    @model_validator(mode="after")
    def _budget_holds_the_first_round(self) -> Self:
        if self.looped and self.budget < self.initial:
            raise ValueError(f"budget: {self.budget} is less than initial: {self.initial}")
        return self

    @property
    def learns(self) -> bool:
        """Whether each further round is driven by a potential fitted to the rounds before."""
        return self.method in ("md", "thermal") and self.driver == "surrogate"

    @property
    def looped(self) -> bool:
        """Whether rounds follow the first one: not where the reference drives."""
        return self.learns or self.method == "rattle"

    @property
    def rounds(self) -> int:
        """Most rounds after the first one that the budget allows."""
        return (self.budget - self.initial) // self.frames if self.looped else 0
