"""What training needs of each structure: the linear design matrix and compressed derivatives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from kappa_flow.documents.dataset import Dataset
from kappa_flow.protocols import Progress, quiet
from kappa_flow.surrogate.classical import NarrowFunctions
from kappa_flow.surrogate.descriptors import Environment, Functions, SymmetryFunctions
from kappa_flow.surrogate.kernels import functions_of
from kappa_flow.surrogate.neighbors import Neighbors, find_neighbors

MOST_CENTRES = 4096
"""Atoms whose functions are computed at once."""


@dataclass(frozen=True)
class Compression:
    """q = (G - mean_e) P_e: what the networks see of the symmetry functions, per element e."""

    mean: Tensor
    """(n_elements, n_functions)."""
    projection: Tensor
    """(n_elements, n_functions, n_inputs)."""

    @classmethod
    def principal(cls, values: Tensor, species: Tensor, n_elements: int, n_inputs: int, scale: float) -> Self:
        """Return the directions of largest variance of the standardised functions, each of spread ``scale``.

        Parameters
        ----------
        values : Tensor
            Functions of a sample of atoms, (n_atoms, n_functions).
        species : Tensor
            (n_atoms,).
        n_elements, n_inputs : int
        scale : float
            Standard deviation of every q over the sample.
        """
        means, projections = [], []
        for element in range(n_elements):
            own = values[species == element]
            mean, spread = own.mean(0), own.std(0)
            spread = torch.where(spread > 1e-12 * own.abs().amax(), spread, torch.inf)
            _, size, axes = torch.linalg.svd((own - mean) / spread, full_matrices=False)
            count = min(n_inputs, int((size > 1e-6 * size[0]).sum()))
            deviation = size[:count] / math.sqrt(len(own))
            directions = scale * axes[:count].T / spread[:, None] / deviation
            means.append(mean)
            projections.append(pad(directions, (0, n_inputs - count)))
        return cls(torch.stack(means), torch.stack(projections))

    def inputs(self, values: Tensor, species: Tensor) -> Tensor:
        """Return q, (n_atoms, n_inputs)."""
        centred = values - self.mean[species]
        inputs = centred.new_zeros(len(values), self.projection.shape[2])
        for element, projection in enumerate(self.projection):
            chosen = species == element
            inputs[chosen] = centred[chosen] @ projection
        return inputs


@dataclass(frozen=True)
class Table:
    """Labelled structures as training sees them; rows of forces run over atoms, then x, y, z."""

    forces: Tensor
    """(3 n_atoms,), eV/Å."""
    energies: Tensor
    """(n_structures,), eV."""
    counts: Tensor
    """Atoms of each element in each structure, (n_structures, n_elements)."""
    force_rows: Tensor
    """F = rows · w, (3 n_atoms, n_elements n_functions)."""
    energy_rows: Tensor
    """Sums of G over the atoms of each element, (n_structures, n_elements n_functions)."""
    inputs: Tensor
    """q, (n_atoms, n_inputs)."""
    jacobian: Tensor
    """dq_i/dr_k at the slots of ``index``, (n_atoms, n_inputs, n_slots, 3)."""
    index: Tensor
    """Atom k of each slot, (n_atoms, n_slots)."""
    species: Tensor
    """(n_atoms,)."""
    structure: Tensor
    """(n_atoms,)."""


def build_table(
    dataset: Dataset, functions: Functions, compression: Compression, progress: Progress = quiet
) -> Table:
    """Return the training table of a data set."""
    pieces = []
    for number in range(len(dataset)):
        progress(number, len(dataset), "symmetry functions")
        pieces.append(_piece(dataset.subset([number]), functions, compression))
    slots = max(piece.index.shape[1] for piece in pieces)
    pieces = [_widen(piece, slots) for piece in pieces]
    start, moved = 0, []
    for piece in pieces:
        moved.append(piece.index + start)
        start += len(piece.inputs)
    owner = torch.repeat_interleave(torch.arange(len(dataset)), torch.tensor(dataset.n_atoms))
    return Table(
        forces=torch.cat([piece.forces for piece in pieces]),
        energies=torch.cat([piece.energies for piece in pieces]),
        counts=torch.cat([piece.counts for piece in pieces]),
        force_rows=torch.cat([piece.force_rows for piece in pieces]),
        energy_rows=torch.cat([piece.energy_rows for piece in pieces]),
        inputs=torch.cat([piece.inputs for piece in pieces]),
        jacobian=torch.cat([piece.jacobian for piece in pieces]),
        index=torch.cat(moved),
        species=torch.cat([piece.species for piece in pieces]),
        structure=owner,
    )


def sample_values(dataset: Dataset, functions: Functions, most: int) -> tuple[Tensor, Tensor]:
    """Return functions (n_atoms, n_functions) and species of ``most`` structures spread over the set."""
    chosen = torch.linspace(0, len(dataset) - 1, min(most, len(dataset))).round().long().tolist()
    parts = [part[2:] for part in functions_of(functions, dataset.geometry(chosen), MOST_CENTRES)]
    return torch.cat([values for values, _ in parts]), torch.cat([species for _, species in parts])


def _piece(dataset: Dataset, functions: Functions, compression: Compression) -> Table:
    """Return the table of one structure."""
    neighbors = find_neighbors(dataset, functions.elements, functions.basis.cutoff)
    environment = functions.environment(neighbors)
    values = functions.values(environment)
    member = one_hot(neighbors.species, len(functions.elements)).to(values.dtype)
    jacobian, index = _jacobian(functions, neighbors, environment, compression.projection)
    return Table(
        forces=torch.tensor(dataset.forces).flatten(),
        energies=torch.tensor(dataset.energies),
        counts=member.sum(0)[None],
        force_rows=rows_of(functions, neighbors, environment),
        energy_rows=(member.T @ values).flatten()[None],
        inputs=compression.inputs(values, neighbors.species),
        jacobian=jacobian,
        index=index,
        species=neighbors.species,
        structure=neighbors.structure,
    )


def _widen(piece: Table, slots: int) -> Table:
    missing = slots - piece.index.shape[1]
    fields = {**piece.__dict__}
    fields["index"] = pad(piece.index, (0, missing))
    fields["jacobian"] = pad(piece.jacobian, (0, 0, 0, missing))
    return Table(**fields)


def _jacobian(
    functions: Functions, neighbors: Neighbors, environment: Any, projection: Tensor
) -> tuple[Tensor, Tensor]:
    """Return dq_i/dr_k in slots, images of one atom merged where the structure is small."""
    atoms, width = neighbors.index.shape
    slopes = projection.transpose(1, 2)[neighbors.species]
    pulled = functions.pull(environment, slopes).transpose(1, 2)
    own = torch.arange(atoms)
    if atoms > width:
        jacobian = torch.cat([pulled, -pulled.sum(2, keepdim=True)], 2)
        return jacobian, torch.cat([neighbors.index, own[:, None]], 1)
    inputs = slopes.shape[1]
    key = (own[:, None, None] * inputs + torch.arange(inputs)[:, None]) * atoms + neighbors.index[:, None]
    merged = pulled.new_zeros(atoms * inputs * atoms, 3)
    merged.index_add_(0, key.flatten(), pulled.reshape(-1, 3))
    jacobian = merged.view(atoms, inputs, atoms, 3)
    jacobian[own, :, own] -= pulled.sum(2)
    return jacobian, own.repeat(atoms, 1)


@dataclass(frozen=True)
class _Terms:
    """Pair derivatives of one structure, ready for products."""

    species: Tensor
    index: Tensor
    of_element: Tensor
    """1 where the neighbour has the element, (n_elements, n_atoms, width)."""
    radial: Tensor
    """R_n, (n_atoms, width, n)."""
    outward: Tensor
    """Gradient of R_n, (n_atoms, width, 3, n)."""
    derivative: Tensor
    """Gradient of R_n Y_lm, (n_atoms, 3, n, n_lm, width)."""

    @classmethod
    def of(cls, functions: SymmetryFunctions, neighbors: Neighbors, environment: Environment) -> _Terms:
        elements = len(functions.elements)
        own = (*neighbors.index.shape, elements, functions.n_channels // elements)
        radial, slope = environment.radial.view(own).sum(2), environment.slope.view(own).sum(2)
        outward = environment.unit[..., None] * slope[:, :, None]
        harmonics = environment.harmonics.transpose(1, 2).contiguous()
        gradient = environment.gradient.permute(0, 2, 3, 1).contiguous()
        derivative = outward.permute(0, 2, 3, 1).contiguous()[:, :, :, None] * harmonics[:, None, None]
        derivative += radial.transpose(1, 2).contiguous()[:, None, :, None] * gradient[:, :, None]
        kinds = one_hot(neighbors.kinds, elements).to(radial.dtype).movedim(-1, 0)
        return cls(neighbors.species, neighbors.index, kinds, radial, outward, derivative)

    def degree_rows(self, part: slice, moments: Tensor, sign: float) -> Tensor:
        """Return Σ_m (∂A_cm/∂r_k) M_c'm summed over centres of each element.

        ``moments`` is M, (n_atoms, C', m); the result (n_elements, n_atoms, 3, n_channels, C').
        """
        atoms, _, n = self.derivative.shape[:3]
        derivative = self.derivative[:, :, :, part].flatten(3).flatten(1, 2)
        others = moments.shape[1]
        elements = len(self.of_element)
        rows = moments.new_zeros(elements, atoms, 3, elements, n, others)
        every = torch.arange(atoms)
        gathered = moments.permute(2, 0, 1)[:, self.index]
        for element, chosen in enumerate(self.of_element):
            around = (gathered * chosen[..., None]).transpose(0, 1).flatten(1, 2)
            rows[element, every, :, self.species] += sign * (derivative @ around).view(atoms, 3, n, others)
            own = (self.derivative[:, :, :, part] * chosen[:, None, None, None]).sum(-1).flatten(1, 2)
            rows[self.species, every, :, element] -= (own @ moments.transpose(1, 2)).view(atoms, 3, n, others)
        return rows.flatten(3, 4)

    def overlap_rows(self) -> Tensor:
        """Return Σ_j (∂R_c/∂r_k) R_c' summed over centres of each element, laid out like the above."""
        atoms, _, _, n = self.outward.shape
        elements = len(self.of_element)
        rows = self.outward.new_zeros(elements, atoms, 3, elements, n, elements, n)
        every = torch.arange(atoms)
        for element, chosen in enumerate(self.of_element):
            product = torch.einsum("kwxn,kwp->kxnp", self.outward * chosen[..., None, None], self.radial)
            rows[element, every, :, self.species, :, self.species] -= product
            rows[self.species, every, :, element, :, element] -= product
        return rows.flatten(5, 6).flatten(3, 4)


def rows_of(functions: Functions, neighbors: Neighbors, environment: Any) -> Tensor:
    """Return the matrix X of F = X w, (3 n_atoms, n_elements n_functions), the way the functions allow."""
    if isinstance(functions, NarrowFunctions):
        return functions.force_rows(neighbors, environment)
    assert isinstance(functions, SymmetryFunctions)  # noqa: S101 - there are only these two
    return force_rows(functions, neighbors, environment)


def force_rows(functions: SymmetryFunctions, neighbors: Neighbors, environment: Environment) -> Tensor:
    """Return the matrix X of F = X w, (3 n_atoms, n_elements n_functions), analytically.

    For every element of the centre, F_k = -Σ_i ∂G_i/∂r_k. Atom k sits among the neighbours of its
    neighbours i at -r_ki, where R_n Y_lm has the gradient (-1)^(l+1) ∇(R_n Y_lm)(r_ki): the sum over i
    runs over the list of k itself, one matrix product per degree.
    """
    terms = _Terms.of(functions, neighbors, environment)
    first, second = functions.channel_pairs
    overlap = terms.overlap_rows()
    degrees = []
    for degree in range(functions.l_max + 1):
        part = slice(degree**2, (degree + 1) ** 2)
        factor = 4.0 * math.pi / (2 * degree + 1)
        rows = factor * terms.degree_rows(part, environment.moments[..., part], (-1.0) ** (degree + 1))
        rows = rows - overlap
        degrees.append((rows + rows.transpose(-1, -2))[..., first, second])
    angular = torch.einsum("al,leixp->eixap", functions.angular_matrix, torch.stack(degrees))
    ones = torch.full_like(environment.moments[:, :1, :1], math.sqrt(4.0 * math.pi))
    radial = terms.degree_rows(slice(0, 1), ones, -1.0)[..., 0]
    rows = torch.cat([radial, angular.flatten(3)], -1)
    return -rows.permute(1, 2, 0, 3).reshape(3 * len(neighbors.index), -1)


def quadratic_rows(table: Table, n_elements: int) -> tuple[Tensor, Tensor]:
    """Return force and energy rows of Σ_i q_a q_b for a ≤ b and every element, like the linear ones."""
    inputs = table.inputs.shape[1]
    first, second = torch.triu_indices(inputs, inputs)
    forces = []
    for atoms in torch.split(torch.arange(len(table.structure)), torch.bincount(table.structure).tolist()):
        start, size = int(atoms[0]), len(atoms)
        dense = table.jacobian.new_zeros(size, inputs, size, 3)
        slots = (table.index[atoms] - start).clamp(0, size - 1)[:, None, :, None]
        dense.scatter_add_(2, slots.expand(-1, inputs, -1, 3), table.jacobian[atoms])
        blocks = []
        for element in range(n_elements):
            own = table.species[atoms] == element
            product = torch.einsum("ia,ibr->rab", table.inputs[atoms][own], dense[own].flatten(2))
            blocks.append(-(product + product.transpose(1, 2))[:, first, second])
        forces.append(torch.cat(blocks, 1))
    member = one_hot(table.species, n_elements).to(table.inputs.dtype)
    products = (table.inputs[:, first] * table.inputs[:, second])[:, None, :] * member[:, :, None]
    energies = products.new_zeros(len(table.energies), products[0].numel())
    return torch.cat(forces), energies.index_add(0, table.structure, products.flatten(1))
