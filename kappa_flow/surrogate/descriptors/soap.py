"""SOAP power spectrum from the same moments: l-dependent radial functions instead of Gaussians in r."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from kappa_flow.documents.structures import Structures
from kappa_flow.surrogate.descriptors.harmonics import real_spherical_harmonics
from kappa_flow.surrogate.kernels.neighbors import find_neighbors

DECAY = 1e-3
"""A basis function has fallen to this at its reach, an atom's Gaussian at the end of the padding."""


@dataclass(frozen=True)
class SoapBasis:
    """g_nl(r) = Σ_k β_nkl r^l exp(-α_kl r²), orthonormal under r² dr (Löwdin), as DScribe's ``gto``.

    α_kl makes function k fall to 1e-3 at a reach spread evenly between 1 Å and the cutoff.

    References
    ----------
    Himanen et al., Comput. Phys. Commun. 247, 106949 (2020), doi:10.1016/j.cpc.2019.106949.
    """

    elements: tuple[int, ...]
    """Atomic numbers, ascending."""
    cutoff: float
    """Å, above 1."""
    n_max: int
    l_max: int
    sigma: float = 1.0
    """Width of the Gaussian each atom is smeared by, Å."""

    @property
    def reach(self) -> float:
        """Distance up to which atoms are counted, Å: the cutoff and the tail of an atom's Gaussian."""
        return self.cutoff + self.sigma * math.sqrt(-2.0 * math.log(DECAY))

    @cached_property
    def exponents(self) -> Tensor:
        """α_kl, Å⁻², (l_max + 1, n_max)."""
        ends = torch.linspace(1.0, self.cutoff, self.n_max, dtype=torch.float64)
        degrees = torch.arange(self.l_max + 1, dtype=torch.float64)[:, None]
        return (degrees * ends.log() - math.log(DECAY)) / ends.square()

    @cached_property
    def mixing(self) -> Tensor:
        """β_nkl = (S⁻½)_nk, S the overlap of r^l exp(-α_kl r²), (l_max + 1, n_max, n_max)."""
        degrees = torch.arange(self.l_max + 1, dtype=torch.float64)[:, None, None] + 1.5
        sums = self.exponents[:, :, None] + self.exponents[:, None, :]
        overlap = 0.5 * torch.exp(torch.lgamma(degrees) - degrees * sums.log())
        values, vectors = torch.linalg.eigh(overlap)
        inverse: Tensor = (vectors / values.sqrt()[:, None, :]) @ vectors.transpose(1, 2)
        return inverse

    def radial(self, distances: Tensor, degree: int) -> Tensor:
        """Return the overlap of g_nl Y_lm with an atom's Gaussian at ``distances``, without its Y_lm.

        With a = 1/2σ²: ∫ r^l e^(-αr²) Y_lm e^(-a|r - R|²) dr =
        (π/(α + a))^(3/2) (aR/(α + a))^l e^(-αaR²/(α + a)) Y_lm(R̂). Distances (…) give (…, n_max).
        """
        width = 0.5 / self.sigma**2
        total = self.exponents[degree] + width
        shrunk = (width * distances[..., None] / total) ** degree
        fade = torch.exp(-self.exponents[degree] * width / total * distances[..., None].square())
        return ((math.pi / total) ** 1.5 * shrunk * fade) @ self.mixing[degree]


def power_spectrum(structures: Structures, basis: SoapBasis) -> Tensor:
    """Return p_ZZ'lnn' = π √(8/(2l + 1)) Σ_m c_Znlm c_Z'n'lm of every atom, its own density included.

    c is the density of Gaussians projected on g_nl Y_lm. Like DScribe's, it has no cutoff function: an
    atom that leaves ``basis.reach`` takes a small step with it. An evaluated descriptor, to compare and to
    select structures with; the potentials use symmetry functions, which are smooth.

    Parameters
    ----------
    structures : Structures
    basis : SoapBasis

    Returns
    -------
    Tensor
        (n_atoms, n_features), in DScribe's order: Z ≤ Z', l, n, n', the last with n ≤ n' for Z = Z'.

    Raises
    ------
    InputError
        For an element the basis does not hold.

    References
    ----------
    Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013), doi:10.1103/PhysRevB.87.184115.
    """
    neighbors = find_neighbors(structures, basis.elements, basis.reach)
    distances = neighbors.vectors.norm(dim=-1)
    harmonics, _ = real_spherical_harmonics(neighbors.vectors / distances[..., None], basis.l_max)
    count = len(basis.elements)
    kinds = one_hot(neighbors.kinds, count).to(harmonics.dtype)
    kinds = kinds * (distances < basis.reach)[..., None]
    own = one_hot(neighbors.species, count).to(harmonics.dtype)
    spectra = []
    for degree in range(basis.l_max + 1):
        around = kinds[..., None] * basis.radial(distances, degree)[:, :, None]
        part = harmonics[..., degree**2 : (degree + 1) ** 2]
        moments = torch.einsum("iwen,iwm->ienm", around, part)
        if degree == 0:
            centre = basis.radial(torch.zeros(1, dtype=torch.float64), 0) / math.sqrt(4.0 * math.pi)
            moments = moments + (own[..., None] * centre)[..., None]
        factor = math.pi * math.sqrt(8.0 / (2 * degree + 1))
        spectra.append(factor * torch.einsum("ienm,ifpm->iefnp", moments, moments))
    return _ordered(torch.stack(spectra, 3))


def _ordered(spectra: Tensor) -> Tensor:
    """Return the independent ones of (n_atoms, Z, Z', l, n, n'), (n_atoms, n_features)."""
    atoms, count, n_max = len(spectra), spectra.shape[1], spectra.shape[-1]
    first, second = torch.triu_indices(n_max, n_max)
    parts = []
    for one in range(count):
        parts.append(spectra[:, one, one][..., first, second].reshape(atoms, -1))
        parts.extend(spectra[:, one, other].reshape(atoms, -1) for other in range(one + 1, count))
    return torch.cat(parts, 1)
