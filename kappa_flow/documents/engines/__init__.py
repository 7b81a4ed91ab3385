"""Settings of the reference engines: one class each, told apart by ``engine``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kappa_flow.documents.engines.base import Engine
from kappa_flow.documents.engines.classical import (
    AseEmtSettings,
    CalculatorSettings,
    LammpsSettings,
    TersoffSettings,
)
from kappa_flow.documents.engines.dft import DftSettings, EspressoSettings, GpawSettings, VaspSettings
from kappa_flow.documents.engines.models import ChgnetSettings, MaceSettings, SevenNetSettings

__all__ = [
    "AseEmtSettings",
    "CalculatorSettings",
    "ChgnetSettings",
    "DftSettings",
    "Engine",
    "EngineSettings",
    "EspressoSettings",
    "GpawSettings",
    "LammpsSettings",
    "MaceSettings",
    "SevenNetSettings",
    "TersoffSettings",
    "VaspSettings",
]

EngineSettings = Annotated[
    SevenNetSettings
    | ChgnetSettings
    | MaceSettings
    | LammpsSettings
    | TersoffSettings
    | AseEmtSettings
    | CalculatorSettings
    | GpawSettings
    | EspressoSettings
    | VaspSettings,
    Field(discriminator="engine"),
]
