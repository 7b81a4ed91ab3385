"""Phonon dispersion and density of states from fc2, with the non-analytical term where there is one."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
import seekpath
from phono3py import Phono3py
from phonopy.phonon.band_structure import BandStructure, get_band_qpoints
from phonopy.phonon.dos import TotalDos
from phonopy.phonon.mesh import Mesh
from phonopy.structure.atoms import PhonopyAtoms

from kappa_flow.arrays import FloatArray
from kappa_flow.bte.meshes import scaled
from kappa_flow.documents.conductivity import Bands

_POINTS = 51
"""Along the longest segment of the path; shorter ones have as many per length."""
_DOS_DIVISIONS = 21


def bands(work: Phono3py, symprec: float) -> Bands:
    """Return the dispersion along seekpath's path and the density of states (tetrahedra, 21 divisions).

    ``work`` has solved a mesh: its dynamical matrix, with the non-analytical term, is used as it is.

    References
    ----------
    Paths: Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), doi:10.1016/j.commatsci.2016.10.015.
    Non-analytical term: Gonze & Lee, Phys. Rev. B 55, 10355 (1997), doi:10.1103/PhysRevB.55.10355.
    """
    matrix, symmetry = work.dynamical_matrix, work.primitive_symmetry
    segments, labels = _path(matrix.primitive, symprec)
    with contextlib.redirect_stdout(io.StringIO()):
        path = BandStructure(segments, matrix)
        mesh = Mesh(
            matrix,
            scaled(work, _DOS_DIVISIONS),
            rotations=symmetry.pointgroup_operations,
            primitive_symmetry=symmetry,
        )
        mesh.run()
        density = TotalDos(mesh, use_tetrahedron_method=True)
        density.run()
    positions, names = _ticks(path.distances, labels)
    return Bands(
        distances=np.concatenate(path.distances),
        frequencies=np.concatenate(path.frequencies),
        tick_positions=positions,
        tick_labels=names,
        dos_frequencies=density.frequency_points,
        dos=density.dos,
    )


def _path(primitive: PhonopyAtoms, symprec: float) -> tuple[list[FloatArray], list[tuple[str, str]]]:
    """Return the q-points of each segment (in the basis of ``primitive``) and the names of its ends."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # seekpath speaks of other primitive cells, which are the same lattice
        found: dict[str, Any] = seekpath.get_path_orig_cell(primitive.totuple(), symprec=symprec)
    labels = [(str(start), str(end)) for start, end in found["path"]]
    ends = [[found["point_coords"][start], found["point_coords"][end]] for start, end in labels]
    return get_band_qpoints(ends, npoints=_POINTS, rec_lattice=np.linalg.inv(primitive.cell)), labels


def _ticks(distances: list[FloatArray], labels: list[tuple[str, str]]) -> tuple[FloatArray, tuple[str, ...]]:
    """Return where the ends of the segments are and what they are called; a jump is written ``X|K``."""
    positions, names = [0.0], [_name(labels[0][0])]
    for index, (distance, (_, end)) in enumerate(zip(distances, labels, strict=True)):
        follower = labels[index + 1][0] if index + 1 < len(labels) else end
        positions.append(float(distance[-1]))
        names.append(_name(end) if follower == end else f"{_name(end)}|{_name(follower)}")
    return np.array(positions), tuple(names)


def _name(label: str) -> str:
    return "Γ" if label == "GAMMA" else label
