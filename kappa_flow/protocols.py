"""The few things stages ask of one another: a force model, a store, a way to tell progress."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ase.calculators.calculator import Calculator

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.base import Document
from kappa_flow.documents.crystal import Cell
from kappa_flow.documents.dataset import ForceNoise
from kappa_flow.documents.structures import Evaluation, Structures


class Progress(Protocol):
    """Told how far a long piece of work is; must be cheap."""

    def __call__(self, done: int, total: int, message: str) -> None:
        """``done`` of ``total`` steps are done; ``message`` says what the steps are."""


def quiet(done: int, total: int, message: str) -> None:
    """Progress nobody watches."""


class ForceModel(Protocol):
    """Whatever gives energies and forces: a reference method or a trained potential."""

    def evaluate(self, structures: Structures, progress: Progress = quiet) -> Evaluation:
        """Return energies (eV), forces (eV/Å) and, where it has them, stresses (eV/Å³)."""

    def calculator(self) -> Calculator:
        """Return an ASE calculator of the same model, for relaxation and MD."""


@runtime_checkable
class Trusting(Protocol):
    """A force model that knows where it was trained; who needs to know asks it, where it can."""

    def extrapolation(self, structures: Structures, progress: Progress = quiet) -> FloatArray:
        """Return how far each atom lies outside the training data, (n_atoms,): 1 is the edge."""


class Reference(ForceModel, Protocol):
    """A force model that costs: what the surrogate is trained on and compared with."""

    @property
    def identity(self) -> str:
        """Engine, model and version: equal identities give equal forces."""

    @property
    def calls(self) -> int:
        """Number of force evaluations asked of it so far, the remembered ones included."""

    def force_noise(self, structures: Structures, forces: FloatArray) -> ForceNoise | None:
        """Return how far these forces of its own are from those at tighter settings; None: not known."""


@runtime_checkable
class Polar(Protocol):
    """A reference that computes Born charges; who needs them asks it, where it can."""

    def polar(self, cell: Cell) -> tuple[FloatArray, FloatArray]:
        """Return Born charges (n_atoms, 3, 3), e, field first, and dielectric tensor of a primitive cell."""


class Recall(Protocol):
    """Remembers single reference calculations, so that a killed stage does none of them twice."""

    def recall(self, key: str) -> Evaluation | None:
        """Return what was remembered under ``key``."""

    def remember(self, key: str, evaluation: Evaluation) -> None:
        """Keep one structure's evaluation under ``key``, durably, before returning."""


class Store(Protocol):
    """Keeps documents by content."""

    def put(self, document: Document) -> str:
        """Keep a document; return its content hash. Putting it twice keeps it once."""

    def get(self, key: str) -> Document:
        """Return the document of that content hash.

        Raises
        ------
        WorkError
            When it is not there or its arrays do not match their hashes.
        """

    def __contains__(self, key: object) -> bool:
        """Whether a document of that content hash is there, whole."""
