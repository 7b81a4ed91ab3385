"""ASE calculator of a potential."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from kappa_flow.documents.structures import Structures
from kappa_flow.surrogate.potential import Potential


class PotentialCalculator(Calculator):  # type: ignore[misc]  # ASE ships no types
    """Energy (eV), forces (eV/Å) and, but with lattice terms, stress (eV/Å³, Voigt) of the committee mean.

    Parameters
    ----------
    potential : Potential
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate the atoms; all properties come in one go."""
        super().calculate(atoms, properties, system_changes)
        single = Structures.same_atoms(
            self.atoms.cell.array, self.atoms.numbers.astype(np.int64), self.atoms.positions[None]
        )
        found = self.potential.predict(single, members=False)
        self.results: dict[str, Any] = {
            "energy": float(found.energies[0]),
            "free_energy": float(found.energies[0]),
            "forces": np.array(found.forces),
        }
        if found.stresses is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(found.stresses[0])
