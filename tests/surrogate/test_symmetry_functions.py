import itertools

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.neighborlist import neighbor_list
from numpy.polynomial import legendre
from scipy.special import sph_harm_y
from surrogate_cases import moved_slope, one, salt, salt_functions, values_of

from kappa_flow.errors import InputError
from kappa_flow.surrogate.descriptors.harmonics import real_spherical_harmonics
from kappa_flow.surrogate.descriptors.radial import RadialBasis
from kappa_flow.surrogate.fitting.force_rows import force_rows
from kappa_flow.surrogate.kernels.neighbors import find_neighbors


def triplet_sum(functions, atoms):
    """G2 and G4 by their definitions: loops over neighbours and pairs of them."""
    first, second, vectors = neighbor_list("ijD", atoms, functions.basis.cutoff)
    n = len(functions.basis.centers)
    found = []
    for centre in range(len(atoms)):
        mine = first == centre
        r = np.linalg.norm(vectors[mine], axis=1)
        unit = vectors[mine] / r[:, None]
        radial = np.zeros((len(r), functions.n_channels))
        values = functions.basis(torch.tensor(r))[0].numpy()
        for j, number in enumerate(atoms.numbers[second[mine]]):
            block = functions.elements.index(number) * n
            radial[j, block : block + n] = values[j]
        cosines = unit @ unit.T
        off = 1.0 - np.eye(len(r))
        rows = [radial.sum(0)]
        for row in functions.angular_matrix.numpy():
            angular = legendre.legval(cosines, row) * off
            full = radial.T @ angular @ radial
            rows.append(full[tuple(functions.channel_pairs.numpy())])
        found.append(np.concatenate(rows))
    return np.array(found)


FORMS = [("legendre", "all"), ("legendre", "same"), ("behler", "all"), ("behler", "same"), ("none", "all")]


@pytest.mark.parametrize(("angular", "pairs"), FORMS)
def test_moments_equal_the_sum_over_triplets(angular, pairs):
    functions, atoms = salt_functions(angular=angular, pairs=pairs), salt()
    expected = triplet_sum(functions, atoms)
    # Sums of ~1e3 terms of order one: rounding stays near 1e3 * 2e-16.
    assert np.abs(values_of(functions, atoms) - expected).max() < 1e-12 * np.abs(expected).max()


def test_same_pairs_are_those_with_one_radial_function_for_both_neighbours():
    # Channels 0–2 are Na's radial functions, 3–5 chlorine's.
    expected = [[0, 0], [0, 3], [1, 1], [1, 4], [2, 2], [2, 5], [3, 3], [4, 4], [5, 5]]
    assert salt_functions(pairs="same").channel_pairs.T.tolist() == expected


def test_behlers_angular_functions_are_his_formula():
    functions = salt_functions(angular="behler")
    x = np.linspace(-1, 1, 7)
    expected = [2.0 ** (1 - zeta) * (1 + sign * x) ** zeta for zeta in (1, 2, 4) for sign in (1, -1)]
    for row, values in zip(functions.angular_matrix.numpy(), expected, strict=True):
        assert np.allclose(legendre.legval(x, row), values, atol=1e-14)


def test_harmonics_are_scipys_and_their_slopes_are_derivatives():
    generator = np.random.default_rng(1)
    r = generator.normal(size=(20, 3))
    r /= np.linalg.norm(r, axis=1)[:, None]
    values, slopes = real_spherical_harmonics(torch.tensor(r), 8)
    theta, phi = np.arccos(r[:, 2]), np.arctan2(r[:, 1], r[:, 0])
    for degree in range(9):
        for m in range(1, degree + 1):
            complex_y = sph_harm_y(degree, m, theta, phi) * (-1) ** m * np.sqrt(2)
            centre = degree**2 + degree
            assert np.allclose(values[:, centre + m], complex_y.real, atol=1e-12)
            assert np.allclose(values[:, centre - m], complex_y.imag, atol=1e-12)
    h = 1e-5
    for axis in range(3):
        shift = h * np.eye(3)[axis]
        plus, minus = (
            real_spherical_harmonics(torch.tensor(s / np.linalg.norm(s, axis=1)[:, None]), 8)[0]
            for s in (r + shift, r - shift)
        )
        assert np.allclose((plus - minus) / (2 * h), slopes[:, axis], atol=1e-7)


@pytest.mark.parametrize("cutoff_function", ["smooth", "poly2"])
def test_cutoff_is_smooth_to_the_second_derivative(cutoff_function):
    basis = RadialBasis.spread(6, 2.3, 5.0, cutoff_function)
    h = 1e-3
    r = torch.tensor([5.0 - 2 * h, 5.0 - h, 5.0, 5.0 + h], dtype=torch.float64)
    values, slopes = basis(r)
    second = (values[2:] - 2 * values[1:-1] + values[:-2]) / h**2
    # A threefold zero: at a distance d, f = a (d/r_c)³ with a = 8 (smooth) or 10 (poly2), so
    # f'' = 6 a d/r_c³ < 5e-4 Å⁻² at d = h; the Gaussians are at most one.
    assert torch.all(values[2:] == 0)
    assert torch.all(slopes[2:] == 0)
    assert second.abs().max() < 2e-3


def test_the_cutoff_functions_are_those_of_n2p2():
    x = torch.linspace(0, 1, 9, dtype=torch.float64)
    flat = RadialBasis((0.0,), 0.0, 4.0, "poly2")(4.0 * x)[0][:, 0]
    assert torch.allclose(flat, ((15 - 6 * x) * x - 10) * x**3 + 1, atol=1e-15)
    flat = RadialBasis((0.0,), 0.0, 4.0, "cosine")(4.0 * x)[0][:, 0]
    assert torch.allclose(flat, 0.5 * (torch.cos(torch.pi * x) + 1), atol=1e-15)


@pytest.mark.parametrize("cutoff_function", ["smooth", "poly2", "cosine"])
def test_radial_slopes_are_derivatives(cutoff_function):
    basis, h = RadialBasis.spread(6, 2.3, 5.0, cutoff_function), 1e-5
    r = torch.linspace(1.5, 4.99, 40, dtype=torch.float64)
    numeric = (basis(r + h)[0] - basis(r - h)[0]) / (2 * h)
    assert torch.allclose(numeric, basis(r)[1], atol=1e-8)


def test_neighbours_are_ases_also_in_cells_smaller_than_the_cutoff():
    atoms = bulk("Cu")
    atoms = atoms.repeat((1, 1, 2))
    atoms.rattle(0.1, seed=1)
    atoms.positions += [37.0, -20.0, 5.0]
    neighbors = find_neighbors(one(atoms), (29,), 6.0)
    lengths = neighbors.vectors.norm(dim=-1)
    for centre in range(2):
        expected = sorted(neighbor_list("d", atoms, 6.0)[neighbor_list("i", atoms, 6.0) == centre])
        mine = lengths[centre][lengths[centre] < 6.0 - 1e-12].tolist()
        assert np.allclose(sorted(mine), expected, atol=1e-10)


@pytest.mark.parametrize(("angular", "pairs"), FORMS)
def test_design_rows_are_the_derivatives_of_the_functions(angular, pairs):
    functions, atoms = salt_functions(angular=angular, pairs=pairs), salt()
    neighbors = find_neighbors(one(atoms), functions.elements, 6.0)
    rows = force_rows(functions, neighbors, functions.environment(neighbors)).view(8, 3, 2, -1).numpy()
    for place in itertools.product((0, 5), (0, 2)):
        slope = moved_slope(lambda moved: values_of(functions, moved), atoms, place, 1e-5)
        expected = [-slope[atoms.numbers == number].sum(0) for number in (11, 17)]
        assert np.allclose(rows[place], expected, atol=1e-8)


def test_an_unknown_element_is_refused():
    with pytest.raises(InputError, match="atomic number 29"):
        find_neighbors(one(bulk("Cu")), (11, 17), 5.0)
