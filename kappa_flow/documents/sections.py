"""The sections of the run configuration, in stage order; each field's text is its manual."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from kappa_flow.arrays import FloatArray
from kappa_flow.settings import Settings

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Temperature = Annotated[float, Field(gt=0, le=10000)]
Repeats = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
Selection = Literal["d-optimal", "displaced-cells", "farthest-point", "random"]
Units = Literal["atomic", "metal"]
IntMatrix3 = tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]


class StructureSettings(Settings):
    """Which crystal."""

    file: Path
    """Any structure file pymatgen, ASE or phonopy reads: POSCAR, CIF, phonopy/phono3py yaml, extxyz, json."""
    supercell: Repeats | IntMatrix3 | None = None
    """fc3 supercell of the conventional cell; None takes ``min_length``."""
    min_length: Positive = 10.0
    """Least distance between periodic images (Å) when ``supercell`` is None."""
    fc2_supercell: Repeats | IntMatrix3 | None = None
    """A larger supercell for fc2 alone."""
    fc2_min_length: Positive | None = None
    """The same by length, Å."""
    relax: bool = True
    """Relax cell and positions with the reference, symmetry kept. False where there is no reference."""
    force_tolerance: Positive = 1e-4
    """Largest force component after relaxation, eV/Å."""
    symprec: Positive = 1e-5
    """Tolerance of the symmetry search, Å."""


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
    """The rounds end when κ at 300 K on a modest mesh changes by less than this from one to the next, and its
    spread over the committee is less too (relative). None: κ is not looked at, the budget is spent."""
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


class DatasetSettings(Settings):
    """Labels given beforehand."""

    files: tuple[Path, ...] = ()
    """extxyz, phonopy/phono3py yaml with forces, VASP vasprun.xml or OUTCAR, RuNNer's and n2p2's input.data,
    ænet's .xsf; also .xz, .gz, .bz2."""
    units: Units | None = None
    """Of input.data, which does not say them: ``atomic`` (Bohr, Hartree: RuNNer's convention) or ``metal``
    (Å, eV). None: refused, unless the comments of its structures say ``units=…`` as ours do."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Take only the first so many structures of ``files``."""
    validation: tuple[Path, ...] = ()
    """Labelled structures held out of training, for the test errors."""
    lattice_tolerance: Positive = 0.01
    """Largest relative strain between a data set cell and the crystal's supercell."""


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

    @field_validator("long_range", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        return "off" if value is False else value  # YAML 1.1 reads a bare off as false


class DisplacementsSettings(Settings):
    """Which supercells phono3py needs."""

    distance: Positive = 0.03
    """Å."""
    method: Literal["finite-difference", "random"] = "finite-difference"
    """``random`` displaces all atoms and fits force constants with symfc."""
    count: Annotated[int, Field(ge=1)] | None = None
    """Number of randomly displaced cells; None: estimated by symfc."""
    pair_cutoff: Positive | None = None
    """Å; leaves pairs further apart out of fc3."""
    seed: Count = 1


class ForcesSettings(Settings):
    """Who computes the forces, where."""

    source: Literal["surrogate", "reference"] = "surrogate"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    memory: Positive = 2.0
    """GiB a batch may take."""


class NacSettings(Settings):
    """Born charges and dielectric tensor of a polar crystal."""

    file: Path | None = None
    """BORN file (phonopy's format) or a phonopy yaml that holds them."""
    born: tuple[
        tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]], ...
    ] = ()
    """One tensor per atom of the primitive cell, in units of e."""
    dielectric: (
        tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]] | None
    ) = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = bool(self.born) and self.dielectric is not None
        if (self.file is not None) == given:
            raise ValueError("give either file, or born and dielectric together")
        return self


class ForceConstantsSettings(Settings):
    """From forces to fc2 and fc3."""

    symmetrize: bool = True
    """Enforce permutation and translational invariance."""
    nac: NacSettings | None = None


class TemperatureGrid(Settings):
    """start, start + step, … up to stop, K."""

    start: Temperature
    stop: Temperature
    step: Positive

    @model_validator(mode="after")
    def _upwards(self) -> Self:
        if self.stop < self.start:
            raise ValueError(f"stop: {self.stop:g} is below start: {self.start:g}, no temperature is left")
        return self


class BteSettings(Settings):
    """The Boltzmann transport equation."""

    method: Literal["rta"] = "rta"
    mesh: Repeats | Literal["auto"] = "auto"
    """Three integers, or ``auto``: refined until the estimated mesh error is below ``mesh_tolerance``."""
    mesh_tolerance: Positive = 0.02
    """Relative mesh error of κ at 300 K (or the nearest temperature) that ends ``auto``."""
    mesh_limit: Annotated[int, Field(ge=3)] = 19
    """Most divisions along a reciprocal axis that ``auto`` tries."""
    temperatures: TemperatureGrid | Annotated[tuple[Temperature, ...], Field(min_length=1)] = TemperatureGrid(
        start=100, stop=1000, step=50
    )
    """K."""
    isotopes: bool = True
    """Scattering by the natural isotope mixture (Tamura 1983)."""
    boundary_mfp: Positive | None = None
    """Boundary mean free path, µm."""
    average_degenerate: bool = False
    """Average tetrahedron weights over degenerate bands. Without it (phono3py's default) κ depends on the
    eigenvectors rounding picks: 0.9 % on 5×5×5, 0.03 % on 11×11×11 in Si for a change of 1e-15 eV/Å."""
    member_mesh: Repeats | None = None
    """Mesh for κ of each committee member; None: the same as ``mesh`` up to 9 divisions: σ is relative."""

    @field_validator("mesh", "member_mesh", mode="before")
    @classmethod
    def _three_integers(cls, value: object, info: ValidationInfo) -> object:
        found = None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found = f"{value!r} is one number"
        if isinstance(value, (list, tuple)) and len(value) != 3:
            found = f"it holds {len(value)} numbers"
        if found is not None:
            more = ", or auto" if info.field_name == "mesh" else ""
            raise ValueError(f"{found}; write three, e.g. [11, 11, 11]{more}")
        return value

    @property
    def temperature_list(self) -> FloatArray:
        """The temperatures in K, ascending."""
        grid = self.temperatures
        if isinstance(grid, TemperatureGrid):
            return np.arange(grid.start, grid.stop + grid.step * 1e-6, grid.step, dtype=np.float64)
        return np.array(sorted(set(grid)), dtype=np.float64)


class ResultsSettings(Settings):
    """What to write on the result."""

    tags: tuple[str, ...] = ()
