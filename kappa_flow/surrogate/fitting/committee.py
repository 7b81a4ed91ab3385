"""Fitting a committee: linear read-out in closed form, then networks on what it cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from kappa_flow.surrogate.fitting.blocks import Blocks
from kappa_flow.surrogate.fitting.design import Table, quadratic_rows
from kappa_flow.surrogate.fitting.linear import Ridge, root_mean_squares
from kappa_flow.surrogate.network import NetworkShape


@dataclass(frozen=True)
class Equations:
    """Force rows, one row per structure energy, its composition part taken out, then rows of virials.

    With the part linear in the composition projected out, atomic energies need no columns.
    """

    table: Table
    energy_weights: Tensor
    """Å⁻¹, (n_structures,): an energy error of 1 eV in a cell counts as a force error of so many eV/Å."""
    virial_weights: Tensor
    """The same for each of the six virials dE/dε of a cell."""

    @cached_property
    def target(self) -> Tensor:
        """(n_rows,)."""
        return self.join(self.table.forces, self.table.energies, self.table.virials)

    @cached_property
    def owner(self) -> Tensor:
        """Structure of each row, (n_rows,)."""
        atoms = self.table.structure.repeat_interleave(3)
        every = torch.arange(len(self.table.energies))
        return torch.cat([atoms, every, self._of_virials(every)])

    def linear(self) -> Tensor:
        """Return the design of the linear read-out and of lattice terms if any, (n_rows, n_columns)."""
        return self.join(self.table.force_rows, self.table.energy_rows, self.table.virial_rows)

    def quadratic(self, n_elements: int) -> Tensor:
        """Return the design of the products of inputs, (n_rows, n_elements n_inputs (n_inputs + 1)/2)."""
        return self.join(*quadratic_rows(self.table, n_elements))

    @cached_property
    def blocks(self) -> Blocks | None:
        """Derivatives of the inputs structure by structure; None where that pays not."""
        table = self.table
        if table.jacobian.dtype == torch.float64:
            return None
        return Blocks.of(table.jacobian, table.index, table.structure)

    def network(self, shape: NetworkShape, parameters: Tensor) -> Tensor:
        """Return what the networks say, (n_members, n_rows); differentiable in the parameters."""
        table = self.table
        if self.blocks is not None:
            return self._network_by_blocks(shape, parameters, self.blocks)
        slopes = shape.slopes(parameters, table.inputs, table.species)
        single = shape.energies(parameters, table.inputs, table.species).T
        energies = single.new_zeros(len(table.energies), single.shape[1])
        energies = energies.index_add(0, table.structure, single)
        return self.join(_forces(table, slopes).T, energies, _virials(table, slopes).T).T

    def _network_by_blocks(self, shape: NetworkShape, parameters: Tensor, blocks: Blocks) -> Tensor:
        """Return the same with the networks in the precision of the stored derivatives."""
        table, kind = self.table, parameters.dtype
        parameters, inputs = parameters.to(table.jacobian.dtype), table.inputs.to(table.jacobian.dtype)
        slopes = shape.slopes(parameters, inputs, table.species)
        single = torch.split(shape.energies(parameters, inputs, table.species), blocks.atoms, dim=1)
        energies = torch.stack([part.sum(1) for part in single])
        virials = _virials(table, slopes.to(kind)).T
        return self.join(blocks.forces(slopes).T.to(kind), energies.to(kind), virials).T

    def join(self, forces: Tensor, energies: Tensor, virials: Tensor) -> Tensor:
        """Stack force rows, weighted energy rows freed of their composition part, weighted virial rows."""
        weights = self.energy_weights[:, None]
        basis, triangle = torch.linalg.qr(weights * self.table.counts)
        basis = basis[:, triangle.diagonal().abs() > 1e-9 * triangle.abs().max()]
        energies = _scaled(energies, self.energy_weights)
        virials = _scaled(virials, self._of_virials(self.virial_weights))
        return torch.cat([forces, energies - basis @ (basis.T @ energies), virials])

    def _of_virials(self, values: Tensor) -> Tensor:
        """Return a value of each structure for each row of virials."""
        return values.repeat_interleave(len(self.table.virials) // len(self.table.energies))


def _scaled(rows: Tensor, weights: Tensor) -> Tensor:
    return rows * weights.view(-1, *[1] * (rows.ndim - 1))


def network_forces(table: Table, shape: NetworkShape, parameters: Tensor) -> Tensor:
    """Return F_k = -Σ_i Σ_a dE_i/dq_a dq_a/dr_k, (n_members, 3 n_atoms)."""
    return _forces(table, shape.slopes(parameters, table.inputs, table.species))


def _forces(table: Table, slopes: Tensor) -> Tensor:
    """Return forces, (n_members, 3 n_atoms), from dE_i/dq_i, (n_members, n_atoms, n_inputs)."""
    terms = -slopes.transpose(0, 1).to(table.jacobian.dtype) @ table.jacobian.flatten(2)
    atoms, members = terms.shape[:2]
    terms = terms.view(atoms, members, -1, 3).transpose(1, 2).flatten(0, 1)
    forces = terms.new_zeros(atoms, members, 3).index_add(0, table.index.flatten(), terms)
    return forces.to(slopes.dtype).transpose(0, 1).flatten(1)


def _virials(table: Table, slopes: Tensor) -> Tensor:
    """Return dE/dε, (n_members, 6 n_structures) or no columns, from dE_i/dq_i."""
    single = (slopes.transpose(0, 1) @ table.strain).flatten(1)
    total = single.new_zeros(len(table.energies), single.shape[1]).index_add(0, table.structure, single)
    return total.view(len(total), len(slopes), -1).transpose(0, 1).flatten(1)


def bootstrap_weights(members: int, n_structures: int, generator: torch.Generator) -> Tensor:
    """Return Dirichlet weights of the structures for each member, mean one, (members, n_structures).

    The Bayesian bootstrap: like drawing structures with replacement, but none is ever left out.

    References
    ----------
    Rubin, Ann. Stat. 9, 130 (1981), doi:10.1214/aos/1176345338.
    """
    if members == 1:
        return torch.ones(1, n_structures, dtype=torch.float64)
    draws = torch.rand(members, n_structures, generator=generator, dtype=torch.float64)
    draws = -torch.log1p(-draws)
    return draws / draws.mean(1, keepdim=True)


@dataclass(frozen=True)
class Readout:
    """The linear read-out of every member, or none: answers any target at once."""

    ridge: Ridge | None
    factor: Tensor
    """Cholesky factors per member; empty without a read-out."""
    weights: Tensor
    """Of the rows, (n_members, n_rows)."""

    @classmethod
    def of(cls, ridge: Ridge | None, weights: Tensor) -> Readout:
        """Return the read-out of members with the given row weights."""
        return cls(ridge, torch.zeros(0) if ridge is None else ridge.factor(weights), weights)

    def rest(self, targets: Tensor) -> Tensor:
        """Return what is left of targets (n_members, n_rows) after the best read-out."""
        if self.ridge is None:
            return targets
        solved = self.ridge.coefficients(self.factor, self.weights * targets)
        return targets - solved @ self.ridge.left.T

    def solve(self, targets: Tensor) -> Tensor:
        """Return the weights w, (n_members, n_columns); no columns without a read-out."""
        if self.ridge is None:
            return targets[:, :0]
        return self.ridge.coefficients(self.factor, self.weights * targets) @ self.ridge.back.T


@dataclass(frozen=True)
class Projected:
    """Loss of the networks after the read-out has answered: variable projection.

    L(θ) = min_w Σ ω (y - NN(θ) - X w)² + |w|²_λ. With w eliminated the gradient is that of the
    rest alone, and the networks learn only what no linear read-out can say.

    References
    ----------
    Golub, Pereyra, SIAM J. Numer. Anal. 10, 413 (1973), doi:10.1137/0710036.
    """

    equations: Equations
    readout: Readout
    shape: NetworkShape
    scale: Tensor
    """Parameters are this times the optimiser's variables, (n_members, n_parameters)."""
    unit: float
    """Residual that makes the loss one, eV/Å."""

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return losses (n_members,) and gradients at (n_members, n_parameters)."""
        points = points.detach().requires_grad_()
        said = self.equations.network(self.shape, points * self.scale)
        missing = self.equations.target - said.detach()
        rest = self.readout.weights * self.readout.rest(missing)
        norm = len(self.equations.target) * self.unit**2
        # A scalar, because torch imports sympy (two seconds) when it is handed the gradient of a tensor.
        (gradients,) = torch.autograd.grad((said * (-2.0 * rest / norm)).sum(), points)
        return (missing * rest).sum(1) / norm, gradients


def curvature_start(
    equations: Equations, shape: NetworkShape, readout: Readout, strength: float | None
) -> Tensor | None:
    """Return network parameters that hold the best quadratic form of the inputs, solved in closed form.

    None where the structures are too few for it: where a fit to all but one of them predicts that one
    better by the read-out alone.

    The read-out and all products q_a q_b are solved together; with ½ qᵀ C_e q = qᵀ V Λ Vᵀ q / 2 and
    ln cosh x = x²/2 + O(x⁴) the neurons take the eigenvectors as W_1 and the eigenvalues as v.
    """
    linear, products = equations.linear(), equations.quadratic(shape.n_elements)
    size = None
    if readout.ridge is not None:
        size = torch.cat([readout.ridge.size, root_mean_squares(products)])
    joint = Ridge.fit(torch.cat([linear, products], 1), equations.target, strength, size)
    weights = readout.weights
    if readout.ridge is not None:
        alone, together = (one.left_out(equations.target, equations.owner) for one in (readout.ridge, joint))
        if together >= alone:
            return None
    found = (joint.solve_once(weights, weights * equations.target) @ joint.back.T)[:, linear.shape[1] :]
    first, second = torch.triu_indices(shape.n_inputs, shape.n_inputs)
    form = found.new_zeros(len(weights), shape.n_elements, shape.n_inputs, shape.n_inputs)
    form[..., first, second] = found.view(len(weights), shape.n_elements, -1)
    values, vectors = torch.linalg.eigh(form + form.transpose(-1, -2))
    order = values.abs().argsort(-1, descending=True)[..., : shape.hidden[0]]
    values = torch.gather(values, -1, order)
    vectors = torch.gather(vectors, -1, order[..., None, :].expand(*vectors.shape[:-1], -1))
    spare = shape.hidden[0] - values.shape[-1]
    weight = torch.nn.functional.pad(vectors, (0, spare))
    bias = torch.zeros_like(weight[..., :1, :])
    last = torch.nn.functional.pad(values, (0, spare))[..., None]
    return torch.cat([part.flatten(1) for part in (weight, bias, last)], 1)


def output_start(equations: Equations, shape: NetworkShape, start: Tensor, weights: Tensor) -> Tensor:
    """Return the parameters ``start`` with the output weights v of every member solved in closed form.

    The networks are linear in v: their columns are what they say with one v at a time.
    """
    count = shape.n_outputs
    solved = start.clone()
    for member, share in enumerate(weights):
        trial = start[member].repeat(count, 1)
        trial[:, -count:] = torch.eye(count, dtype=start.dtype)
        ridge = Ridge.fit(equations.network(shape, trial).T, equations.target)
        found = ridge.coefficients(ridge.factor(share[None]), (share * equations.target)[None])
        solved[member, -count:] = (found @ ridge.back.T)[0]
    return solved
