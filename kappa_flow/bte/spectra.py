"""Phonon dispersion and density of states from fc2, with the non-analytical term where there is one."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
import seekpath
from phono3py import Phono3py
from phonopy import Phonopy
from phonopy.phonon.band_structure import get_band_qpoints
from phonopy.structure.atoms import PhonopyAtoms

from kappa_flow.arrays import FloatArray
from kappa_flow.bte.meshes import scaled
from kappa_flow.documents import Crystal, ForceConstants
from kappa_flow.documents.conductivity import Bands
from kappa_flow.interop import cell_to_phonopy

_POINTS = 51
"""Along the longest segment of the path; shorter ones have as many per length."""
_DOS_DIVISIONS = 21


def bands(crystal: Crystal, force_constants: ForceConstants, work: Phono3py) -> Bands:
    """Return the dispersion along seekpath's path and the density of states (tetrahedra, 21 divisions).

    Paths: Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), doi:10.1016/j.commatsci.2016.10.015.
    Non-analytical term: Gonze & Lee, Phys. Rev. B 55, 10355 (1997), doi:10.1103/PhysRevB.55.10355.
    """
    phonons = _phonopy(crystal, force_constants)
    segments, labels = _path(phonons.primitive, crystal.symprec)
    with contextlib.redirect_stdout(io.StringIO()):
        path = phonons.run_band_structure(segments)
        phonons.run_mesh(scaled(work, _DOS_DIVISIONS))
        density = phonons.run_total_dos(use_tetrahedron_method=True)
    positions, names = _ticks(path.distances, labels)
    return Bands(
        distances=np.concatenate(path.distances),
        frequencies=np.concatenate(path.frequencies),
        tick_positions=positions,
        tick_labels=names,
        dos_frequencies=density.frequency_points,
        dos=density.dos,
    )


def _phonopy(crystal: Crystal, force_constants: ForceConstants) -> Phonopy:
    supercell = crystal.supercell if crystal.fc2_supercell is None else crystal.fc2_supercell
    phonons = Phonopy(
        cell_to_phonopy(crystal.cell),
        supercell_matrix=supercell,
        primitive_matrix=crystal.primitive_matrix,
        symprec=crystal.symprec,
        log_level=0,
    )
    phonons.force_constants = force_constants.fc2.copy()
    if force_constants.polar is not None:
        phonons.nac_params = force_constants.polar.nac_params
    return phonons


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
