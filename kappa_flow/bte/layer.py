"""Layers: κ per the thickness of the layer instead of per the height of a cell that is mostly vacuum."""

from __future__ import annotations

from phono3py import Phono3py

from kappa_flow.documents.vacuum import emptiest
from kappa_flow.errors import InputError

_VACUUM = 5.0
"""Å without atoms that make a cell one of a layer."""


def layer_share(work: Phono3py, thickness: float | None) -> float:
    """Return the height of the cell over the thickness of its layer; 1 without a thickness.

    The heat current of a layer does not depend on the vacuum beside it, but κ is per volume: κ of a cell of
    height h is h/d of that of a slab of thickness d. The height is that across the emptiest lattice plane.

    Parameters
    ----------
    work : Phono3py
    thickness : float or None
        Å.

    Raises
    ------
    InputError
        When the cell has no vacuum, or is less high than the layer is thick.
    """
    if thickness is None:
        return 1.0
    found = emptiest(work.unitcell.cell, work.unitcell.scaled_positions)
    height, vacuum = found.height, found.empty
    if vacuum < _VACUUM:
        raise InputError(
            f"bte.thickness: {thickness:g} Å",
            f"the crystal is no layer: nowhere are {_VACUUM:g} Å without atoms ({vacuum:.1f} Å at most)",
            "Leave bte.thickness out",
        )
    if thickness > height:
        raise InputError(
            f"bte.thickness: {thickness:g} Å",
            f"thicker than the cell is high ({height:.2f} Å)",
            "Give the layer's own thickness, e.g. the layer distance of the bulk crystal",
        )
    return height / thickness
