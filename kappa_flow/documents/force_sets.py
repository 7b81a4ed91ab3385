"""ForceSets: the forces on every displaced supercell."""

from __future__ import annotations

from typing import Annotated, ClassVar

from kappa_flow.arrays import FloatArray, IntMatrix, Shape
from kappa_flow.documents.base import Document, Part
from kappa_flow.documents.convergence import Convergence
from kappa_flow.documents.dataset import ForceNoise
from kappa_flow.documents.displacements import Displacements


class CellForces(Part):
    """Forces on the displaced copies of one supercell."""

    forces: Annotated[FloatArray, Shape(("n_cells", "n_atoms", 3), "eV/Å")]
    """The perfect supercell's forces are already taken off."""
    residual: Annotated[FloatArray, Shape(("n_atoms", 3), "eV/Å")]
    """Forces on the perfect supercell."""
    member_forces: Annotated[FloatArray, Shape(("n_members", "n_cells", "n_atoms", 3), "eV/Å")] | None = None
    """Forces of each committee member, its own residual taken off."""
    halved_forces: Annotated[FloatArray, Shape(("n_cells", "n_atoms", 3), "eV/Å")] | None = None
    """Forces where every displacement is half as long; None where each would cost a reference calculation."""
    extrapolation: Annotated[FloatArray, Shape(("n_cells",))] | None = None
    """Of each cell's farthest atom, how far outside the training data it lies, in units of their edge or of
    the perfect crystal's distance, whichever is farther. None for forces not extrapolated from any."""

    def of_member(self, index: int) -> FloatArray:
        """Return the forces of one member of a committee; a reference's are the same for all."""
        return self.forces if self.member_forces is None else self.member_forces[index]


class ForceSets(Document):
    """Forces for fc3 and, where it has its own supercell, fc2."""

    kind: ClassVar[str] = "force_sets"

    source: str
    """``surrogate`` or the identity of the reference; of fc3's forces."""
    device: str
    """Where they were computed: ``cpu``, ``cuda:0`` …"""
    fc3: CellForces
    fc2: CellForces | None = None
    """The reference's where the surrogate learned from no cells of that size; None: not computed."""
    reference_calls: int = 0
    """Reference calculations these forces took, those of supercells tried and the noise's included."""
    displacements: Displacements | None = None
    """The cells these are the forces of, where they are not those of the learning loop's trials."""
    fc2_supercell: IntMatrix | None = None
    """The fc2 supercell, where ``auto`` chose it."""
    convergence: tuple[Convergence, ...] = ()
    """How κ moved with what ``auto`` chose."""
    force_noise: ForceNoise | None = None
    """Of a reference that computed these forces; None where it was not measured."""

    @property
    def without_members(self) -> ForceSets:
        """The committee's mean alone."""
        parts = {name: getattr(self, name) for name in ("fc3", "fc2") if getattr(self, name) is not None}
        return self.model_copy(
            update={name: part.model_copy(update={"member_forces": None}) for name, part in parts.items()}
        )
