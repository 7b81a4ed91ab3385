"""Potential: a committee of HDNNPs evaluated together, saved without pickle, usable from ASE."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from ase.calculators.calculator import Calculator

from kappa_flow.arrays import AnyArray, FloatArray
from kappa_flow.documents.structures import Evaluation, Structures
from kappa_flow.documents.surrogate import SurrogateDocument
from kappa_flow.errors import InputError
from kappa_flow.protocols import Progress, quiet
from kappa_flow.surrogate import files
from kappa_flow.surrogate.compression import Compression
from kappa_flow.surrogate.descriptors.classical import NarrowFunctions
from kappa_flow.surrogate.descriptors.radial import RadialBasis
from kappa_flow.surrogate.descriptors.symmetry import Functions, SymmetryFunctions
from kappa_flow.surrogate.electrostatics import DipoleInteraction
from kappa_flow.surrogate.extrapolation import TrainingDomain
from kappa_flow.surrogate.kernels.batches import most_centres
from kappa_flow.surrogate.kernels.choose import functions_of, kernel_for
from kappa_flow.surrogate.lattice_polynomial import LatticePolynomial
from kappa_flow.surrogate.network import NetworkShape
from kappa_flow.surrogate.weights import Weights

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Potential:
    """E = Σ_i [ε_e + w_e·(G_i - Ḡ_e) + NN_e(q_i)], its mean over a committee, and its exact derivatives.

    In a polar crystal the dipole–dipole part is added, the same for all members; stresses stay without it. In
    the supercell of the training data the lattice polynomial is; there are no stresses then.

    References
    ----------
    Behler, Parrinello, Phys. Rev. Lett. 98, 146401 (2007), doi:10.1103/PhysRevLett.98.146401.
    """

    functions: Functions
    shape: NetworkShape | None
    weights: Weights
    device: Device = "auto"
    memory: float = 1.0
    """GiB a batch may take on the CPU; on a card it takes what is free there."""
    long_range: DipoleInteraction | None = None
    """Added to what the networks say; None for crystals without Born charges."""
    lattice: LatticePolynomial | None = None
    """Likewise, in the one supercell it is for; None where none was fitted."""

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
            For an element the potential does not know, CUDA asked for where there is none, with a long-range
            part atoms not displaced from the crystal's lattice, or with lattice terms another supercell.
        """
        device = _resolve(self.device)
        kernel = kernel_for(self.functions, structures, self.members if members else 1, device)
        weights, energies = self.weights.to(device), np.zeros(len(structures))
        first, step = 0, self._most_centres(device, self.members if members else 1)
        while first < len(kernel.species):
            last = min(first + step, len(kernel.species))
            progress(int(kernel.bins.owner[first]), len(structures), "force evaluations")
            try:
                values = kernel.values(first, last)
                single, slopes = weights.energies_and_slopes(
                    self.shape, values, kernel.species[first:last], members=members
                )
                kernel.pull(slopes)
            except torch.OutOfMemoryError:
                if step == 1:
                    raise
                step = max(1, (last - first) // 2)
                continue
            np.add.at(energies, kernel.bins.owner[first:last], single.cpu().numpy())
            first = last
        progress(len(structures), len(structures), "force evaluations")
        forces, virials = kernel.forces, kernel.virials
        volumes = np.abs(np.linalg.det(structures.cells))[:, None, None]
        found = Evaluation(
            energies=energies,
            forces=forces.mean(0),
            stresses=0.5 * (virials + virials.transpose(0, 2, 1)) / volumes,
            member_forces=forces if members else None,
        )
        for part in (self.long_range, self.lattice):
            found = found if part is None else part.added_to(found, structures)
        return found

    def extrapolation(self, structures: Structures, progress: Progress = quiet) -> FloatArray:
        """Return how far each atom lies outside the training data, (n_atoms,): 1 is the edge.

        Raises
        ------
        InputError
            For a potential saved before training kept this, or an element it does not know.
        """
        domain = self.weights.domain
        if domain is None:
            raise InputError("potential", "does not know where its training atoms were", "Train it anew")
        found = np.empty(len(structures.numbers))
        for first, last, values, species in functions_of(
            self.functions, structures, self._most_centres("cpu", 1)
        ):
            progress(first, len(found), "distances from the training data")
            found[first:last] = domain.distances(values, species).numpy()
        progress(len(found), len(found), "distances from the training data")
        return found

    def evaluate(self, structures: Structures, progress: Progress = quiet) -> Evaluation:
        """Return :meth:`predict` with members: what a ForceModel does."""
        return self.predict(structures, progress)

    def calculator(self) -> Calculator:
        """Return an ASE calculator of the committee mean: energy, forces, stress."""
        from kappa_flow.surrogate.interchange.calculator import PotentialCalculator

        return PotentialCalculator(self)

    def need_local(self, program: str) -> None:
        """Raise InputError where a program would go without the dipole–dipole part or the lattice terms."""
        if self.lattice is not None:
            reason = "takes a potential for any cell, this one has force constants of one supercell beside it"
            raise InputError(program, reason, "Use ASE, or kappa-flow export, which fits one without")
        if self.long_range is not None:
            reason = "takes a local potential, this one has a dipole–dipole part beside it"
            raise InputError(program, reason, "Use ASE or TorchSim, or train with surrogate.long_range: off")

    def torchsim(self) -> Any:
        """Return a model for TorchSim, which has to be installed, of the committee mean."""
        from kappa_flow.surrogate.interchange.torchsim import TorchSimModel

        return TorchSimModel(self)

    def to_n2p2(self, folder: str | os.PathLike[str], structures: Structures | None = None) -> None:
        """Write n2p2's files of the committee mean: see :func:`interchange.n2p2.write`."""
        from kappa_flow.surrogate.interchange import n2p2

        n2p2.write(self, Path(folder), structures)

    def _most_centres(self, device: str, models: int) -> int:
        """Return how many centres fit into the memory at once."""
        return most_centres(self.functions, models, device, self.memory)

    def description(self) -> dict[str, Any]:
        """Return all but the weights, JSON-safe."""
        basis = self.functions.basis
        return {
            "format": "kappa_flow HDNNP 1",
            "elements": list(self.functions.elements),
            "cutoff": basis.cutoff,
            "radial_centers": list(basis.centers),
            "radial_eta": basis.eta,
            "cutoff_function": basis.cutoff_function,
            "l_max": self.functions.l_max,
            "angular": self.functions.angular,
            "pairs": self.functions.pairs,
            "n_functions": self.functions.n_functions,
            "n_weights": int((self.weights.linear != 0.0).any(0).sum()),
            "members": self.members,
            "n_inputs": None if self.shape is None else self.shape.n_inputs,
            "hidden": None if self.shape is None else list(self.shape.hidden),
            "long_range": None if self.long_range is None else self.long_range.description(),
            "lattice_terms": None if self.lattice is None else self.lattice.description(),
        }

    def arrays(self) -> dict[str, AnyArray]:
        """Return all weights by name: shapes as in :class:`Weights`."""
        weights = self.weights
        domain = weights.domain
        named = {
            "mean": weights.compression.mean,
            "projection": weights.compression.projection,
            "linear": weights.linear,
            "network": weights.network,
            "atomic": weights.atomic,
        }
        if domain is not None:
            named |= {
                "domain_mean": domain.mean,
                "domain_whitening": domain.whitening,
                "domain_limit": domain.limit,
            }
        found = {name: tensor.cpu().numpy() for name, tensor in named.items()}
        for part in (self.long_range, self.lattice):
            found |= {} if part is None else part.arrays()
        return found

    @classmethod
    def from_parts(cls, description: dict[str, Any], arrays: dict[str, AnyArray]) -> Potential:
        """Rebuild a potential from :meth:`description` and :meth:`arrays`.

        Raises
        ------
        InputError
            When something is missing or of another format.
        """
        try:
            functions = _functions(description)
            shape = None
            if description["hidden"] is not None:
                hidden = tuple(description["hidden"])
                shape = NetworkShape(len(functions.elements), description["n_inputs"], hidden)
            tensors = {name: torch.tensor(np.array(array)) for name, array in arrays.items()}
            compression = Compression(tensors["mean"], tensors["projection"])
            domain = None
            if "domain_mean" in tensors:
                domain = TrainingDomain(
                    tensors["domain_mean"], tensors["domain_whitening"], tensors["domain_limit"]
                )
            weights = Weights(compression, tensors["linear"], tensors["network"], tensors["atomic"], domain)
            polar = description.get("long_range")
            long_range = None if polar is None else DipoleInteraction.from_parts(polar, arrays)
            terms = description.get("lattice_terms")
            lattice = None if terms is None else LatticePolynomial.from_parts(arrays)
        except KeyError as error:
            raise InputError(f"potential without {error}", "it is incomplete", "Train it anew") from error
        return cls(functions, shape, weights, long_range=long_range, lattice=lattice)

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


def _functions(description: dict[str, Any]) -> Functions:
    """Return the symmetry functions; without ``pairs`` and ``cutoff_function`` those of older potentials."""
    basis = RadialBasis(
        tuple(description["radial_centers"]),
        description["radial_eta"],
        description["cutoff"],
        description.get("cutoff_function", "smooth"),
    )
    elements, l_max, angular = tuple(description["elements"]), description["l_max"], description["angular"]
    if angular == "behler-narrow":
        return NarrowFunctions(elements, basis, l_max)
    return SymmetryFunctions(elements, basis, l_max, angular, description.get("pairs", "all"))


def _resolve(device: Device) -> Literal["cpu", "cuda"]:
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device: cuda", "torch sees no CUDA device", "Use device: auto or cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
