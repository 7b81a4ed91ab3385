import itertools

import numpy as np
import pytest
import torch
from ase.neighborlist import neighbor_list
from surrogate_cases import copper, moved_slope, one, salt, values_of

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.surrogate import Potential, train
from kappa_flow.surrogate.descriptors.classical import NarrowFunctions
from kappa_flow.surrogate.descriptors.radial import RadialBasis
from kappa_flow.surrogate.descriptors.symmetry import SymmetryFunctions, behler_exponents
from kappa_flow.surrogate.kernels.neighbors import find_neighbors

CUTOFF = 6.0
L_MAX = 4


def narrow(count=2):
    return NarrowFunctions((11, 17), RadialBasis.spread(count, 2.5, CUTOFF), L_MAX)


def triplet_loop(functions, atoms):
    """The narrow functions of the first atom by three nested loops."""
    first, second, vectors = neighbor_list("ijD", atoms, CUTOFF)
    mine = vectors[first == 0]
    kinds = [functions.elements.index(number) for number in atoms.numbers[second[first == 0]]]

    def radial(length):
        return functions.basis(torch.tensor([length]))[0][0].numpy()

    lengths = np.linalg.norm(mine, axis=1)
    alone = np.array([radial(length) for length in lengths])
    n = len(functions.basis.centers)
    exponents = behler_exponents(functions.l_max)
    found = np.zeros((len(exponents), functions.n_channels, functions.n_channels))
    for j, k in itertools.permutations(range(len(mine)), 2):
        bond = alone[j] * alone[k] * radial(np.linalg.norm(mine[j] - mine[k]))
        cosine = mine[j] @ mine[k] / lengths[j] / lengths[k]
        rows, columns = kinds[j] * n + np.arange(n), kinds[k] * n + np.arange(n)
        for place, (zeta, sign) in enumerate(exponents):
            found[place, rows, columns] += 2.0 ** (1 - zeta) * (1 + sign * cosine) ** zeta * bond
    pairs = functions.wide.channel_pairs.numpy()
    return found[:, pairs[0], pairs[1]].ravel()


def test_narrow_functions_equal_the_triplet_loop():
    functions, atoms = narrow(), salt()
    expected = triplet_loop(functions, atoms)
    found = values_of(functions, atoms)[0, functions.n_channels :]
    # Sums of ~1e3 terms of order one: rounding stays near 1e3 * 2e-16.
    assert np.abs(found - expected).max() < 1e-12 * np.abs(expected).max()


def test_radial_functions_are_those_of_the_wide_form():
    functions, atoms = narrow(), salt()
    n = functions.n_channels
    assert np.allclose(
        values_of(functions, atoms)[:, :n], values_of(functions.wide, atoms)[:, :n], atol=1e-12
    )


def test_design_rows_are_the_derivatives_of_the_functions():
    functions, atoms = narrow(), salt()
    neighbors = find_neighbors(one(atoms), functions.elements, CUTOFF)
    rows = functions.force_rows(neighbors, functions.environment(neighbors)).view(8, 3, 2, -1).numpy()
    for place in itertools.product((0, 5), (0, 2)):
        slope = moved_slope(lambda moved: values_of(functions, moved), atoms, place, 1e-5)
        expected = [-slope[atoms.numbers == number].sum(0) for number in (11, 17)]
        # h² times third derivatives of order 10, and rounding 1e-13/h.
        assert np.allclose(rows[place], expected, atol=1e-7)


def test_they_train_and_load_like_the_others():
    settings = SurrogateSettings(
        cutoff=4.0, radial=3, l_max=2, committee=1, angular="behler-narrow", inputs=4
    )
    data = copper(4)
    document = train(data, settings)
    assert isinstance(Potential.from_document(document).functions, NarrowFunctions)
    # A wrong derivative or order would leave forces of 1 eV/Å unexplained.
    assert document.train.force_rmse < 0.2 * np.sqrt(np.mean(data.forces**2))


ETA = 0.15


def dscribe_functions(atoms, **angular):
    """DScribe's G2 (n_atoms, 2) per neighbour element and its angular functions, (n_atoms, 3 pairs, 6)."""
    descriptors = pytest.importorskip("dscribe.descriptors", reason="pip install 'kappa-flow[peers]'")
    peer = descriptors.ACSF(
        r_cut=CUTOFF, g2_params=[[ETA, 0.0]], species=["Na", "Cl"], periodic=True, **angular
    )
    found = peer.create(atoms)
    # Per element G1 (the cutoff alone) and G2; then per pair NaNa, ClNa, ClCl the angular functions.
    return found[:, [1, 3]], found[:, 4:].reshape(len(atoms), 3, 6)


def in_dscribes_order(functions, values):
    """Pairs first; DScribe counts each {j, k} once, we count it twice where c = c'."""
    angular = values[:, 2:].reshape(len(values), 6, 3).transpose(0, 2, 1)
    return values[:, :2], angular * np.array([0.5, 1.0, 0.5])[:, None]


@pytest.mark.parametrize("form", ["wide", "narrow"])
def test_symmetry_functions_are_dscribes(form):
    # DScribe has Behler's cosine, so it is given to ours; centre 0, because DScribe's has no shift.
    basis = RadialBasis((0.0,), ETA, CUTOFF, "cosine")
    functions = (
        NarrowFunctions((11, 17), basis, L_MAX)
        if form == "narrow"
        else SymmetryFunctions((11, 17), basis, L_MAX, "behler", "same")
    )
    params = [[ETA, zeta, sign] for zeta, sign in behler_exponents(L_MAX)]
    atoms = salt()
    radial, angular = dscribe_functions(atoms, **{"g4_params" if form == "narrow" else "g5_params": params})
    our_radial, our_angular = in_dscribes_order(functions, values_of(functions, atoms))
    # DScribe takes cos θ from squared distances: 1e-15 · r²/r_ij r_ik per term, 1e-12 of the whole sum.
    assert np.abs(our_radial - radial).max() < 1e-12 * np.abs(radial).max()
    assert np.abs(our_angular - angular).max() < 1e-12 * np.abs(angular).max()
