"""ASE's effective medium theory as a reference: instant, for trying things out."""

from __future__ import annotations

from typing import Final

import ase
from ase.calculators.emt import EMT

from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.references.base import Engine

ELEMENTS: Final = frozenset({13, 28, 29, 46, 47, 78, 79})
"""Al, Ni, Cu, Pd, Ag, Pt, Au."""


def engine(settings: AseEmtSettings) -> Engine:
    """Return the effective medium theory of ASE.

    References
    ----------
    K. W. Jacobsen, P. Stoltze, J. K. Nørskov, Surf. Sci. 366, 394 (1996), doi:10.1016/0039-6028(96)00816-3
    """
    return Engine(identity=f"{settings.engine} ase {ase.__version__}", elements=ELEMENTS, make=EMT)
