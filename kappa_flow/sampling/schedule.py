"""How frames are shared out over temperatures and over the steps of a trajectory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from kappa_flow.documents.sections import SamplingSettings


@dataclass(frozen=True)
class Share:
    """The frames of one temperature."""

    index: int
    """Place of the temperature in ``temperatures``; a part of the seed."""
    temperature: float
    """K."""
    count: int
    """Frames, at least one."""


def shares(settings: SamplingSettings) -> Iterator[Share]:
    """Yield the temperatures with their part of ``frames``, the first ones getting the rest."""
    whole, rest = divmod(settings.frames, len(settings.temperatures))
    for index, temperature in enumerate(settings.temperatures):
        count = whole + (index < rest)
        if count:
            yield Share(index, temperature, count)


@dataclass(frozen=True)
class Steps:
    """Which MD steps, counted from one, become frames."""

    first: int
    interval: int
    total: int

    @classmethod
    def of(cls, settings: SamplingSettings, count: int) -> Self:
        """Return the steps of a trajectory of ``count`` frames."""
        first = max(1, round(settings.equilibration / settings.timestep))
        interval = max(1, round(settings.interval / settings.timestep))
        return cls(first, interval, first + (count - 1) * interval)

    def kept(self, step: int) -> bool:
        """Whether the configuration after ``step`` is a frame."""
        return step >= self.first and (step - self.first) % self.interval == 0
