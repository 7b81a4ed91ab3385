"""How anharmonic a crystal is at a temperature: σ_A of its forces."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from phonopy import Phonopy
from phonopy.harmonic.force_constants import compact_fc_to_full_fc
from phonopy.phonon.random_displacements import RandomDisplacements

from kappa_flow import interop
from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Crystal, Dataset, ForceConstants, Structures
from kappa_flow.documents.lattice_facts import Anharmonicity
from kappa_flow.protocols import ForceModel

TEMPERATURE: Final = 300.0
"""K, of the draws; of labelled cells the temperature nearest to it counts."""
CELLS: Final = 4
"""Thermal draws: with 64 atoms each 768 forces, which fix a ratio of rms values to about 3 %."""
SEED: Final = 1
_THERMAL: Final = re.compile(r"(?:md|thermal)\b\D*([\d.]+) K")
"""Beginning of the origin of cells displaced as heat does it."""


def anharmonicity(
    crystal: Crystal, constants: ForceConstants, labelled: Dataset | None, model: ForceModel | None
) -> Anharmonicity | None:
    r"""Return σ_A of a crystal whose force constants are known.

    .. math:: σ_A(T) = \sqrt{\langle |F - F^{(2)}|^2 \rangle_T / \langle |F|^2 \rangle_T},
        \qquad F^{(2)} = -Φ u

    The averages run over labelled cells from MD or thermal draws where there are any, with the reference's
    forces; else over draws from the classical canonical ensemble of the harmonic crystal at 300 K, with the
    model's. The former contain the error of Φ, too, the latter what the model does not know.

    Parameters
    ----------
    crystal : Crystal
    constants : ForceConstants
    labelled : Dataset, optional
        Cells of other lattices or numbers of atoms are passed over.
    model : ForceModel, optional

    Returns
    -------
    Anharmonicity or None
        None with neither labelled thermal cells nor a model, or where forces are not finite.

    References
    ----------
    Knoop, Purcell, Scheffler, Carbogno, Phys. Rev. Materials 4, 083809 (2020),
    doi:10.1103/PhysRevMaterials.4.083809, eq. 6.
    """
    work = _harmonic(crystal, constants)
    if labelled is not None and (found := _of_labels(work, labelled)) is not None:
        return found
    return None if model is None else _of_draws(work, model)


def _of_labels(work: Phonopy, labelled: Dataset) -> Anharmonicity | None:
    """Return σ_A of the labelled cells at the temperature nearest to 300 K that has any."""
    named = [_THERMAL.match(origin) for origin in labelled.origins]
    fitting = {
        index: float(match[1])
        for index, match in enumerate(named)
        if match is not None and _is_supercell(work, labelled, index)
    }
    if not fitting:
        return None
    at = min(fitting.values(), key=lambda value: abs(value - TEMPERATURE))
    chosen = labelled.subset([index for index, value in fitting.items() if value == at])
    moved = chosen.positions.reshape(len(chosen), -1, 3)
    return _measured(work, moved, chosen.forces, at, "reference")


def _is_supercell(work: Phonopy, labelled: Dataset, index: int) -> bool:
    """Whether a labelled cell is the supercell with its atoms displaced, in the same order."""
    perfect = work.supercell
    same = labelled.n_atoms[index] == len(perfect) and np.allclose(labelled.cells[index], perfect.cell)
    return bool(
        same and np.array_equal(labelled.numbers[labelled.rows_of(np.array([index]))], perfect.numbers)
    )


def _of_draws(work: Phonopy, model: ForceModel) -> Anharmonicity | None:
    perfect = work.supercell
    draws = RandomDisplacements(
        perfect, work.primitive, work.force_constants, dist_func="classical", cutoff_frequency=0.01
    )
    draws.run(TEMPERATURE, CELLS, random_seed=SEED)
    moved = perfect.positions + np.array(draws.u)
    asked = Structures.same_atoms(perfect.cell, perfect.numbers.astype(np.int64), moved)
    return _measured(work, moved, model.evaluate(asked).forces, TEMPERATURE, "surrogate")


def _measured(
    work: Phonopy, positions: FloatArray, forces: FloatArray, temperature: float, source: str
) -> Anharmonicity | None:
    """Return σ_A of cells at these positions (n_cells, n_atoms, 3) with these forces (n_rows, 3)."""
    perfect = work.supercell
    away = (positions - perfect.positions) @ np.linalg.inv(perfect.cell)
    moved = (away - np.rint(away)) @ perfect.cell
    harmonic = -np.einsum("iajb,cjb->cia", _matrix(work), moved)
    left = np.linalg.norm(forces - harmonic.reshape(-1, 3))
    sigma = float(left / np.linalg.norm(forces)) if np.any(forces) else float("nan")
    if not np.isfinite(sigma):
        return None
    found = {"sigma": sigma, "temperature": temperature, "source": source, "cells": len(positions)}
    return Anharmonicity.model_validate(found)


def _matrix(work: Phonopy) -> FloatArray:
    """Return Φ of the supercell, (n_atoms, 3, n_atoms, 3), eV/Å²."""
    return np.asarray(compact_fc_to_full_fc(work.primitive, work.force_constants).transpose(0, 2, 1, 3))


def _harmonic(crystal: Crystal, constants: ForceConstants) -> Phonopy:
    """Return phonopy with compact fc2 of the fc3 supercell: the one labelled cells have."""
    work = interop.phonopy_of(crystal)
    work.force_constants = constants.fc2.copy()
    if crystal.fc2_supercell is None:
        return work
    if constants.polar is not None:
        work.nac_params = constants.polar.nac_params
    return work.ph2ph(crystal.supercell, with_nac=constants.polar is not None)
