"""What the settings of all engines can do."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from kappa_flow.settings import Settings


class Engine(Settings):
    """What the settings of all engines can do."""

    structures_per_task: ClassVar[int] = 50
    """Structures labelled by one FireWork: seconds of work for a fast engine, one calculation for DFT."""

    def beside(self, folder: Path) -> Self:
        """Return the settings with the input files found in ``folder``, that of the run config."""
        del folder
        return self

    @property
    def noise_calls(self) -> int:
        """Reference calls spent on measuring the noise of the forces; 0 where it has none worth it."""
        return 0
