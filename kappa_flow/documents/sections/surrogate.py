"""Settings of the potential and its training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from kappa_flow.documents.sections.numbers import Count, Positive
from kappa_flow.settings import Settings


class SurrogateSettings(Settings):
    """The potential: HDNNP (Behler & Parrinello 2007) with a linear read-out."""

    model: Literal["hdnnp", "linear"] = "hdnnp"
    linear_readout: bool = True
    """Solve E = w·G in closed form before the network learns what is left."""
    committee: Annotated[int, Field(ge=1)] = 8
    """Members; at least 4 are needed for an error bar."""
    cutoff: Positive | Literal["auto"] = 7.0
    """Å, or ``auto``: a sphere of 70 atoms at the density of the data, at most the smallest cell height; for
    ``diverse`` data a sphere of 40. At most half the smallest training box where fc2 is asked of a larger
    supercell."""
    long_range: Literal["auto", "off"] = "auto"
    """``auto``: where Born charges are given, the dipole–dipole part is kept outside the potential."""
    lattice_terms: Literal["auto", "off"] = "auto"
    """``auto``: where all cells learned from are the crystal's fc3 supercell, its force constants, all that
    symmetry leaves of them, are fitted beside the read-out: fewer cells for the same κ. Such a potential is
    for that supercell alone, and does not drive MD."""
    radial: Annotated[int, Field(ge=2, le=40)] | None = None
    """Gaussians per neighbour element; None: 8, 6 or 4 for one, two or more elements."""
    l_max: Annotated[int, Field(ge=0, le=12)] | None = None
    """Highest degree in cos θ of the angular functions; None: 8, 6 or 4 likewise."""
    angular: Literal["legendre", "behler", "behler-narrow", "none"] = "legendre"
    """Angular functions: Legendre polynomials, complete up to ``l_max``, Behler's
    2^(1-ζ)(1 ± cos θ)^ζ with ζ = 1, 2, 4, … up to ``l_max``, the same times a radial function of r_jk (his
    G4; slow, ``pairs`` is always same), or none: a pairwise model."""
    pairs: Literal["all", "same"] = "all"
    """Products of two radial functions in an angular function: ``all``, or ``same``: each with itself
    alone, Behler's classical form, which n2p2 can read."""
    cutoff_function: Literal["smooth", "poly2", "cosine"] = "smooth"
    """What takes the functions to zero at the cutoff: (1 − x²)³, n2p2's polynomial CT_POLY2, or Behler's
    cosine, whose second derivative jumps there: not for force constants."""
    regularization: Positive | None = None
    """Ridge strength relative to the largest squared singular value; None: by cross-validation."""
    regression: Literal["ridge", "lasso"] = "ridge"
    """``lasso``: the linear model keeps the functions that the LASSO chooses by cross-validation over
    structures, the weights of the others are zero; those kept are fitted by ridge regression."""
    uncertainty: Literal["auto", "bootstrap", "posterior"] = "auto"
    """Where the members come from. ``bootstrap``: fits to reweighted structures; ``posterior``: draws from
    the exact Bayesian posterior of the linear model, which alone has one; ``auto``: ``posterior`` for
    ``linear`` on ``crystal`` data, where it was measured to be nearer to the true errors."""
    regime: Literal["auto", "crystal", "diverse"] = "auto"
    """What the data are. ``crystal``: one crystal, a little displaced; ``diverse``: vacancies, strain,
    surfaces, liquids. ``auto``: ``crystal`` where all cells have one composition and density (0.3 %). It
    decides the settings left open below and how the networks start."""
    energy_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """An energy error of 1 eV per cell counts as a force error of so many eV/Å; None: 1, or for ``diverse``
    data 20. For ``diverse`` data it is divided by the root of the number of atoms."""
    stress_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """The same for each virial (stress times volume, eV) of a cell, where the data have stresses; 0 leaves
    them out of training."""
    inputs: Annotated[int, Field(ge=2, le=128)] | None = None
    """Principal components of the symmetry functions the networks see, fewer where the data are few; None:
    32, or for ``diverse`` data 128 within 2 GiB of stored derivatives."""
    hidden: tuple[Annotated[int, Field(ge=1, le=256)], ...] = ()
    """Neurons per hidden layer; empty: for ``crystal`` one layer as wide as the inputs, which starts from the
    curvature solved in closed form, for ``diverse`` one of 32."""
    iterations: Annotated[int, Field(ge=0)] | None = None
    """Most quasi-Newton iterations of the networks after their start; None: 10, for ``diverse`` data 400.
    They end when the held-out forces stop improving."""
    validation_fraction: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    """Part of the structures that only decides when to stop."""
    test_fraction: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Part of the structures that only measures errors."""
    seed: Count = 1

    @model_validator(mode="after")
    def _angular_functions_are_some(self) -> Self:
        if self.angular == "none" and (self.l_max is not None or self.pairs != "all"):
            raise ValueError("angular: none has no angular functions; leave out l_max and pairs")
        if self.angular.startswith("behler") and self.l_max == 0:
            raise ValueError(f"angular: {self.angular} needs l_max 1 or more; none is the pairwise model")
        return self

    @model_validator(mode="after")
    def _linear_model_alone(self) -> Self:
        if self.regression == "lasso" and self.model != "linear":
            raise ValueError(f"regression: lasso needs model: linear; {self.model} has ridge")
        if self.uncertainty == "posterior" and self.model != "linear":
            raise ValueError(f"uncertainty: posterior needs model: linear; {self.model} has bootstrap")
        return self

    @property
    def bootstrapped(self) -> bool:
        """Whether the members are fits to reweighted structures, of ``crystal`` data at least."""
        return self.model == "hdnnp" or self.uncertainty == "bootstrap"

    @property
    def takes_lattice_terms(self) -> bool:
        """Whether force constants may be fitted beside the read-out: stresses have no part of them."""
        fitted = self.linear_readout and self.regression == "ridge" and not self.stress_weight
        return self.lattice_terms == "auto" and fitted

    @field_validator("long_range", "lattice_terms", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        return "off" if value is False else value  # YAML 1.1 reads a bare off as false
