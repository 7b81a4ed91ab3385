"""SevenNet foundation models as a reference; the weights are inside the ``sevenn`` wheel."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from kappa_flow.documents.engines import SevenNetSettings
from kappa_flow.errors import InputError
from kappa_flow.references.base import Engine, require

MODELS: Final = ("7net-0", "7net-l3i5")
"""Those whose weights the wheel carries; others would be downloaded."""
ELEMENTS: Final = frozenset({*range(1, 84), *range(89, 95)})
"""The 89 elements of the Materials Project trajectories both were trained on."""


def engine(settings: SevenNetSettings) -> Engine:
    """Return a SevenNet model.

    It computes in float32: forces carry noise of about 1e-6 eV/Å, energies of about 1e-7 of their size.

    Raises
    ------
    InputError
        When ``sevenn`` is not installed, or the model is not one of those its wheel carries.

    References
    ----------
    Y. Park, J. Kim, S. Hwang, S. Han, J. Chem. Theory Comput. 20, 4857 (2024), doi:10.1021/acs.jctc.4c00190
    """
    version = require("sevenn", settings.engine)
    if settings.model not in MODELS:
        raise InputError(
            f"reference.model = {settings.model}",
            "its weights are not inside the sevenn package",
            f"Choose {' or '.join(MODELS)}",
        )
    return Engine(
        identity=f"{settings.engine} {settings.model} sevenn {version}",
        elements=ELEMENTS,
        make=lambda: RepeatableSevenNet(settings),
    )


class RepeatableSevenNet(Calculator):  # type: ignore[misc]  # ase ships no types
    """SevenNet, silent, with the same bits for the same structure on any number of CPU threads.

    Left alone, torch sums a scatter in the order threads happen to arrive: 3e-7 eV/Å between two evaluations
    of one structure on two threads.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, settings: SevenNetSettings) -> None:
        super().__init__()
        with _quiet_and_repeatable():
            from sevenn.calculator import SevenNetCalculator

            self._model = SevenNetCalculator(settings.model, device=settings.device)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt)."""
        super().calculate(atoms, list(properties), list(system_changes))
        with _quiet_and_repeatable():
            self._model.calculate(self.atoms, self.implemented_properties, list(all_changes))
        self.results: dict[str, Any] = {
            name: self._model.results[name] for name in self.implemented_properties
        }


@contextmanager
def _quiet_and_repeatable() -> Iterator[None]:
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)  # noqa: FBT003 - torch takes it by position only
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
