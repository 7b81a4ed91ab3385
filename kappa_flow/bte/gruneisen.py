"""Mode Grüneisen parameters from fc3: how frequencies follow a strain, the atoms relaxing with it."""

from __future__ import annotations

import numpy as np
from phono3py import Phono3py
from phonopy.structure.cells import Primitive

from kappa_flow.arrays import AnyArray, FloatArray

_ACOUSTIC = 3
_SLOW = 1e-2
"""THz; slower modes get 0: −½ of something over ω² is rounding there."""


def gruneisen(work: Phono3py, qpoints: FloatArray) -> FloatArray:
    r"""Return γ = −∂ ln ω / ∂ ln V of every mode, (n_qpoints, n_bands).

    .. math:: γ_{qj} = -\frac{1}{6 ω_{qj}^2} \sum_k \langle e_{qj} | ∂D_q/∂u_{kk} | e_{qj} \rangle

    The strain moves the atoms apart and, through fc2, inside the cell. It is what phono3py's ``Gruneisen``
    computes (trace over three), to rounding, with compact fc3 and with an fc2 supercell of its own.
    Degenerate bands get their mean, so that the choice of their eigenvectors does not matter. Modes slower
    than 0.01 THz and the acoustic ones at Γ get 0.

    Parameters
    ----------
    work : Phono3py
        With fc2 and fc3; its dynamical matrix is made.
    qpoints : ndarray
        (n_qpoints, 3), in reciprocal lattice vectors of the primitive cell.
    """
    change = _fc2_per_strain(work)
    primitive = work.primitive
    vectors, multiplicity = primitive.get_smallest_vectors()
    masses = np.sqrt(np.outer(primitive.masses, primitive.masses))[:, :, None, None]
    owner = np.array([primitive.p2p_map[atom] for atom in primitive.s2p_map])
    found = []
    for q in qpoints:
        phases = _phases(vectors, multiplicity, q)
        blocks = np.zeros((len(primitive), len(primitive), 3, 3), dtype=complex)
        for atom, of in enumerate(owner):
            blocks[:, of] += phases[atom][:, None, None] * change[:, atom]
        matrix = np.swapaxes(blocks / masses, 1, 2).reshape(3 * len(primitive), -1)
        found.append(_at(work, q, (matrix + matrix.conj().T) / 2))
    return np.array(found)


def _at(work: Phono3py, q: FloatArray, change: AnyArray) -> FloatArray:
    """Return γ at one q-point from ∂D/∂u traced over the strain."""
    dynamical = work.dynamical_matrix
    at_gamma = bool((np.abs(q) < 1e-5).all())
    dynamical.run(q)
    squares, vectors = np.linalg.eigh(dynamical.dynamical_matrix)
    expected = np.einsum("is,ij,js->s", vectors.conj(), change, vectors).real
    frequencies = np.sqrt(np.abs(squares)) * work.unit_conversion_factor
    fast = frequencies > _SLOW
    if at_gamma:
        fast[:_ACOUSTIC] = False
    values = np.divide(-expected, 6 * squares, out=np.zeros_like(squares), where=fast)
    return _averaged(values, frequencies)


def _averaged(values: FloatArray, frequencies: FloatArray) -> FloatArray:
    """Return the values with those of degenerate bands (1e-4 THz apart at most) replaced by their mean."""
    starts = np.flatnonzero(np.diff(frequencies, prepend=-np.inf) > 1e-4)
    groups = np.split(values, starts[1:])
    return np.concatenate([np.full(len(group), group.mean()) for group in groups])


def _phases(vectors: FloatArray, multiplicity: AnyArray, q: FloatArray) -> AnyArray:
    """Return exp(iq·r) averaged over the equally near images, (n_supercell, n_primitive)."""
    waves = np.exp(2j * np.pi * vectors @ q)
    counts, starts = multiplicity[..., 0], multiplicity[..., 1]
    sums = np.concatenate([[0], np.cumsum(waves)])
    return np.asarray((sums[starts + counts] - sums[starts]) / counts)


def _distances(primitive: Primitive) -> FloatArray:
    """Return r from each primitive atom to each supercell atom, equally near images averaged, Å.

    Shape (n_primitive, n_supercell, 3).
    """
    vectors, multiplicity = primitive.get_smallest_vectors()
    counts, starts = multiplicity[..., 0], multiplicity[..., 1]
    sums = np.concatenate([np.zeros((1, 3)), np.cumsum(vectors, axis=0)])
    mean = (sums[starts + counts] - sums[starts]) / counts[..., None]
    return np.asarray(np.swapaxes(mean, 0, 1) @ primitive.cell)


def _fc2_per_strain(work: Phono3py) -> FloatArray:
    """Return ∂Φ(a, b)/∂u traced over the strain, (n_primitive, n_supercell, 3, 3), eV/Å²."""
    primitive = work.primitive
    fc3 = work.fc3
    assert fc3 is not None  # noqa: S101 - force constants are set before κ is solved
    rows = fc3 if len(fc3) == len(primitive) else fc3[primitive.p2s_map]
    inner = np.einsum("aikk->ai", _relaxation(work))
    owner = np.array([primitive.p2p_map[atom] for atom in primitive.s2p_map])
    moved = _distances(primitive) + inner[owner]
    return np.array([np.einsum("bcijm,cm->bij", row, shift) for row, shift in zip(rows, moved, strict=True)])


def _relaxation(work: Phono3py) -> FloatArray:
    """Return how the atoms of the cell follow a strain: X[a, i, k, l] = ∂u_i(a)/∂u_kl, Å.

    The forces of the strained crystal, −Σ Φ(b, c) r(b, c), divided by the optical part of fc2 at Γ.
    """
    primitive, fc2 = work.phonon_primitive, work.fc2
    assert fc2 is not None  # noqa: S101
    rows = fc2 if len(fc2) == len(primitive) else fc2[primitive.p2s_map]
    forces = np.einsum("bcmj,bck->bmjk", rows, _distances(primitive))
    dynamical = work.dynamical_matrix
    dynamical.run([0, 0, 0])
    squares, vectors = np.linalg.eigh(dynamical.dynamical_matrix.real)
    optical = vectors[:, _ACOUSTIC:]
    inverse = (optical / squares[_ACOUSTIC:]) @ optical.T
    shape = (len(primitive), 3, len(primitive), 3)
    scale = 1 / np.sqrt(primitive.masses)
    inverse = inverse.reshape(shape) * scale[:, None, None, None] * scale[None, None, :, None]
    return np.asarray(-np.einsum("aibm,bmjk->aijk", inverse, forces))
