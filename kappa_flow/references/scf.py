"""What self-consistent programs share: k-points, a command, remedies, each structure from scratch."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.engines import DftSettings
from kappa_flow.errors import InputError, NotConvergedError, WorkError

TIGHTER: Final = 1.25
"""Cutoffs are multiplied, and k_spacing is divided, by this where the noise of the forces is measured."""
Remedy = Mapping[str, Any]
Run = Callable[[Atoms, Remedy], dict[str, Any]]
Answer = TypeVar("Answer")

SMALLEST_GAP: Final = 0.05
"""eV between the highest full and the lowest empty band below which the crystal is taken for a metal."""
_SAME_FORCES: Final = frozenset({"command", "pseudopotentials", "noise_cells", "max_iterations"})
_LATER: Final[dict[str, Any]] = {"k_grid": "gamma-centred", "magnetic_moments": {}}
"""Settings that came after labels had been kept, and what those were made with: identities stay."""


class ScfCalculator(Calculator):  # type: ignore[misc]  # ase ships no types
    """ASE calculator that starts from scratch for every structure and tries remedies in turn.

    Nothing is kept from the structure before, so that a resumed run repeats what it would have computed.

    Parameters
    ----------
    program : str
        Its name, for the message.
    run : callable
        (atoms, remedy) to results; raises NotConvergedError where self-consistency was not reached.
    remedies : sequence of mappings
        What is changed in the input, the first time nothing; none changes the converged answer.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, program: str, run: Run, remedies: Sequence[Remedy]) -> None:
        super().__init__()
        self._program = program
        self._run = run
        self._remedies = remedies

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt).

        Raises
        ------
        NotConvergedError
            When no remedy helped.
        """
        super().calculate(atoms, list(properties), list(system_changes))
        found = first_converged(self._program, self._run, self.atoms, self._remedies)
        self.results = {name: found[name] for name in self.implemented_properties if name in found}


def first_converged(
    program: str, run: Callable[[Atoms, Remedy], Answer], atoms: Atoms, remedies: Sequence[Remedy]
) -> Answer:
    """Return what ``run`` makes of the atoms with the first remedy under which it converges.

    Raises
    ------
    NotConvergedError
        When no remedy helped.
    """
    for remedy in remedies:
        try:
            return run(atoms, remedy)
        except NotConvergedError:
            continue
    raise NotConvergedError(
        f"{program}: {atoms.get_chemical_formula()}",
        f"SCF did not converge in {len(remedies)} attempts",
        "Look at the structure, smearing and spin; or raise reference.max_iterations",
    )


def refuse_metal(gap: float) -> None:
    """Refuse Born charges of bands without a gap (eV) on the k-points.

    Raises
    ------
    WorkError
        When the highest full band reaches the lowest empty one.
    """
    if gap < SMALLEST_GAP:
        raise WorkError(
            "Born charges",
            f"the gap is {gap:.2f} eV: a metal, or one to these settings, has none",
            "Leave force_constants.nac out",
        )


def kpoint_grid(cell: FloatArray, spacing: float) -> tuple[int, int, int]:
    """Return the grid whose points are at most ``spacing`` (Å⁻¹, 2π included) apart.

    n_i = ⌈|b_i| / spacing⌉ with the reciprocal vectors b_i, as VASP's KSPACING.
    """
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(cell).T, axis=1)
    first, second, third = (max(1, int(np.ceil(length / spacing - 1e-8))) for length in lengths)
    return first, second, third


def half_steps(grid: Sequence[int], settings: DftSettings) -> tuple[int, ...]:
    """Return along which axes the grid lies half a step off Γ, 1 or 0: the even ones of Monkhorst and Pack.

    References
    ----------
    H. J. Monkhorst, J. D. Pack, Phys. Rev. B 13, 5188 (1976), doi:10.1103/PhysRevB.13.5188, equation 3
    """
    return tuple(int(settings.k_grid == "monkhorst-pack" and points % 2 == 0) for points in grid)


def with_moments(atoms: Atoms, settings: DftSettings, valence: Mapping[str, float] | None = None) -> Atoms:
    """Return a copy that starts from the moments of its elements, μ_B, or as a share of their ``valence``."""
    moments = [settings.magnetic_moments.get(symbol, 0.0) for symbol in atoms.symbols]
    if valence is not None:
        moments = [moment / valence[symbol] for moment, symbol in zip(moments, atoms.symbols, strict=True)]
    copy = atoms.copy()
    copy.set_initial_magnetic_moments(moments if any(moments) else None)
    return copy


def command(given: str | None, variable: str, default: str | None, engine: str) -> list[str]:
    """Return the words of the command that runs the program: ``given``, else the worker's, else the default.

    Raises
    ------
    InputError
        When there is none, or its first word is no program here.
    """
    text = given or os.environ.get(variable) or default
    if text is None:
        raise InputError(
            f"reference.engine = {engine}", "no command to run it", f"Set reference.command or ${variable}"
        )
    words = shlex.split(text)
    if not words or shutil.which(words[0]) is None:
        raise InputError(
            f"reference.engine = {engine}",
            f"{words[0] if words else text!r} is no program on this machine",
            f"Install it, or set reference.command or ${variable}",
        )
    return words


def ending(status: int, errors: str) -> str:
    """Return how a program of that exit status and standard error came to its end, on one line."""
    if lines := errors.strip().splitlines():
        return lines[-1][:200]
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"ended with status {status}"


def said(settings: DftSettings) -> str:
    """Return the settings that change forces, for the identity."""
    found = settings.model_dump(mode="json", exclude=set(_SAME_FORCES))
    named = {name: value for name, value in found.items() if name not in _LATER or value != _LATER[name]}
    return json.dumps(named, sort_keys=True)
