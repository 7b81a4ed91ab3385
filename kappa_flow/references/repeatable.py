"""Torch models as references: silent, and with the same bits for the same structure."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes


class RepeatableModel(Calculator):  # type: ignore[misc]  # ase ships no types
    """A torch model's own ASE calculator, silent, with the same bits on any number of CPU threads.

    Left alone, torch sums a scatter in the order threads happen to arrive: 3e-7 eV/Å between two evaluations
    of one structure on two threads (SevenNet).

    Parameters
    ----------
    make : callable
        Makes the calculator.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, make: Callable[[], Calculator]) -> None:
        super().__init__()
        with quiet_and_repeatable(), contextlib.redirect_stdout(io.StringIO()):
            self._model = make()

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt)."""
        super().calculate(atoms, list(properties), list(system_changes))
        with quiet_and_repeatable():
            self._model.calculate(self.atoms, ["energy", "forces", "stress"], list(all_changes))
        found = self._model.results
        self.results: dict[str, Any] = {name: found[name] for name in ("energy", "forces", "stress")}
        self.results["free_energy"] = found["energy"]


@contextmanager
def quiet_and_repeatable() -> Iterator[None]:
    """Torch without warnings, with its deterministic algorithms and its own default precision afterwards."""
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    precision = torch.get_default_dtype()
    torch.use_deterministic_algorithms(True, warn_only=True)  # noqa: FBT003 - torch takes it by position only
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
        torch.set_default_dtype(precision)
