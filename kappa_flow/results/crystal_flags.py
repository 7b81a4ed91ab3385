"""What a reader of κ must know because of the kind of crystal: a metal, a layer beside vacuum."""

from __future__ import annotations

from collections.abc import Iterator

from kappa_flow.documents import RunConfig
from kappa_flow.documents.kappa import Flag
from kappa_flow.documents.vacuum import emptiest
from kappa_flow.results.evidence import Evidence


def flags(config: RunConfig, evidence: Evidence) -> Iterator[Flag]:
    """Yield ``electrons-left-out`` for what may be a metal, ``vacuum-in-the-cell`` for a layer."""
    from pymatgen.core import Element

    numbers = sorted(set(evidence.crystal.cell.numbers.tolist()))
    if all(Element.from_Z(number).is_metal for number in numbers):
        yield Flag(
            name="electrons-left-out",
            message="all elements are metals: unless this crystal has a gap, its electrons carry heat too, "
            "often most of it, and scatter phonons. κ is that of the lattice alone, without either. Add the "
            "electrons' part, e.g. by Wiedemann and Franz",
            level="note",
        )
    cell = evidence.crystal.cell
    found = emptiest(cell.lattice, cell.positions)
    if found.is_layer and config.bte.thickness is None:
        yield Flag(
            name="vacuum-in-the-cell",
            message=f"{found.told} hold no atom: κ is per volume of the cell, vacuum included, and depends "
            "on how much of it there is. Set bte.thickness to that of the layer",
        )
