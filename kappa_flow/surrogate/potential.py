"""Potential: a committee of HDNNPs evaluated together, saved without pickle, usable from ASE."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from ase.calculators.calculator import Calculator
from torch import Tensor

from kappa_flow.arrays import AnyArray
from kappa_flow.documents.structures import Evaluation, Structures
from kappa_flow.documents.surrogate import SurrogateDocument
from kappa_flow.errors import InputError
from kappa_flow.protocols import Progress, quiet
from kappa_flow.surrogate import files
from kappa_flow.surrogate.descriptors import SymmetryFunctions, scatter_forces, scatter_virials
from kappa_flow.surrogate.design import Compression
from kappa_flow.surrogate.electrostatics import DipoleInteraction
from kappa_flow.surrogate.neighbors import find_neighbors
from kappa_flow.surrogate.network import NetworkShape
from kappa_flow.surrogate.radial import RadialBasis

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Weights:
    """What training finds. M members, E elements, F symmetry functions; all float64."""

    compression: Compression
    linear: Tensor
    """w, eV, (M, E, F)."""
    network: Tensor
    """Network parameters, (M, n_parameters); no columns without a network."""
    atomic: Tensor
    """Energy of an atom of each element in the mean environment, eV, (M, E)."""

    def to(self, device: str) -> Weights:
        """Return the same on another device."""
        compression = Compression(self.compression.mean.to(device), self.compression.projection.to(device))
        return Weights(compression, self.linear.to(device), self.network.to(device), self.atomic.to(device))


@dataclass(frozen=True)
class Batch:
    """What one batch of structures evaluates to, on the CPU."""

    energies: Tensor
    """(n_structures,), eV."""
    member_forces: Tensor
    """(n_models, n_atoms, 3), eV/Å: of every member, or of the mean alone."""
    stresses: Tensor
    """(n_structures, 3, 3), eV/Å³."""


@dataclass(frozen=True)
class Potential:
    """E = Σ_i [ε_e + w_e·(G_i - Ḡ_e) + NN_e(q_i)], its mean over a committee, and its exact derivatives.

    In a polar crystal the dipole–dipole part is added, the same for all members; stresses stay without it.

    References
    ----------
    Behler, Parrinello, Phys. Rev. Lett. 98, 146401 (2007), doi:10.1103/PhysRevLett.98.146401.
    """

    functions: SymmetryFunctions
    shape: NetworkShape | None
    weights: Weights
    device: Device = "auto"
    memory: float = 1.0
    """GiB a batch may take."""
    long_range: DipoleInteraction | None = None
    """Added to what the networks say; None for crystals without Born charges."""

    @property
    def members(self) -> int:
        """Members of the committee."""
        return len(self.weights.linear)

    @property
    def cutoff(self) -> float:
        """Å."""
        return self.functions.basis.cutoff

    def on(self, device: Device, memory: float) -> Potential:
        """Return the same potential for another device, ``auto`` decided now, and batch memory (GiB)."""
        return replace(self, device=_resolve(device), memory=memory)

    def predict(
        self, structures: Structures, progress: Progress = quiet, *, members: bool = True
    ) -> Evaluation:
        """Return energies, forces and stresses of the committee mean, and forces of its members.

        Parameters
        ----------
        structures : Structures
        progress : Progress
        members : bool
            Whether member forces are wanted; without them one evaluation of the mean is enough.

        Raises
        ------
        InputError
            For an element the potential does not know, CUDA asked for where there is none, or, with a
            long-range part, atoms that are not displaced from the crystal's lattice.
        """
        device = _resolve(self.device)
        weights = self.weights.to(device)
        batches, done = [], 0
        for chosen in self._batches(structures, self.members if members else 1):
            progress(done, len(structures), "force evaluations")
            batches.append(self._evaluate(structures.geometry(chosen), weights, device, members=members))
            done += len(chosen)
        progress(len(structures), len(structures), "force evaluations")
        forces = torch.cat([batch.member_forces for batch in batches], 1).numpy()
        found = Evaluation(
            energies=torch.cat([batch.energies for batch in batches]).numpy(),
            forces=forces.mean(0),
            stresses=torch.cat([batch.stresses for batch in batches]).numpy(),
            member_forces=forces if members else None,
        )
        return found if self.long_range is None else self.long_range.added_to(found, structures)

    def evaluate(self, structures: Structures, progress: Progress = quiet) -> Evaluation:
        """Return :meth:`predict` with members: what a ForceModel does."""
        return self.predict(structures, progress)

    def calculator(self) -> Calculator:
        """Return an ASE calculator of the committee mean: energy, forces, stress."""
        from kappa_flow.surrogate.calculator import PotentialCalculator

        return PotentialCalculator(self)

    def _evaluate(self, structures: Structures, weights: Weights, device: str, *, members: bool) -> Batch:
        functions = self.functions
        neighbors = find_neighbors(structures, functions.elements, self.cutoff, device)
        environment = functions.environment(neighbors)
        values, species = functions.values(environment), neighbors.species
        slopes = weights.linear.transpose(0, 1)[species]
        energies = weights.atomic[:, species]
        centred = values - weights.compression.mean[species]
        energies = energies + torch.einsum("imf,if->mi", slopes, centred)
        if self.shape is not None:
            inputs = weights.compression.inputs(values, species)
            energies = energies + self.shape.energies(weights.network, inputs, species)
            bent = self.shape.slopes(weights.network, inputs, species).transpose(0, 1)
            slopes = slopes + bent @ weights.compression.projection.transpose(1, 2)[species]
        if not members:
            slopes = slopes.mean(1, keepdim=True)
        pairs = functions.pull(environment, slopes)
        virials = scatter_virials(neighbors, pairs.mean(2, keepdim=True)).cpu()
        volumes = torch.tensor(structures.cells).det().abs()
        total = energies.new_zeros(len(structures)).index_add(0, neighbors.structure, energies.mean(0))
        forces = scatter_forces(neighbors, pairs).cpu()
        return Batch(total.cpu(), forces, virials / volumes[:, None, None])

    def _batches(self, structures: Structures, models: int) -> list[list[int]]:
        """Split the structures so that a batch stays within the memory."""
        volumes = np.abs(np.linalg.det(structures.cells))
        width = 1.3 * 4.19 * self.cutoff**3 * structures.n_atoms / volumes + 8.0
        n_lm, channels = (self.functions.l_max + 1) ** 2, self.functions.n_channels
        per_pair = 8.0 * (10 * n_lm + 6 * channels + models * (2 * n_lm + 2 * channels + 8))
        sizes = structures.n_atoms * width * per_pair / 2**30
        batches: list[list[int]] = []
        filled = np.inf
        for index, size in enumerate(sizes):
            if filled + size > self.memory:
                batches.append([])
                filled = 0.0
            batches[-1].append(index)
            filled += float(size)
        return batches

    def description(self) -> dict[str, Any]:
        """Return all but the weights, JSON-safe."""
        basis = self.functions.basis
        return {
            "format": "kappa_flow HDNNP 1",
            "elements": list(self.functions.elements),
            "cutoff": basis.cutoff,
            "radial_centers": list(basis.centers),
            "radial_eta": basis.eta,
            "l_max": self.functions.l_max,
            "angular": self.functions.angular,
            "n_functions": self.functions.n_functions,
            "members": self.members,
            "n_inputs": None if self.shape is None else self.shape.n_inputs,
            "hidden": None if self.shape is None else list(self.shape.hidden),
            "long_range": None if self.long_range is None else self.long_range.description(),
        }

    def arrays(self) -> dict[str, AnyArray]:
        """Return all weights by name: shapes as in :class:`Weights`."""
        weights = self.weights
        named = {
            "mean": weights.compression.mean,
            "projection": weights.compression.projection,
            "linear": weights.linear,
            "network": weights.network,
            "atomic": weights.atomic,
        }
        found = {name: tensor.cpu().numpy() for name, tensor in named.items()}
        return found | ({} if self.long_range is None else self.long_range.arrays())

    @classmethod
    def from_parts(cls, description: dict[str, Any], arrays: dict[str, AnyArray]) -> Potential:
        """Rebuild a potential from :meth:`description` and :meth:`arrays`.

        Raises
        ------
        InputError
            When something is missing or of another format.
        """
        try:
            basis = RadialBasis(
                tuple(description["radial_centers"]), description["radial_eta"], description["cutoff"]
            )
            functions = SymmetryFunctions(
                tuple(description["elements"]), basis, description["l_max"], description["angular"]
            )
            shape = None
            if description["hidden"] is not None:
                hidden = tuple(description["hidden"])
                shape = NetworkShape(len(functions.elements), description["n_inputs"], hidden)
            tensors = {name: torch.tensor(np.array(array)) for name, array in arrays.items()}
            compression = Compression(tensors["mean"], tensors["projection"])
            weights = Weights(compression, tensors["linear"], tensors["network"], tensors["atomic"])
            polar = description.get("long_range")
            long_range = None if polar is None else DipoleInteraction.from_parts(polar, arrays)
        except KeyError as error:
            raise InputError(f"potential without {error}", "it is incomplete", "Train it anew") from error
        return cls(functions, shape, weights, long_range=long_range)

    @classmethod
    def from_document(cls, document: SurrogateDocument) -> Potential:
        """Return the potential a document holds."""
        return cls.from_parts(document.model, document.weights)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``potential.json`` and ``weights.safetensors`` into a folder, made when absent."""
        files.save(folder, self.description(), self.arrays())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Potential:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            When the folder holds no whole potential.
        """
        return cls.from_parts(*files.load(folder))


def _resolve(device: Device) -> Literal["cpu", "cuda"]:
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device: cuda", "torch sees no CUDA device", "Use device: auto or cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
