"""Lattice thermal conductivity κ(T) with an error bar, from few reference calculations.

>>> import kappa_flow as kf
>>> document = kf.run(kf.RunConfig.from_file("si.yaml"))  # doctest: +SKIP
>>> document.kappa_at(300).value  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kappa_flow.documents import KappaDocument, RunConfig
    from kappa_flow.orchestration import open_database
    from kappa_flow.pipeline import run
    from kappa_flow.surrogate import Potential

__all__ = ["KappaDocument", "Potential", "RunConfig", "open_database", "run"]

_HOME: Final = {
    "KappaDocument": "kappa_flow.documents",
    "Potential": "kappa_flow.surrogate",
    "RunConfig": "kappa_flow.documents",
    "open_database": "kappa_flow.orchestration",
    "run": "kappa_flow.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: torch and phono3py take seconds."""
    if name not in _HOME:
        raise AttributeError(f"module 'kappa_flow' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
