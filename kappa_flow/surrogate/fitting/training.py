"""The surrogate stage: a labelled data set in, a trained committee and its quality out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kappa_flow.documents.crystal import Crystal, PolarTensors
from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.documents.structures import Structures
from kappa_flow.documents.surrogate import SurrogateDocument, TrainingHistory
from kappa_flow.errors import InputError
from kappa_flow.protocols import Progress, quiet
from kappa_flow.surrogate.compression import Compression
from kappa_flow.surrogate.descriptors.automatic import suggest
from kappa_flow.surrogate.descriptors.classical import NarrowFunctions
from kappa_flow.surrogate.descriptors.radial import RadialBasis
from kappa_flow.surrogate.descriptors.symmetry import Functions, SymmetryFunctions
from kappa_flow.surrogate.electrostatics import long_range_part
from kappa_flow.surrogate.extrapolation import TrainingDomain
from kappa_flow.surrogate.fitting.committee import Equations, Readout, bootstrap_weights
from kappa_flow.surrogate.fitting.design import Wanted, build_table, sample_values
from kappa_flow.surrogate.fitting.lasso import Lasso
from kappa_flow.surrogate.fitting.lattice_terms import LEFT_OUT, LatticeTerms
from kappa_flow.surrogate.fitting.linear import Ridge
from kappa_flow.surrogate.fitting.posterior import Posterior
from kappa_flow.surrogate.fitting.quality import assess, parity, warnings_of
from kappa_flow.surrogate.fitting.recipe import Recipe, is_diverse
from kappa_flow.surrogate.fitting.walk import Walk
from kappa_flow.surrogate.kernels.neighbors import find_neighbors
from kappa_flow.surrogate.network import NetworkShape
from kappa_flow.surrogate.potential import Potential
from kappa_flow.surrogate.weights import Weights

DOMAIN_STRUCTURES = 400
"""Structures that tell where the training data lie."""


ROUNDING = 1e-9
"""0.1 × 30 is a little less than 3."""


@dataclass(frozen=True)
class Split:
    """Disjoint parts of the data set, indices in ascending order."""

    train: list[int]
    validation: list[int]
    test: list[int]

    @classmethod
    def draw(cls, count: int, settings: SurrogateSettings) -> Split:
        """Draw the parts by the seed of the settings, each at most its fraction; one is left to train on."""
        order = np.random.default_rng(settings.seed).permutation(count).tolist()
        n_test = int(settings.test_fraction * count + ROUNDING)
        n_validation = min(int(settings.validation_fraction * count + ROUNDING), count - n_test - 1)
        rest = order[n_test:]
        return cls(sorted(rest[n_validation:]), sorted(rest[:n_validation]), sorted(order[:n_test]))


def train(
    dataset: Dataset,
    settings: SurrogateSettings,
    progress: Progress = quiet,
    test: Dataset | None = None,
    polar: PolarTensors | None = None,
    crystal: Crystal | None = None,
    *,
    larger_cells: bool = False,
) -> SurrogateDocument:
    """Train a committee; equal input gives equal weights.

    Parameters
    ----------
    dataset : Dataset
        Labelled structures of any sizes.
    settings : SurrogateSettings
    progress : Progress
    test : Dataset, optional
        Structures kept apart; instead of a ``test_fraction`` of the data set.
    polar : PolarTensors, optional
        With them, unless ``long_range`` is off, the dipole–dipole part is taken out of the labels before the
        fit and added to what the potential says.
    crystal : Crystal, optional
        With it, unless ``lattice_terms`` is off, force constants of its fc3 supercell are fitted beside the
        functions, where all structures are that supercell.
    larger_cells : bool
        The potential will be asked for cells larger than some of the data set. Its cutoff is then at most
        half the smallest of their heights: beyond it a neighbour is fitted together with its own images, and
        in a larger cell it has none. Measured on NaCl (2×2×2 data, fc2 of 4×4×4): fc2 10 % wrong and κ 55 %
        too small with 7 Å, 2 % and 1 % with half the box (5.6 Å) and the dipole–dipole part.

    Returns
    -------
    SurrogateDocument

    Raises
    ------
    InputError
        When there is nothing to learn from, or a structure is not the polar crystal, displaced.
    """
    _check(dataset)
    if larger_cells:
        asked = settings.cutoff
        if asked == "auto":
            asked = suggest(dataset, diverse=is_diverse(dataset, settings)).cutoff
        settings = settings.model_copy(update={"cutoff": min(asked, float(dataset.heights.min()) / 2)})
    split = Split.draw(len(dataset), settings)
    learned = dataset.subset(split.train)
    held = dataset.subset(split.validation) if split.validation else None
    if test is None and split.test:
        test = dataset.subset(split.test)
    functions = functions_for(dataset, settings)
    long_range = long_range_part(polar, settings, functions.basis.cutoff)
    rest = learned if long_range is None else long_range.taken_from(learned)
    watched = held if held is None or long_range is None else long_range.taken_from(held)
    terms, said = _lattice_terms(dataset, settings, crystal)
    potential, history = fit(rest, watched, functions, settings, progress, terms)
    potential = replace(potential, long_range=long_range)
    parts = {"train": learned, "validation": held, "test": test}
    found = {name: (part, potential.predict(part)) for name, part in parts.items() if part is not None}
    return SurrogateDocument(
        model=potential.description(),
        weights=potential.arrays(),
        **{name: assess(*known) for name, known in found.items()},
        history=history,
        parity=parity(*(found.get("test") or found.get("validation") or found["train"])),
        warnings=(*said, *warnings_of(potential, dataset, settings)),
        largest_cell=int(learned.n_atoms.max()),
        components_per_force_constant=None if terms is None else learned.forces.size / sum(terms.counts),
    )


def _lattice_terms(
    dataset: Dataset, settings: SurrogateSettings, crystal: Crystal | None
) -> tuple[LatticeTerms | None, tuple[str, ...]]:
    """Return the terms to be fitted beside the functions, and what is to be said where they cannot be."""
    if crystal is None or not settings.takes_lattice_terms or is_diverse(dataset, settings):
        return None, ()
    terms = LatticeTerms.of(crystal, dataset)
    return terms, () if terms is not None else (LEFT_OUT,)


def _check(dataset: Dataset) -> None:
    if len(dataset) == 0:
        raise InputError("data set", "holds no structures", "Give dataset.files or a sampling.method")
    for name in ("positions", "energies", "forces"):
        if not np.isfinite(getattr(dataset, name)).all():
            raise InputError(f"data set {name}", "not all are finite numbers", "Leave those structures out")
    if float(np.abs(dataset.forces).max()) == 0.0:
        raise InputError("data set forces", "all are zero", "Displace the atoms")


def functions_for(dataset: Structures, settings: SurrogateSettings) -> Functions:
    """Return symmetry functions for the elements and distances of a set of structures.

    Without numbers in the settings: 8, 6 or 4 radial functions and l up to 8, 6 or 4 for one, two
    or more elements, which keeps the number of functions per atom between 330 and 600. ``cutoff: auto`` is
    :func:`automatic.suggest`'s, and in a crystal there may be fewer radial functions for it.
    """
    elements = tuple(sorted(set(dataset.numbers.tolist())))
    default = {1: 8, 2: 6}.get(len(elements), 4)
    cutoff, count = settings.cutoff, settings.radial or default
    if cutoff == "auto":
        diverse = is_diverse(dataset, settings)
        found = suggest(dataset, diverse=diverse)
        cutoff = found.cutoff
        if settings.radial is None and not diverse:
            count = min(default, found.radial)
    first = find_neighbors(dataset.geometry([0]), elements, cutoff)
    nearest = float(first.vectors.norm(dim=-1).min())
    l_max = default if settings.l_max is None else settings.l_max
    basis = RadialBasis.spread(count, nearest, cutoff, settings.cutoff_function)
    if settings.angular == "behler-narrow":
        return NarrowFunctions(elements, basis, l_max)
    if settings.angular == "none":
        l_max = 0
    return SymmetryFunctions(elements, basis, l_max, settings.angular, settings.pairs)


def settings_for_dynamics(settings: SurrogateSettings) -> SurrogateSettings:
    """Return settings of a first fit on small displacements that MD can be driven with.

    Fitted to rattled cells, the networks' curvature is extrapolated at 300 K: measured on silicon, such an
    HDNNP can blow up within 150 fs, while the linear model with this ridge strength keeps the temperature.
    With 8 cells of 0.03–0.15 Å its error on the 300 K frames of SevenNet-0 is 17 meV/Å, against 23 with the
    cross-validated strength.
    """
    first = {
        "linear_readout": True,
        "lattice_terms": "off",
        "regularization": 1e-8,
        "regression": "ridge",
        "uncertainty": "bootstrap",
    }
    return settings.model_copy(update={"model": "linear", **first})


def fit(
    learned: Dataset,
    held: Dataset | None,
    functions: Functions,
    settings: SurrogateSettings,
    progress: Progress = quiet,
    terms: LatticeTerms | None = None,
) -> tuple[Potential, TrainingHistory]:
    """Return the committee fitted to ``learned``, stopped by ``held`` where there is any."""
    recipe = Recipe.choose(learned, settings, functions.basis.cutoff)
    shape = _network_shape(learned, functions, settings, recipe)
    elements, inputs = len(functions.elements), 1 if shape is None else shape.n_inputs
    values, species = sample_values(learned, functions, recipe.sample)
    compression = Compression.principal(values, species, elements, inputs, recipe.spread, recipe.damping)
    wanted = Wanted(recipe.precision, recipe.stress_weight > 0)
    table = build_table(learned, functions, compression, wanted, progress)
    watched = None if held is None else build_table(held, functions, compression, wanted)
    if terms is not None:
        table = terms.extended(table, learned)
        watched = None if watched is None or held is None else terms.extended(watched, held)
    equations = Equations(table, *recipe.row_weights(table.counts))
    generator = torch.Generator().manual_seed(settings.seed)
    fits = 1 if recipe.posterior else settings.committee
    shares = bootstrap_weights(fits, len(learned), generator)[:, equations.owner]
    design = equations.linear() if settings.linear_readout or shape is None else None
    if design is not None and settings.regression == "lasso":
        design = design * Lasso.fit(design, equations.target, equations.owner).chosen
    ridge = None
    if design is not None:
        rows, owner, strength = equations.target, equations.owner, settings.regularization
        ridge = (
            Ridge.fit(design, rows, strength) if terms is None else terms.ridge(design, rows, owner, strength)
        )
    readout = Readout.of(ridge, shares)
    walk = Walk(equations, readout, shape, watched, recipe, progress)
    parameters = equations.target.new_zeros(settings.committee, 0)
    if shape is None:
        walk.look(0, parameters[:fits])
    else:
        parameters = walk.run(settings.regularization, generator)
    solved = _readout_weights(walk, parameters, recipe, generator)
    if not bool(parameters.any()):
        shape, parameters = None, parameters[:, :0]
    columns = elements * functions.n_functions
    linear = solved[:, :columns].view(len(solved), elements, -1)
    domain = TrainingDomain.of(*sample_values(learned, functions, most=DOMAIN_STRUCTURES), elements)
    weights = Weights(compression, linear, parameters, linear.new_zeros(len(linear), elements), domain)
    potential = Potential(
        functions,
        shape,
        replace(weights, atomic=_atomic(Potential(functions, shape, weights), equations, solved)),
        lattice=None if terms is None else terms.polynomial(solved[:, columns:]),
    )
    return potential, walk.history()


def _readout_weights(walk: Walk, parameters: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Return w of every member, (n_members, n_columns of the design); zeros without a read-out."""
    readout, equations = walk.readout, walk.equations
    if readout.ridge is None:
        return equations.target.new_zeros(len(parameters), equations.table.force_rows.shape[1])
    if recipe.posterior:
        return Posterior.of(readout.ridge, equations.target).draws(len(parameters), generator)
    return readout.solve(walk.missing(parameters))


def _network_shape(
    learned: Dataset, functions: Functions, settings: SurrogateSettings, recipe: Recipe
) -> NetworkShape | None:
    """Return the networks; fewer inputs than asked where data could not tell their products apart."""
    if settings.model == "linear":
        return None
    elements = len(functions.elements)
    spare = learned.forces.size - elements * functions.n_functions
    most = int((max(spare, 0) / elements) ** 0.5)
    inputs = max(4, min(recipe.inputs, most, functions.n_functions))
    hidden = recipe.hidden or (inputs,)
    return NetworkShape(elements, inputs, hidden)


def _atomic(potential: Potential, equations: Equations, solved: Tensor) -> Tensor:
    """Return the energy per atom of each element that the rest of each member leaves, eV, (M, E)."""
    weights, table = potential.weights, equations.table
    mean = (weights.linear * weights.compression.mean).sum(2)
    said = solved @ table.energy_rows.T - mean @ table.counts.T
    if potential.shape is not None:
        single = potential.shape.energies(weights.network, table.inputs, table.species)
        said = said + said.new_zeros(said.shape).index_add(1, table.structure, single)
    share = equations.energy_weights / equations.energy_weights.max()
    share = torch.where(share.isfinite(), share, 1.0)[:, None]
    found: Tensor = torch.linalg.pinv(share * table.counts) @ (share * (table.energies - said).T)
    return found.T
