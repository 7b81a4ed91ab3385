"""A displaced supercell put before the snapshots of a round: one the potential does not know well enough."""

from __future__ import annotations

import numpy as np

from kappa_flow.documents.displacements import DisplacedCells
from kappa_flow.documents.snapshots import Snapshots


def led_by(snapshots: Snapshots, cells: DisplacedCells, index: int) -> Snapshots:
    """Return the snapshots with displaced cell ``index`` in the place of the last one.

    Parameters
    ----------
    snapshots : Snapshots
    cells : DisplacedCells
        phono3py's displaced supercells.
    index : int
    """
    cell = cells.structures.geometry([index])
    rest = snapshots.geometry(slice(0, len(snapshots) - 1))
    return Snapshots(
        n_atoms=np.concatenate([cell.n_atoms, rest.n_atoms]),
        cells=np.concatenate([cell.cells, rest.cells]),
        numbers=np.concatenate([cell.numbers, rest.numbers]),
        positions=np.concatenate([cell.positions, rest.positions]),
        origins=(f"displaced cell {index}", *snapshots.origins[:-1]),
        temperatures=np.concatenate([[0.0], snapshots.temperatures[:-1]]),
        trajectory=snapshots.trajectory,
    )
