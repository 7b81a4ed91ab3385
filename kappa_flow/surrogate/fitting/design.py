"""What training needs of each structure: the linear design matrix and compressed derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.structures import Structures
from kappa_flow.protocols import Progress, quiet
from kappa_flow.surrogate.compression import Compression
from kappa_flow.surrogate.descriptors.symmetry import Functions
from kappa_flow.surrogate.fitting.force_rows import rows_of
from kappa_flow.surrogate.fitting.virials import FIRST, SECOND, input_virials, virial_rows_of
from kappa_flow.surrogate.kernels.choose import functions_of
from kappa_flow.surrogate.kernels.neighbors import Neighbors, find_neighbors

MOST_CENTRES = 4096
"""Atoms whose functions are computed at once."""


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
    """F = rows · w, (3 n_atoms, n_elements n_functions), and columns of lattice terms, if any, after them."""
    energy_rows: Tensor
    """Sums of G over the atoms of each element, (n_structures, n_elements n_functions), likewise."""
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
    virials: Tensor
    """dE/dε, xx yy zz yz xz xy of each structure, (6 n_structures,), eV; empty where not asked for."""
    virial_rows: Tensor
    """dE/dε = rows · w, (6 n_structures, n_elements n_functions), or no rows."""
    strain: Tensor
    """dq_i/dε, (n_atoms, n_inputs, 6), or (n_atoms, n_inputs, 0)."""


@dataclass(frozen=True)
class Wanted:
    """What a table holds besides forces and energies."""

    precision: torch.dtype = torch.float64
    """Of the stored derivatives of the inputs."""
    virials: bool = False
    """Rows of virials too, where the data set has stresses."""


def build_table(
    dataset: Dataset,
    functions: Functions,
    compression: Compression,
    wanted: Wanted = Wanted(),
    progress: Progress = quiet,
) -> Table:
    """Return the training table of a data set."""
    pieces = []
    for number in range(len(dataset)):
        progress(number, len(dataset), "symmetry functions")
        pieces.append(_piece(dataset.subset([number]), functions, compression, wanted))
    slots = max(piece.index.shape[1] for piece in pieces)
    starts = np.concatenate([[0], np.cumsum(dataset.n_atoms)]).tolist()
    jacobian = torch.zeros(starts[-1], compression.projection.shape[2], slots, 3, dtype=wanted.precision)
    index = torch.zeros(starts[-1], slots, dtype=torch.int64)
    for start, piece in zip(starts, pieces, strict=False):
        atoms, width = piece.index.shape
        jacobian[start : start + atoms, :, :width] = piece.jacobian
        index[start : start + atoms, :width] = piece.index
        index[start : start + atoms] += start
    whole = {
        name: torch.cat([getattr(piece, name) for piece in pieces])
        for name in Table.__dataclass_fields__
        if name not in ("jacobian", "index", "structure")
    }
    owner = torch.repeat_interleave(torch.arange(len(dataset)), torch.tensor(dataset.n_atoms))
    return Table(**whole, jacobian=jacobian, index=index, structure=owner)


def sample_values(dataset: Structures, functions: Functions, most: int) -> tuple[Tensor, Tensor]:
    """Return functions (n_atoms, n_functions) and species of ``most`` structures spread over the set."""
    chosen = torch.linspace(0, len(dataset) - 1, min(most, len(dataset))).round().long().tolist()
    parts = [part[2:] for part in functions_of(functions, dataset.geometry(chosen), MOST_CENTRES)]
    return torch.cat([values for values, _ in parts]), torch.cat([species for _, species in parts])


def _piece(dataset: Dataset, functions: Functions, compression: Compression, wanted: Wanted) -> Table:
    """Return the table of one structure."""
    neighbors = find_neighbors(dataset, functions.elements, functions.basis.cutoff)
    environment = functions.environment(neighbors)
    values = functions.values(environment)
    member = one_hot(neighbors.species, len(functions.elements)).to(values.dtype)
    slopes = compression.projection.transpose(1, 2)[neighbors.species]
    pulled = functions.pull(environment, slopes).transpose(1, 2)
    jacobian, index = _jacobian(neighbors, pulled)
    rows = rows_of(functions, neighbors, environment)
    virials, strain = torch.zeros(0, dtype=rows.dtype), pulled[:, :, 0, :0]
    strained = rows[:0]
    if wanted.virials and dataset.stresses is not None:
        volume = abs(float(np.linalg.det(dataset.cells[0])))
        virials = volume * torch.tensor(dataset.stresses[0])[FIRST, SECOND]
        strained, strain = virial_rows_of(functions, neighbors, environment), input_virials(neighbors, pulled)
    return Table(
        forces=torch.tensor(dataset.forces).flatten(),
        energies=torch.tensor(dataset.energies),
        counts=member.sum(0)[None],
        force_rows=rows,
        energy_rows=(member.T @ values).flatten()[None],
        inputs=compression.inputs(values, neighbors.species),
        jacobian=jacobian.to(wanted.precision),
        index=index,
        species=neighbors.species,
        structure=neighbors.structure,
        virials=virials,
        virial_rows=strained,
        strain=strain,
    )


def _jacobian(neighbors: Neighbors, pulled: Tensor) -> tuple[Tensor, Tensor]:
    """Return dq_i/dr_k in slots from ∂q_i/∂r_ij, images of one atom merged where the structure is small."""
    atoms, width = neighbors.index.shape
    own = torch.arange(atoms)
    if atoms > width:
        jacobian = torch.cat([pulled, -pulled.sum(2, keepdim=True)], 2)
        return jacobian, torch.cat([neighbors.index, own[:, None]], 1)
    inputs = pulled.shape[1]
    key = (own[:, None, None] * inputs + torch.arange(inputs)[:, None]) * atoms + neighbors.index[:, None]
    merged = pulled.new_zeros(atoms * inputs * atoms, 3)
    merged.index_add_(0, key.flatten(), pulled.reshape(-1, 3))
    jacobian = merged.view(atoms, inputs, atoms, 3)
    jacobian[own, :, own] -= pulled.sum(2)
    return jacobian, own.repeat(atoms, 1)


def quadratic_rows(table: Table, n_elements: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return force, energy and virial rows of Σ_i q_a q_b for a ≤ b, every element."""
    inputs = table.inputs.shape[1]
    first, second = torch.triu_indices(inputs, inputs)
    forces = []
    for atoms in torch.split(torch.arange(len(table.structure)), torch.bincount(table.structure).tolist()):
        start, size = int(atoms[0]), len(atoms)
        dense = table.inputs.new_zeros(size, inputs, size, 3)
        slots = (table.index[atoms] - start).clamp(0, size - 1)[:, None, :, None]
        dense.scatter_add_(2, slots.expand(-1, inputs, -1, 3), table.jacobian[atoms].to(dense.dtype))
        blocks = []
        for element in range(n_elements):
            own = table.species[atoms] == element
            product = torch.einsum("ia,ibr->rab", table.inputs[atoms][own], dense[own].flatten(2))
            blocks.append(-(product + product.transpose(1, 2))[:, first, second])
        forces.append(torch.cat(blocks, 1))
    member = one_hot(table.species, n_elements).to(table.inputs.dtype)
    products = (table.inputs[:, first] * table.inputs[:, second])[:, None, :] * member[:, :, None]
    energies = products.new_zeros(len(table.energies), products[0].numel())
    energies = energies.index_add(0, table.structure, products.flatten(1))
    return torch.cat(forces), energies, _quadratic_virials(table, member)


def _quadratic_virials(table: Table, member: Tensor) -> Tensor:
    """Return the virial rows of the products, (6 n_structures, columns), or no rows."""
    inputs, components = table.inputs.shape[1], table.strain.shape[2]
    first, second = torch.triu_indices(inputs, inputs)
    strain = table.strain.transpose(1, 2)
    change = (
        table.inputs[:, None, first] * strain[..., second]
        + table.inputs[:, None, second] * strain[..., first]
    )
    single = change[:, :, None, :] * member[:, None, :, None]
    total = single.new_zeros(len(table.energies), *single.shape[1:]).index_add(0, table.structure, single)
    return total.reshape(len(total) * components, member.shape[1] * len(first))
