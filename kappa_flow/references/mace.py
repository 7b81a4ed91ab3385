"""MACE models from a file as a reference, in float64."""

from __future__ import annotations

import hashlib
from typing import Any

from ase.calculators.calculator import Calculator

from kappa_flow.documents.engines import MaceSettings
from kappa_flow.errors import InputError
from kappa_flow.references.base import Engine, require
from kappa_flow.references.repeatable import RepeatableModel, quiet_and_repeatable


def engine(settings: MaceSettings) -> Engine:
    """Return a MACE model. Its file is a pickle: load none you do not trust.

    Raises
    ------
    InputError
        When ``mace`` is not installed, or there is no such file or it holds no MACE model.

    References
    ----------
    I. Batatia et al., Adv. Neural Inf. Process. Syst. 35 (2022), doi:10.48550/arXiv.2206.07697
    """
    version = require("mace", settings.engine, "mace-torch")
    if not settings.model.is_file():
        reason = "there is no such file, and none is downloaded"
        raise InputError(f"reference.model = {settings.model}", reason, "Give the path of a MACE model file")
    digest = hashlib.sha256(settings.model.read_bytes()).hexdigest()[:16]
    identity = f"{settings.engine} {settings.model.name}:{digest} mace-torch {version}"
    return Engine(
        identity=identity, elements=_elements(settings), make=lambda: RepeatableModel(lambda: _made(settings))
    )


def _elements(settings: MaceSettings) -> frozenset[int]:
    """Return the elements the model in the file was made for."""
    with quiet_and_repeatable():
        import mace.calculators  # noqa: F401 - lets torch load what MACE pickles
        import torch

        try:
            model: Any = torch.load(settings.model, map_location="cpu", weights_only=False)
            return frozenset(int(number) for number in model.atomic_numbers)
        except Exception as error:  # unpickling raises anything
            reason = f"holds no MACE model: {type(error).__name__}"
            raise InputError(f"reference.model = {settings.model}", reason, "Give a model file") from error


def _made(settings: MaceSettings) -> Calculator:
    import torch
    from mace.calculators import MACECalculator

    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return MACECalculator(model_paths=str(settings.model), device=device, default_dtype="float64")
