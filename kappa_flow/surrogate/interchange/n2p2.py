"""n2p2's files of a potential, where its form allows: input.nn, scaling.data, weights.*.data; eV and Å."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from ase.data import chemical_symbols
from numpy.polynomial import legendre, polynomial

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.structures import Structures
from kappa_flow.errors import InputError
from kappa_flow.surrogate.descriptors.classical import NarrowFunctions
from kappa_flow.surrogate.descriptors.symmetry import Functions, SymmetryFunctions, behler_exponents
from kappa_flow.surrogate.kernels.choose import functions_of
from kappa_flow.surrogate.potential import Potential

CUTOFF_TYPES: Final = {"poly2": 6, "cosine": 1}
"""n2p2's numbers of the cutoff functions both know."""
SHIFT: Final = 50.0
"""n2p2 takes softplus(x) as x beyond 35: shifted by this, the read-out's neuron is linear."""
SHRINK: Final = 0.01
"""The read-out's neuron sees this times its energy: linear down to -1500 eV per atom, rounded at 1e-12 eV."""
UNKNOWN: Final = 1e99
"""Range of a symmetry function when no structures are given: nothing is extrapolation then."""


@dataclass(frozen=True, order=True)
class Term:
    """One of n2p2's symmetry functions, ordered as n2p2 orders them (all η and r_c are equal)."""

    kind: int
    """2: radial; 3: narrow angular; 9: wide angular."""
    centre: float
    """r_s, Å."""
    zeta: int
    sign: int
    """λ."""
    elements: tuple[int, ...]
    """Atomic numbers of the neighbours."""

    def line(self, element: str, eta: float, cutoff: float) -> str:
        """Return the ``symfunction_short`` line for atoms of an element."""
        names = " ".join(chemical_symbols[number] for number in self.elements)
        head = f"symfunction_short {element} {self.kind} {names} {eta!r}"
        if self.kind == 2:
            return f"{head} {self.centre!r} {cutoff!r}"
        return f"{head} {self.sign} {self.zeta} {cutoff!r} {self.centre!r}"


def write(potential: Potential, folder: Path, structures: Structures | None = None) -> list[Path]:
    """Write the committee mean as one HDNNP n2p2 and LAMMPS' ``pair_style hdnnp`` read; exact to rounding.

    ln cosh x = softplus(2x) - x - ln 2, so a layer of softplus neurons, one per member and hidden neuron and
    one for all that is linear, says what the committee says. Legendre polynomials become sums of Behler's
    (1 ± cos θ)^ζ, which costs digits at high degree: forces agree to 1e-9 eV/Å at l = 8.

    Parameters
    ----------
    potential : Potential
    folder : Path
        Made when absent.
    structures : Structures, optional
        Those it was trained on: their ranges tell n2p2 when it extrapolates.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        Naming the setting that would give a potential of n2p2's form.

    References
    ----------
    Singraber, Behler, Dellago, J. Chem. Theory Comput. 15, 1827 (2019), doi:10.1021/acs.jctc.8b00770.
    """
    refuse_other_forms(potential)
    terms, mixing = terms_of(potential.functions)
    back: FloatArray = np.linalg.pinv(mixing).astype(np.float64)
    texts = {"scaling.data": _scaling(potential, back, structures)}
    for place, number in enumerate(potential.functions.elements):
        connections = _connections(potential, place, mixing)
        texts[f"weights.{number:03d}.data"] = "".join(f"{value:.17e}\n" for value in connections)
    texts["input.nn"] = _settings(potential, terms)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="ascii")
    return sorted(folder / name for name in texts)


def terms_of(functions: Functions) -> tuple[list[Term], FloatArray]:
    """Return n2p2's functions in n2p2's order and ours as sums of them, (n_functions, n_terms).

    n2p2 counts each pair of neighbours once, we twice: where both are of one element ours are twice n2p2's.
    """
    count, centers = len(functions.basis.centers), functions.basis.centers
    kind, wide = (3, functions.wide) if isinstance(functions, NarrowFunctions) else (9, functions)
    assert isinstance(wide, SymmetryFunctions)  # noqa: S101 - there is no third class
    forms, matrix = _angular_forms(wide)
    pairs = wide.channel_pairs.T.tolist()
    found: list[tuple[Term, dict[int, float]]] = []
    for channel in range(functions.n_channels):
        element, n = divmod(channel, count)
        found.append((Term(2, centers[n], 0, 0, (functions.elements[element],)), {channel: 1.0}))
    for place, (first, second) in enumerate(pairs):
        elements = tuple(sorted(functions.elements[channel // count] for channel in (first, second)))
        factor = 2.0 if elements[0] == elements[1] else 1.0
        for (zeta, sign), column in zip(forms, matrix.T, strict=True):
            rows = functions.n_channels + place + len(pairs) * np.arange(len(column))
            shares = dict(zip(rows.tolist(), (factor * column).tolist(), strict=True))
            found.append((Term(kind, centers[first % count], zeta, sign, elements), shares))
    found.sort(key=lambda pair: pair[0])
    mixing = np.zeros((functions.n_functions, len(found)))
    for index, (_, shares) in enumerate(found):
        mixing[list(shares), index] = list(shares.values())
    return [term for term, _ in found], mixing


def _angular_forms(functions: SymmetryFunctions) -> tuple[list[tuple[int, int]], FloatArray]:
    """Return (ζ, λ) of n2p2's angular functions and ours as sums of them, (n_angular, n_forms)."""
    if functions.angular == "none":
        return [], np.zeros((0, 0))
    if functions.angular == "behler":
        forms = [(zeta, int(sign)) for zeta, sign in behler_exponents(functions.l_max)]
        return forms, np.eye(len(forms))
    forms = [(1, 1), (1, -1)] + [(zeta, 1) for zeta in range(2, functions.l_max + 1)]
    powers = np.zeros((len(forms), max(functions.l_max, 1) + 1))
    for row, (zeta, sign) in enumerate(forms):
        powers[row, : zeta + 1] = polynomial.polypow([1.0, sign], zeta) * 2.0 ** (1 - zeta)
    wanted = np.zeros((functions.l_max + 1, powers.shape[1]))
    for degree in range(functions.l_max + 1):
        wanted[degree, : degree + 1] = legendre.leg2poly([0.0] * degree + [1.0])
    matrix: FloatArray = np.linalg.solve(powers.T, wanted.T).T.astype(np.float64)
    return forms, matrix


def refuse_other_forms(potential: Potential) -> None:
    """Raise InputError, naming the setting, for a potential n2p2 cannot hold."""
    potential.need_local("n2p2")
    functions, shape = potential.functions, potential.shape
    cutoff = functions.basis.cutoff_function
    if cutoff not in CUTOFF_TYPES:
        raise InputError(
            f"surrogate.cutoff_function: {cutoff}", "n2p2 has no such function", "Train with poly2"
        )
    if functions.pairs != "same" and functions.angular != "none":
        reason = "n2p2's angular functions take one radial function for both neighbours"
        raise InputError(f"surrogate.pairs: {functions.pairs}", reason, "Train with pairs: same")
    if shape is not None and len(shape.hidden) > 1:
        reason = "only one hidden layer can be written exactly with n2p2's activation functions"
        raise InputError(f"surrogate.hidden: {list(shape.hidden)}", reason, "Train with one number there")


def _connections(potential: Potential, place: int, mixing: FloatArray) -> FloatArray:
    """Return weights and biases of one element's network in n2p2's order."""
    weights, shape, members = potential.weights, potential.shape, potential.members
    linear = weights.linear[:, place].cpu().numpy().mean(0)
    constant = float(weights.atomic[:, place].cpu().numpy().mean())
    inner, bias, outer = np.zeros((len(linear), 0)), np.zeros(0), np.zeros(0)
    if shape is not None:
        first, offset, last = (part[:, place].cpu().numpy() for part in shape.unpack(weights.network))
        projection = weights.compression.projection[place].cpu().numpy()
        inner = np.concatenate(list(projection @ first), axis=1)
        bias, outer = offset.ravel(), last.ravel() / members
        linear = linear - inner @ outer
        constant -= float(outer @ bias) + math.log(2.0) * float(outer.sum())
    inner = mixing.T @ np.column_stack([2.0 * inner, SHRINK * linear])
    return np.concatenate(
        [inner.ravel(), 2.0 * bias, [SHIFT], outer, [1.0 / SHRINK], [constant - SHIFT / SHRINK]]
    )


def _scaling(potential: Potential, back: FloatArray, structures: Structures | None) -> str:
    """Return scaling.data: per element and function smallest, largest, mean, spread; only the mean counts."""
    ranges = {} if structures is None else _ranges(potential, back, structures)
    lines = ["# element, function, smallest, largest, mean (taken away), standard deviation; eV, Angstrom"]
    for place, mean in enumerate(potential.weights.compression.mean.cpu().numpy() @ back.T):
        size = np.full(len(mean), UNKNOWN)
        low, high, spread = ranges.get(place, (-size, size, np.ones(len(mean))))
        for index, numbers in enumerate(zip(low, high, mean, spread, strict=True), start=1):
            lines.append(f"{place + 1} {index} " + " ".join(f"{number:.17e}" for number in numbers))
    return "\n".join(lines) + "\n"


def _ranges(
    potential: Potential, back: FloatArray, structures: Structures
) -> dict[int, tuple[FloatArray, FloatArray, FloatArray]]:
    """Return smallest, largest and spread of n2p2's functions by element."""
    found = functions_of(potential.functions, structures, 1024)
    values, species = zip(
        *((values.numpy() @ back.T, own.numpy()) for _, _, values, own in found), strict=True
    )
    all_values, all_species = np.concatenate(values), np.concatenate(species)
    parts = {place: all_values[all_species == place] for place in set(all_species.tolist())}
    return {place: (part.min(0), part.max(0), part.std(0)) for place, part in parts.items()}


def _settings(potential: Potential, terms: list[Term]) -> str:
    return "\n".join(_setting_lines(potential, terms)) + "\n"


def _setting_lines(potential: Potential, terms: list[Term]) -> Iterator[str]:
    functions, shape = potential.functions, potential.shape
    basis = functions.basis
    names = [chemical_symbols[number] for number in functions.elements]
    neurons = 1 if shape is None else potential.members * shape.hidden[0] + 1
    yield "# Committee mean of a kappa_flow potential, written as one network. Units: eV and Angstrom."
    yield f"# LAMMPS, units metal: pair_style hdnnp {basis.cutoff!r} dir FOLDER showew no"
    yield f"#                      pair_coeff * * {' '.join(names)}"
    yield f"number_of_elements {len(names)}"
    yield f"elements {' '.join(names)}"
    yield f"cutoff_type {CUTOFF_TYPES[basis.cutoff_function]} 0.0"
    yield "center_symmetry_functions"
    yield "global_hidden_layers_short 1"
    yield f"global_nodes_short {neurons}"
    yield "global_activation_short p l"
    for name in names:
        for term in terms:
            yield term.line(name, basis.eta, basis.cutoff)
