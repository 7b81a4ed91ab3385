"""Settings of machine-learned foundation models."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kappa_flow.documents.engines.base import Engine


class SevenNetSettings(Engine):
    """SevenNet, a foundation model whose weights are inside its PyPI wheel (Park et al. 2024)."""

    engine: Literal["sevennet"]
    model: str = "7net-0"
    """``7net-0`` or ``7net-l3i5``."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    mirror: bool = True
    """Average with the mirror image, for twice the time: the models were built without parity, and their own
    forces break the symmetry of a crystal with mirrors. κ by brute force is 0.4 % (NaCl) to 2 % (SiC) off."""


class ChgnetSettings(Engine):
    """CHGNet, whose weights are inside its PyPI wheel (Deng et al. 2023)."""

    engine: Literal["chgnet"]
    model: Literal["0.3.0", "0.2.0", "r2scan"] = "0.3.0"
    device: Literal["auto", "cpu", "cuda"] = "auto"


class MaceSettings(Engine):
    """MACE (Batatia et al. 2022), from a model file of yours: nothing is downloaded."""

    engine: Literal["mace"]
    model: Path
    """A model as MACE saves it, e.g. ``mace-mpa-0-medium.model``; computed in float64."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
