"""A model that is not symmetric under mirrors, made so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes


class MirrorAveraged(Calculator):  # type: ignore[misc]  # ase ships no types
    """E(R) → ½ [E(R) + E(−R)]: another calculator's energy averaged with that of the inverted structure.

    Parameters
    ----------
    model : Calculator
        Of energy, forces and stress; symmetric under rotations, so that inversion stands for every mirror.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, model: Calculator) -> None:
        super().__init__()
        self._model = model

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt)."""
        super().calculate(atoms, list(properties), list(system_changes))
        image = self.atoms.copy()
        image.positions *= -1
        own, other = self._results(self.atoms), self._results(image)
        other["forces"] = -other["forces"]
        self.results = {name: (own[name] + other[name]) / 2 for name in self.implemented_properties}

    def _results(self, atoms: Atoms) -> dict[str, Any]:
        self._model.calculate(atoms, self.implemented_properties, list(all_changes))
        return dict(self._model.results)
