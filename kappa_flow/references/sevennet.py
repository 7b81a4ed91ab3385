"""SevenNet foundation models as a reference; the weights are inside the ``sevenn`` wheel."""

from __future__ import annotations

from typing import Final

from ase.calculators.calculator import Calculator

from kappa_flow.documents.engines import SevenNetSettings
from kappa_flow.errors import InputError
from kappa_flow.references.base import Engine, require
from kappa_flow.references.mirrored import MirrorAveraged
from kappa_flow.references.repeatable import RepeatableModel

MODELS: Final = ("7net-0", "7net-l3i5")
"""Those whose weights the wheel carries; others would be downloaded."""
ELEMENTS: Final = frozenset({*range(1, 84), *range(89, 95)})
"""The 89 elements of the Materials Project trajectories both were trained on."""


def engine(settings: SevenNetSettings) -> Engine:
    """Return a SevenNet model.

    It computes in float32: forces carry noise of about 1e-7 eV/Å, energies of about 1e-7 of their size. The
    models were built without parity: unless ``mirror`` is off each structure is computed with its mirror
    image, and both averaged.

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
    identity = f"{settings.engine} {settings.model} sevenn {version}"

    def model() -> Calculator:
        return RepeatableModel(lambda: _made(settings))

    if not settings.mirror:
        return Engine(identity, ELEMENTS, model)
    return Engine(f"{identity}, mirror-averaged", ELEMENTS, lambda: MirrorAveraged(model()))


def _made(settings: SevenNetSettings) -> Calculator:
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(settings.model, device=settings.device)
