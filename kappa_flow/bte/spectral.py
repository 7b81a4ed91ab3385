"""κ over frequency: its density κ(ω) and its running integral, by phonopy's tetrahedra."""

from __future__ import annotations

import numpy as np
from phono3py import Phono3py
from phonopy.phonon.grid import get_ir_grid_points
from phonopy.phonon.spectrum import TetrahedronDOSAccumulator

from kappa_flow.arrays import AnyArray
from kappa_flow.bte.transport import matrix
from kappa_flow.documents.conductivity import SpectralKappa

_POINTS = 201


def spectral_kappa(work: Phono3py, modes: dict[str, AnyArray], index: int) -> SpectralKappa:
    """Return κ per frequency and κ up to each frequency, particles and coherences together.

    The share of a pair of bands is counted half at either. Equal to ``phono3py-kaccum`` where there are no
    coherences; imaginary modes count at zero frequency, as there.

    Parameters
    ----------
    work : Phono3py
        Its grid is that of ``modes``.
    modes : dict
        phono3py's mode arrays.
    index : int
        Of the temperature.
    """
    grid = work.grid
    assert grid is not None  # noqa: S101 - a mesh was solved
    points, _, mapping = get_ir_grid_points(grid)
    shares = modes["mode_kappa"][index]
    if "mode_kappa_inter" in modes:
        shares = shares + modes["mode_kappa_inter"][index]
    found = TetrahedronDOSAccumulator(
        np.maximum(modes["frequency"], 0.0),
        grid,
        mode_property=shares[None],
        ir_grid_points=points,
        ir_grid_map=mapping,
        num_sampling_points=_POINTS,
    ).result
    return SpectralKappa(
        temperature=float(modes["temperature"][index]),
        frequencies=found.sampling_points,
        density=matrix(found.density[0]),
        cumulative=matrix(found.cumulative[0]),
    )
