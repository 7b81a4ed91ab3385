"""Settings from displaced supercells to force constants."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kappa_flow.documents.sections.numbers import Count, Positive
from kappa_flow.settings import Settings


class DisplacementsSettings(Settings):
    """Which supercells phono3py needs."""

    distance: Positive | Literal["auto"] = 0.03
    """Å. ``auto``: halved from 0.03 Å until κ moves by less than ``tolerance``; needs a surrogate."""
    method: Literal["finite-difference", "random"] = "finite-difference"
    """``random`` displaces all atoms and fits force constants with symfc."""
    count: Annotated[int, Field(ge=1)] | None = None
    """Number of randomly displaced cells; None: estimated by symfc."""
    plus_minus: bool = False
    """Displace every atom both ways, also where symmetry says what the other way gives (phono3py's ``--pm``).
    For a reference that breaks the crystal's symmetry: a model without parity, a DFT grid a little."""
    pair_cutoff: Positive | Literal["auto"] | None = None
    """Å; leaves pairs further apart out of fc3. ``auto``: grows by shells until κ moves by less than
    ``tolerance`` twice in a row; needs a surrogate."""
    tolerance: Positive = 0.01
    """Relative change of κ at 300 K, on 7 divisions, below which ``auto`` ends."""
    seed: Count = 1

    @property
    def automatic(self) -> bool:
        """Whether something is left to a sequence of κ."""
        return "auto" in (self.distance, self.pair_cutoff)

    @property
    def length(self) -> float:
        """``distance``; where it is ``auto``, what the sequence begins with. Å."""
        return 0.03 if self.distance == "auto" else self.distance

    @property
    def cutoff(self) -> float | None:
        """``pair_cutoff``; None, every pair, where it is ``auto``. Å."""
        return None if self.pair_cutoff == "auto" else self.pair_cutoff


class ForcesSettings(Settings):
    """Who computes the forces, where."""

    source: Literal["surrogate", "reference", "none"] = "surrogate"
    """Of the forces on the displaced cells. ``reference``: brute force; ``none``: nobody, the potential is
    the result and no κ is computed."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    memory: Positive = 2.0
    """GiB a batch may take on the CPU; on a card it takes what is free there."""


class NacSettings(Settings):
    """Born charges and dielectric tensor of a polar crystal."""

    file: Path | None = None
    """BORN file (phonopy's format) or a phonopy yaml that holds them."""
    born: (
        Literal["reference"]
        | tuple[
            tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]], ...
        ]
    ) = ()
    """One tensor per atom of the primitive cell, in units of e; ``reference``: the reference computes them
    and the dielectric tensor, for the relaxed crystal."""
    dielectric: (
        tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]] | None
    ) = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = bool(self.born) and (self.dielectric is not None) != self.by_reference
        alone = self.file is None and self.dielectric is None
        if (self.file is not None) == given or (self.by_reference and not alone):
            raise ValueError("give either file, or born and dielectric together, or born: reference alone")
        return self

    @property
    def by_reference(self) -> bool:
        """Whether the reference computes the tensors."""
        return self.born == "reference"


class ForceConstantsSettings(Settings):
    """From forces to fc2 and fc3."""

    symmetrize: bool = True
    """Enforce permutation and translational invariance."""
    nac: NacSettings | None = None

    @property
    def computes_born(self) -> bool:
        """Whether the reference computes Born charges and the dielectric tensor."""
        return self.nac is not None and self.nac.by_reference
