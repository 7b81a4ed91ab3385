"""What scatters phonons beside other phonons: isotopes of given mass variance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from phono3py.other.isotope import get_mass_variances

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.sections import BteSettings
from kappa_flow.errors import InputError


def mass_variances(symbols: Sequence[str], settings: BteSettings) -> FloatArray | None:
    """Return g = Σ f (1 − m/m̄)² of every atom; None where phono3py takes the natural mixture, or nothing.

    Raises
    ------
    InputError
        For an element that is not in the crystal.
    """
    isotopes = settings.isotopes
    if isinstance(isotopes, bool):
        return None
    strangers = sorted(set(isotopes) - set(symbols))
    if strangers:
        raise InputError(
            f"bte.isotopes: {', '.join(strangers)}",
            "not in the crystal",
            f"Name elements of {', '.join(dict.fromkeys(symbols))}",
        )
    return np.array(
        [
            isotopes[symbol] if symbol in isotopes else float(get_mass_variances(symbols=[symbol])[0])
            for symbol in symbols
        ]
    )


def told(symbols: Sequence[str], settings: BteSettings) -> str:
    """Return in words which isotopes scatter."""
    isotopes = settings.isotopes
    if isinstance(isotopes, bool):
        return "natural abundance (Tamura 1983)" if isotopes else "none"
    parts = [
        f"{symbol} {isotopes[symbol]:g}" if symbol in isotopes else f"{symbol} natural"
        for symbol in dict.fromkeys(symbols)
    ]
    return f"mass variances {', '.join(parts)} (Tamura 1983)"
