"""How to train on which data: one crystal, nearly harmonic, or many structures far apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.documents.structures import Structures

JACOBIAN_MEMORY = 2.0
"""GiB the stored derivatives of the network inputs may take."""


@dataclass(frozen=True)
class Recipe:
    """What the settings leave open, decided from the data.

    *Crystal*: every cell shows the same crystal a little displaced. Few cells, small residuals: whitened
    inputs, a start in closed form, a few iterations, force rows in float64.

    *Diverse*: strain, vacancies, surfaces. Inputs of small variance are mostly noise far from the data
    and are damped, energies count, random networks are refined until held-out forces stop improving.
    Measured on the mlearn sets: damping 1/2 against none (whitened) lowers the test force RMSE of Si
    from 151 to 134 meV/Å after 200 iterations, because whitened networks fit the training set alone.
    """

    inputs: int
    hidden: tuple[int, ...]
    iterations: int
    energy_weight: float
    """Of an energy per cell for ``crystal``; times 1/√n_atoms of each structure for ``diverse``, Å⁻¹."""
    stress_weight: float
    """Of a virial (eV), likewise."""
    per_root_atoms: bool
    """Whether weights of cell quantities are divided by √n_atoms."""
    sample: int
    """Structures the network inputs are chosen from."""
    spread: float
    """Standard deviation of the first network input."""
    damping: float
    """Inputs keep this power of their relative standard deviation; 0 whitens."""
    closed_start: bool
    """Start from the curvature solved in closed form."""
    first_output: float
    """Random networks beside a read-out start with about this part of what it leaves."""
    look_every: int
    """Iterations between looks at the held-out error."""
    patience: int
    """Looks without a better one that end the refinement."""
    together: bool
    """Whether members are kept from one iteration, where the held-out error of their mean is least. Each at
    its own best stops too early: what they learn by heart differs and averages out."""
    precision: torch.dtype
    """Of the stored derivatives; sums and everything else are float64."""
    posterior: bool
    """Members of a linear model are draws from its posterior, not fits to reweighted structures. In a crystal
    the posterior's spread is nearer to the true error; in diverse data, whose errors differ from structure to
    structure, the bootstrap's (docs/stages/4-surrogate.md)."""

    @classmethod
    def choose(cls, learned: Dataset, settings: SurrogateSettings, cutoff: float) -> Self:
        """Return the recipe of the settings' ``regime``, or of what the data look like.

        Parameters
        ----------
        learned : Dataset
        settings : SurrogateSettings
        cutoff : float
            Å, decided by now.
        """
        diverse = is_diverse(learned, settings)
        found = cls._diverse(learned, settings, cutoff) if diverse else cls._crystal(settings)
        asked = {name: getattr(settings, name) for name in ("inputs", "iterations", "energy_weight")}
        return replace(found, **{name: value for name, value in asked.items() if value is not None})

    @classmethod
    def _crystal(cls, settings: SurrogateSettings) -> Self:
        return cls(
            inputs=32,
            hidden=settings.hidden,
            iterations=10,
            energy_weight=1.0,
            stress_weight=settings.stress_weight,
            per_root_atoms=False,
            sample=8,
            # ln cosh is a parabola to 0.3 % over this spread.
            spread=0.1,
            damping=0.0,
            closed_start=True,
            first_output=1.0,
            look_every=1,
            patience=6,
            together=False,
            precision=torch.float64,
            posterior=settings.model == "linear" and settings.uncertainty != "bootstrap",
        )

    @classmethod
    def _diverse(cls, learned: Dataset, settings: SurrogateSettings, cutoff: float) -> Self:
        slots = min(int(learned.n_atoms.max()), 4.19 * cutoff**3 * _density(learned).max())
        per_input = 12.0 * len(learned.numbers) * slots
        most = max(8, int(JACOBIAN_MEMORY * 2**30 / per_input))
        return cls(
            inputs=min(128, most),
            hidden=settings.hidden or (32,),
            iterations=400,
            energy_weight=20.0,
            stress_weight=settings.stress_weight,
            per_root_atoms=True,
            sample=64,
            spread=0.3,
            damping=0.5,
            closed_start=False,
            first_output=0.05,
            look_every=5,
            patience=8,
            together=True,
            precision=torch.float32,
            posterior=settings.uncertainty == "posterior",
        )

    def row_weights(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights of every structure's energy and virials, each (n_structures,).

        Parameters
        ----------
        counts : Tensor
            Atoms of each element, (n_structures, n_elements).
        """
        atoms = counts.sum(1)
        unit = atoms.rsqrt() if self.per_root_atoms else torch.ones_like(atoms)
        return self.energy_weight * unit, self.stress_weight * unit


def is_diverse(dataset: Structures, settings: SurrogateSettings) -> bool:
    """Whether the regime is ``diverse``, by the settings or by what the data look like."""
    if settings.regime == "auto":
        return not shows_one_crystal(dataset)
    return settings.regime == "diverse"


def shows_one_crystal(dataset: Structures) -> bool:
    """Whether all structures have one composition and one density, to 0.3 %.

    A vacancy in 300 sites, a strain of 0.1 % or another phase is more than that.
    """
    densities = _density(dataset)
    if densities.max() > 1.003 * densities.min():
        return False
    owners = np.repeat(np.arange(len(dataset)), dataset.n_atoms)
    for number in np.unique(dataset.numbers):
        share = np.bincount(owners, dataset.numbers == number, len(dataset)) / dataset.n_atoms
        if share.max() - share.min() > 1e-3:
            return False
    return True


def _density(dataset: Structures) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return atoms per Å³ of every structure."""
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = dataset.n_atoms / np.abs(
        np.linalg.det(dataset.cells)
    )
    return found
