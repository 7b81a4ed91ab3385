"""What ends a trajectory early: it leaves the training data of its driver, or blows up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from ase import Atoms

from kappa_flow import interop
from kappa_flow.arrays import FloatArray
from kappa_flow.errors import WorkError
from kappa_flow.protocols import Trusting

TOO_HOT: Final = 5.0
"""MD has blown up when it is this many times hotter than asked."""
TOO_FAR: Final = 0.5
"""… or when an atom is this share of the nearest-neighbour distance away from its site."""
EVERY: Final = 5
"""Steps between looks at the extrapolation. One costs half an MD step (11 of 22 ms, silicon, 64 atoms)."""
_REMEDY: Final = "Raise sampling.initial or sampling.initial_amplitude, or shorten sampling.timestep"


def nearest_distance(atoms: Atoms) -> float:
    """Return the smallest distance (Å) between two atoms, or between an atom and its own image."""
    distances = atoms.get_all_distances(mic=True)
    np.fill_diagonal(distances, np.linalg.norm(atoms.cell.array, axis=1).min())
    return float(distances.min())


@dataclass(frozen=True)
class Guard:
    """Knows where the atoms belong, and says when the dynamics has blown up."""

    sites: FloatArray
    """Å, (n_atoms, 3)."""
    limit: float
    """Farthest an atom may be from there, Å."""
    temperature: float
    """Asked for, K."""

    @classmethod
    def of(cls, atoms: Atoms, temperature: float) -> Guard:
        """Return the guard of a trajectory that starts on its sites now."""
        return cls(atoms.positions.copy(), TOO_FAR * nearest_distance(atoms), temperature)

    def check(self, atoms: Atoms) -> None:
        """Raise WorkError when the dynamics has blown up."""
        hot = float(atoms.get_temperature())
        far = float(np.linalg.norm(atoms.positions - self.sites, axis=1).max())
        if not (np.isfinite(far) and np.isfinite(hot)):
            reason = "positions or velocities became NaN"
        elif hot > TOO_HOT * self.temperature:
            reason = f"temperature rose to {hot:.0f} K"
        elif far > self.limit:
            reason = f"an atom moved {far:.2f} Å from its site, more than half the nearest-neighbour distance"
        else:
            return
        raise WorkError(f"MD at {self.temperature:g} K", reason, _REMEDY)


@dataclass
class Edge:
    """Asks the driver how far the atoms lie outside its training data."""

    driver: Trusting
    trust: float
    """Largest distance that is still trusted; 1 is the most unusual training atom."""
    largest: float = field(default=0.0, init=False)
    """Seen so far."""

    def left(self, atoms: Atoms) -> bool:
        """Whether the atoms are outside what is trusted."""
        distance = float(self.driver.extrapolation(interop.structures_from_ase([atoms])).max())
        self.largest = max(self.largest, distance)
        return not distance <= self.trust
