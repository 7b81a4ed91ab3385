import numpy as np
import pytest
import torch
from scipy.integrate import quad
from surrogate_cases import one, salt

from kappa_flow.surrogate.descriptors.soap import SoapBasis, power_spectrum


def test_the_radial_functions_are_orthonormal():
    basis = SoapBasis((11, 17), 5.0, 4, 3)
    r = torch.linspace(0, 30, 30001, dtype=torch.float64)
    for degree in range(4):
        primitive = r[:, None] ** degree * torch.exp(-basis.exponents[degree] * r[:, None] ** 2)
        functions = primitive @ basis.mixing[degree]
        overlap = (functions * r[:, None] ** 2).T @ functions * (r[1] - r[0])
        # The rectangle rule is exact to rounding for functions that vanish smoothly at both ends; the
        # inverse square root loses the condition number of the overlap, 2e5 here.
        assert torch.allclose(overlap, torch.eye(4, dtype=torch.float64), atol=1e-9)


def test_the_closed_form_is_the_projection_of_a_gaussian():
    basis, distance = SoapBasis((11,), 5.0, 3, 2, sigma=0.7), 2.1
    # Along the axis m = 0: ∫ g r² dr ∫ Y_10² is the projection; ρ's l = 1 part by quadrature over cos θ.
    width = 0.5 / basis.sigma**2

    def density(r):
        def integrand(x):
            return 2 * np.pi * x * np.exp(-width * (r**2 + distance**2 - 2 * r * distance * x))

        return quad(integrand, -1, 1, epsabs=1e-12)[0]

    def projected(k):
        alpha = float(basis.exponents[1, k])
        return quad(lambda r: r**3 * np.exp(-alpha * r**2) * density(r), 0, 12, epsabs=1e-12)[0]

    expected = np.array([projected(k) for k in range(3)]) @ basis.mixing[1].numpy()
    found = basis.radial(torch.tensor([distance], dtype=torch.float64), 1)[0].numpy()
    # Y_10(z) · Y_10(θ) integrated: both sides carry the same Y_10(R̂) = √(3/4π); quadrature to 1e-10.
    assert np.allclose(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("n_max", "l_max", "sigma"), [(4, 3, 1.0), (6, 6, 0.5)])
def test_the_power_spectrum_is_dscribes(n_max, l_max, sigma):
    descriptors = pytest.importorskip("dscribe.descriptors", reason="pip install 'kappa-flow[peers]'")
    atoms = salt()
    peer = descriptors.SOAP(
        r_cut=5.0, n_max=n_max, l_max=l_max, sigma=sigma, species=["Na", "Cl"], periodic=True
    ).create(atoms)
    found = power_spectrum(one(atoms), SoapBasis((11, 17), 5.0, n_max, l_max, sigma)).numpy()
    assert found.shape == peer.shape
    # Both invert the same overlap: rounding times its condition number, 1e8 for six functions, may remain.
    assert np.abs(found - peer).max() < 2e-8 * np.abs(peer).max()


def test_the_power_spectrum_does_not_turn_with_the_crystal():
    atoms, basis = salt(), SoapBasis((11, 17), 4.0, 4, 4)
    turned = atoms.copy()
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turned.set_cell(atoms.cell.array @ rotation)
    turned.positions = atoms.positions @ rotation
    before, after = (power_spectrum(one(a), basis) for a in (atoms, turned))
    assert torch.allclose(before, after, rtol=1e-10, atol=1e-10 * float(before.abs().max()))
