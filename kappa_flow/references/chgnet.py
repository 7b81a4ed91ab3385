"""CHGNet as a reference; the weights are inside its wheel."""

from __future__ import annotations

from typing import Any, Final

from ase.calculators.calculator import Calculator

from kappa_flow.documents.engines import ChgnetSettings
from kappa_flow.references.base import Engine, require
from kappa_flow.references.repeatable import RepeatableModel

ELEMENTS: Final = frozenset({*range(1, 84), *range(89, 95)})
"""The 89 elements of the Materials Project trajectories it was trained on."""


def engine(settings: ChgnetSettings) -> Engine:
    """Return a CHGNet model, in float32: forces carry noise of about 1e-6 eV/Å.

    Raises
    ------
    InputError
        When ``chgnet`` is not installed.

    References
    ----------
    B. Deng et al., Nat. Mach. Intell. 5, 1031 (2023), doi:10.1038/s42256-023-00716-3
    """
    version = require("chgnet", settings.engine)
    return Engine(
        identity=f"{settings.engine} {settings.model} chgnet {version}",
        elements=ELEMENTS,
        make=lambda: RepeatableModel(lambda: _made(settings)),
    )


def _made(settings: ChgnetSettings) -> Calculator:
    device = None if settings.device == "auto" else settings.device
    from chgnet.model import CHGNet
    from chgnet.model.dynamics import CHGNetCalculator

    model: Any = CHGNet.load(model_name=settings.model, use_device=device, verbose=False)
    return CHGNetCalculator(model, use_device=device, on_isolated_atoms="ignore")
