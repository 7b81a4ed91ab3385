"""ASE's effective medium theory as a reference: instant, for trying things out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import ase
from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT

from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.references.base import Engine

ELEMENTS: Final = frozenset({13, 28, 29, 46, 47, 78, 79})
"""Al, Ni, Cu, Pd, Ag, Pt, Au."""


class _Forgetful(EMT):  # type: ignore[misc]  # ase ships no types
    """EMT that builds its neighbour list anew for every structure.

    A list kept from the structure before changes the order of summation, and forces by 2e-14 eV/Å with the
    history of calls; then a resumed run would not give the same bits.
    """

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),  # noqa: ARG002 - ASE's signature
    ) -> None:
        """Evaluate as if ``atoms`` were the first structure ever."""
        super().calculate(atoms, list(properties), list(all_changes))


def engine(settings: AseEmtSettings) -> Engine:
    """Return the effective medium theory of ASE.

    References
    ----------
    K. W. Jacobsen, P. Stoltze, J. K. Nørskov, Surf. Sci. 366, 394 (1996), doi:10.1016/0039-6028(96)00816-3
    """
    return Engine(identity=f"{settings.engine} ase {ase.__version__}", elements=ELEMENTS, make=_Forgetful)
