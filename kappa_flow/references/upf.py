"""What a pseudopotential file (UPF) says of itself."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WAVE: Final = (r'wfc_cutoff="\s*([\d.eEdD+-]+)', r"cutoff for wavefunctions:\s*([\d.]+)\s*Ry")
_DENSITY: Final = (r'rho_cutoff="\s*([\d.eEdD+-]+)', r"cutoff for charge density:\s*([\d.]+)\s*Ry")
_VALENCE: Final = (r'z_valence="\s*([\d.eEdD+-]+)', r"([\d.eEdD+-]+)\s+Z valence")
_ULTRASOFT: Final = re.compile(
    r'pseudo_type="\s*(US|PAW)|is_ultrasoft="\s*\.?[Tt]|^\s+US\s+Ultrasoft', re.MULTILINE
)


@dataclass(frozen=True)
class Pseudopotential:
    """One UPF file."""

    path: Path
    digest: str
    """First digits of the sha256."""
    wave_cutoff: float
    """Suggested for wave functions, Ry; 0: the file says nothing."""
    density_cutoff: float
    """Suggested for the density, Ry; 0: the file says nothing."""
    valence: float
    """Electrons it leaves to the calculation."""
    ultrasoft: bool
    """Ultrasoft or PAW, whose density needs more than four times the cutoff."""


def read_upf(path: Path) -> Pseudopotential:
    """Read what the header says; both versions of the format."""
    content = path.read_bytes()
    text = content.decode(errors="replace")
    return Pseudopotential(
        path=path,
        digest=hashlib.sha256(content).hexdigest()[:16],
        wave_cutoff=_first(_WAVE, text),
        density_cutoff=_first(_DENSITY, text),
        valence=_first(_VALENCE, text),
        ultrasoft=_ULTRASOFT.search(text) is not None,
    )


def _first(patterns: tuple[str, ...], text: str) -> float:
    found = [float(match[1].lower().replace("d", "e")) for p in patterns if (match := re.search(p, text))]
    return max(found, default=0.0)
