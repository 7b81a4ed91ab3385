"""Tersoff's 1989 potential: a LAMMPS pair style under its own name."""

from __future__ import annotations

from dataclasses import replace

from kappa_flow.documents.engines import LammpsSettings, TersoffSettings
from kappa_flow.references import lammps
from kappa_flow.references.base import Engine, require


def engine(settings: TersoffSettings) -> Engine:
    """Return the 1989 parameters: C, Ge, and ``Si(D)`` of LAMMPS' ``SiCGe.tersoff``.

    LAMMPS' ``Si.tersoff`` is the set of 1988, with a thermal conductivity ten times smaller.

    Raises
    ------
    InputError
        When LAMMPS is not installed.

    References
    ----------
    J. Tersoff, Phys. Rev. B 39, 5566 (1989), doi:10.1103/PhysRevB.39.5566
    """
    require("lammps", settings.engine)
    elements = tuple(dict.fromkeys(settings.elements))
    names = " ".join("Si(D)" if element == "Si" else element for element in elements)
    made = lammps.engine(
        LammpsSettings(
            engine="lammps",
            pair_style="tersoff",
            pair_coeff=(f"* * SiCGe.tersoff {names}",),
            elements=elements,
        )
    )
    return replace(made, identity=f"{settings.engine} 1989 | {made.identity}")
