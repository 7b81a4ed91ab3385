"""From forces to force constants, by phono3py's own solvers and in its order of steps."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import phono3py
import symfc
from phono3py import Phono3py

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Crystal, Displacements, ForceConstants, ForceSets, PolarTensors
from kappa_flow.documents.displacements import DisplacedCells
from kappa_flow.documents.force_constants import Residuals
from kappa_flow.documents.sections import ForceConstantsSettings
from kappa_flow.documents.variants import Variant
from kappa_flow.errors import WorkError
from kappa_flow.force_constants.carried import carry
from kappa_flow.force_constants.polar import on_crystal
from kappa_flow.force_constants.reach import shortened
from kappa_flow.force_constants.residuals import residuals
from kappa_flow.force_constants.variants import variants
from kappa_flow.interop import phono3py_of

CARRIED = "; fc2 of the larger supercell by Fourier interpolation of the fc3 supercell's"
"""Said of the solver where no forces of the fc2 cells were computed."""
SHARES: Final = (0.0, 0.25, 0.5, 0.75)
"""Where force constants are cut, between half the box and the farthest pair (docs/stages/9-results.md)."""


def solve(
    crystal: Crystal,
    displacements: Displacements,
    force_sets: ForceSets,
    settings: ForceConstantsSettings,
    polar: PolarTensors | None,
) -> ForceConstants:
    """Return fc2 and fc3 in phono3py's compact form.

    Finite differences: phono3py's traditional solver, then, with ``symmetrize``, three rounds of
    translational and permutation symmetrisation, as ``phono3py-load`` does by default. Random displacements:
    symfc, whose force constants keep all symmetries by construction.
    Each committee member's force constants come from its own forces by the same steps; fc2 of the reference's
    forces is the same for all.
    Where the crystal has a supercell for fc2 and the forces have none of its cells, fc2 is carried over from
    the fc3 supercell (:func:`carry`).

    Parameters
    ----------
    crystal : Crystal
    displacements : Displacements
    force_sets : ForceSets
        Forces in eV/Å, the perfect supercell's taken off.
    settings : ForceConstantsSettings
    polar : PolarTensors or None
        Put onto the crystal's primitive cell here.

    Returns
    -------
    ForceConstants
        fc2 (n_primitive, n_fc2_atoms, 3, 3) in eV/Å²,
        fc3 (n_primitive, n_fc3_atoms, n_fc3_atoms, 3, 3, 3) in eV/Å³.

    Raises
    ------
    InputError
        When the polar tensors do not belong to the crystal.
    WorkError
        When the solver fails, for example on too few random cells.

    References
    ----------
    Togo, Chaput & Tanaka, Phys. Rev. B 91, 094306 (2015), doi:10.1103/PhysRevB.91.094306.
    Seko & Togo, Phys. Rev. B 110, 214302 (2024), doi:10.1103/PhysRevB.110.214302.
    """
    placed = None if polar is None else on_crystal(polar, crystal)
    solver = _Solver.of(crystal, displacements, force_sets, settings, placed)
    raw, final = solver.run(force_sets)
    fc2, fc3 = solver.found()
    member_fc2, member_fc3 = _members(solver, force_sets, fc2.shape, fc3.shape)
    return ForceConstants(
        fc2=fc2,
        fc3=fc3,
        member_fc2=member_fc2,
        member_fc3=member_fc3,
        fc2_supercell=crystal.fc2_supercell,
        polar=placed,
        raw=raw,
        final=final,
        solver=_name(displacements, settings) + ("" if solver.larger is None else CARRIED),
    )


def with_variants(
    found: ForceConstants,
    crystal: Crystal,
    displacements: Displacements,
    force_sets: ForceSets,
    settings: ForceConstantsSettings,
) -> ForceConstants:
    """Return ``found``, what :func:`solve` made of the rest, with the variants the error budget wants."""
    solver = _Solver.of(crystal, displacements, force_sets, settings, found.polar)
    if solver.larger is None:
        solver.work.fc2, solver.work.fc3 = found.fc2.copy(), found.fc3.copy()
    else:
        solver.run(force_sets)
    shorter = solver.shortened(found.polar)
    return found.model_copy(
        update={"variants": (*shorter, *variants(displacements, force_sets, solver.make))}
    )


@dataclass
class _Solver:
    """phono3py's steps on one set of forces after another."""

    work: Phono3py
    displacements: Displacements
    symmetrize: bool
    larger: Callable[[FloatArray], FloatArray] | None = None
    """Carries fc2 over to the crystal's fc2 supercell, where ``work`` does not have it."""

    @classmethod
    def of(
        cls,
        crystal: Crystal,
        displacements: Displacements,
        force_sets: ForceSets,
        settings: ForceConstantsSettings,
        polar: PolarTensors | None,
    ) -> _Solver:
        """Return the steps for these forces; ``polar`` on the crystal's primitive cell."""
        if crystal.fc2_supercell is None or force_sets.fc2 is not None:
            return cls(phono3py_of(crystal), displacements, settings.symmetrize)
        box = crystal.model_copy(update={"fc2_supercell": None})
        return cls(
            phono3py_of(box), displacements, settings.symmetrize, lambda fc2: carry(fc2, crystal, polar)
        )

    def make(
        self, cells: Displacements, fc3_forces: FloatArray, fc2_forces: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Return fc2 and fc3 of these displaced cells by all steps."""
        other = replace(self, displacements=cells)
        other.produce(fc3_forces, fc2_forces)
        other.symmetrise()
        return other.found()

    def shortened(self, polar: PolarTensors | None) -> list[Variant]:
        """Return what ``work`` holds with shorter reach, by `SHARES`; ``work`` holds the last then."""
        found = []
        for fc2, fc3 in shortened(self.work, polar, SHARES):
            self.work.fc2, self.work.fc3 = fc2, fc3
            with contextlib.redirect_stdout(io.StringIO()):
                self.work.symmetrize_fc3()
                self.work.symmetrize_fc2()
            made = self.found()
            found.append(Variant(source="supercell", weight=1 / len(SHARES), fc2=made[0], fc3=made[1]))
        return found

    def found(self) -> tuple[FloatArray, FloatArray]:
        """Return copies of what ``work`` holds, fc2 of the crystal's fc2 supercell."""
        fc2, fc3 = np.array(self.work.fc2), np.array(self.work.fc3)
        return fc2 if self.larger is None else self.larger(fc2), fc3

    def run(self, forces: ForceSets) -> tuple[Residuals, Residuals]:
        """Leave fc2 and fc3 in ``work``; return the residuals before and after symmetrisation."""
        self.produce(forces.fc3.forces, None if forces.fc2 is None else forces.fc2.forces)
        raw = self.residuals()
        self.symmetrise()
        return raw, self.residuals()

    def produce(self, fc3_forces: FloatArray, fc2_forces: FloatArray | None) -> None:
        """Compute fc2 and fc3 from forces, unsymmetrised where the solver leaves them so."""
        work, cells = self.work, self.displacements
        with _told(), contextlib.redirect_stdout(io.StringIO()):
            work.dataset = dataset(cells.fc3, fc3_forces)
            random = cells.method == "random"
            cutoff = "" if cells.pair_cutoff is None else f"cutoff = {cells.pair_cutoff}"
            work.produce_fc3(
                fc_calculator="symfc" if random else None,
                fc_calculator_options=cutoff if random and cutoff else None,
            )
            if cells.fc2 is not None and fc2_forces is not None:
                work.phonon_dataset = dataset(cells.fc2, fc2_forces)
                work.produce_fc2()

    def symmetrise(self) -> None:
        """Symmetrise what the traditional solver made; symfc's is symmetric already."""
        if not self.symmetrize:
            return
        with contextlib.redirect_stdout(io.StringIO()):
            if self.displacements.method != "random":
                self.work.symmetrize_fc3()
            if self.displacements.method != "random" or self.displacements.fc2 is not None:
                self.work.symmetrize_fc2()

    def residuals(self) -> Residuals:
        """Return how far the force constants in ``work`` are from what symmetry demands."""
        work = self.work
        return residuals(work.fc2, work.phonon_primitive, work.fc3, work.primitive)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (AssertionError, RuntimeError, ValueError, np.linalg.LinAlgError) as error:
        # symfc asserts where the supercell is so small that symmetry leaves no fc3 to fit
        raise WorkError(
            "force constants",
            f"the solver gave up: {str(error) or 'no independent fc3 in this supercell'}",
            "Take a larger structure.supercell, more displacements.count, or finite differences",
        ) from error


def _members(
    solver: _Solver, force_sets: ForceSets, fc2_shape: tuple[int, ...], fc3_shape: tuple[int, ...]
) -> tuple[FloatArray | None, FloatArray | None]:
    """Return each member's fc2 and fc3, written one after another into one array each."""
    forces = force_sets.fc3.member_forces
    if forces is None:
        return None, None
    fc2, fc3 = np.empty((len(forces), *fc2_shape)), np.empty((len(forces), *fc3_shape))
    for index, member in enumerate(forces):
        own = None if force_sets.fc2 is None else force_sets.fc2.of_member(index)
        fc2[index], fc3[index] = solver.make(solver.displacements, member, own)
    return fc2, fc3


def dataset(cells: DisplacedCells, forces: FloatArray) -> dict[str, Any]:
    """Return phono3py's displacement dataset with forces put in; cells left out by a cutoff get zeros."""
    pattern = _arrays(json.loads(cells.pattern_json))
    if "first_atoms" not in pattern:
        return {**pattern, "displacements": cells.displacements.copy(), "forces": forces.copy()}
    supply = iter(forces)
    pairs = [pair for atom in pattern["first_atoms"] for pair in atom.get("second_atoms", ())]
    for entry in [*pattern["first_atoms"], *pairs]:
        included = entry.get("included", True)
        entry["forces"] = np.array(next(supply)) if included else np.zeros(forces.shape[1:])
    return pattern


def _arrays(pattern: dict[str, Any]) -> dict[str, Any]:
    pattern = copy.deepcopy(pattern)
    for atom in pattern.get("first_atoms", ()):
        for entry in (atom, *atom.get("second_atoms", ())):
            entry["displacement"] = np.array(entry["displacement"], dtype=np.float64)
    return pattern


def _name(displacements: Displacements, settings: ForceConstantsSettings) -> str:
    if displacements.method == "random":
        return f"symfc {symfc.__version__} through phono3py {phono3py.__version__}"
    after = "symmetrised by 3 alternating rounds" if settings.symmetrize else "not symmetrised"
    return f"phono3py {phono3py.__version__} finite differences, {after}"
