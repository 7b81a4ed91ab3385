"""Thermal displacements: draws from the canonical ensemble of the supercell's harmonic phonons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms
from phonopy import Phonopy
from phonopy.phonon.random_displacements import RandomDisplacements

from kappa_flow import interop
from kappa_flow.arrays import FloatArray
from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.sections import SamplingSettings
from kappa_flow.documents.snapshots import Snapshots
from kappa_flow.documents.structures import Structures
from kappa_flow.protocols import ForceModel, Progress, quiet
from kappa_flow.sampling.schedule import Share, shares
from kappa_flow.sampling.watch import TOO_FAR, nearest_distance

DISTANCE: Final = 0.03
"""Finite displacement for the force constants, Å: phono3py's."""
STILL: Final = 0.01
"""Frequencies nearer to zero than this (THz) are noise; such modes are left alone, as phonopy does."""


@dataclass(frozen=True)
class Drawn:
    """Displacements of one temperature."""

    share: Share
    displacements: FloatArray
    """Å, (count, n_atoms, 3)."""
    shortened: int
    """Displacements of single atoms cut to half the nearest-neighbour distance."""


def thermal(
    crystal: Crystal, settings: SamplingSettings, driver: ForceModel, number: int, progress: Progress = quiet
) -> Snapshots:
    """Return cells displaced as the harmonic crystal is at each temperature.

    The normal modes of the fc3 supercell at its commensurate wave vectors are drawn independently, with

        ⟨|Q|²⟩ = ħ/(2ω) coth(ħω/2k_B T)  (quantum),  k_B T/ω²  (classical),

    by phonopy. The force constants come from the driver's forces on finite displacements. Rigid translations
    are not drawn: the centre of mass stays. Imaginary modes have no such ensemble: they are drawn as if real,
    with |ω| but no less than the lowest real frequency, and counted. An atom drawn farther from its site
    than half the nearest-neighbour distance is put back to there, and counted.
    Random numbers come from (seed, round, temperature).

    Parameters
    ----------
    crystal : Crystal
    settings : SamplingSettings
        ``frames`` is shared out over ``temperatures``, the first ones getting the rest.
    driver : ForceModel
        What the force constants come from.
    number : int
        Round of the learning loop.
    progress : Progress

    References
    ----------
    D. West, S. K. Estreicher, Phys. Rev. Lett. 96, 115504 (2006), doi:10.1103/PhysRevLett.96.115504.
    A. Togo, J. Phys. Soc. Jpn. 92, 012001 (2023), doi:10.7566/JPSJ.92.012001.
    """
    work = force_constants(crystal, driver, progress)
    modes, facts = _modes(work, settings)
    perfect = Atoms(
        numbers=work.supercell.numbers, cell=work.supercell.cell, positions=work.supercell.positions, pbc=True
    )
    drawn = [_draw(modes, perfect, share, (settings.seed, number, share.index)) for share in shares(settings)]
    moved = Structures.same_atoms(
        perfect.cell.array,
        perfect.numbers,
        perfect.positions + np.concatenate([d.displacements for d in drawn]),
    )
    facts |= {f"shortened at {d.share.temperature:g} K": float(d.shortened) for d in drawn}
    by_reference = settings.driver == "reference"
    facts["reference calls"] = float(_evaluations(work) if by_reference else 0)
    return Snapshots(
        n_atoms=moved.n_atoms,
        cells=moved.cells,
        numbers=moved.numbers,
        positions=moved.positions,
        origins=tuple(
            f"thermal ({settings.statistics}) {d.share.temperature:g} K round {number}"
            for d in drawn
            for _ in d.displacements
        ),
        temperatures=np.array([d.share.temperature for d in drawn for _ in d.displacements]),
        trajectory=facts,
    )


def cells_for(crystal: Crystal) -> int:
    """Return the force evaluations the force constants take: displaced cells and the perfect one."""
    return _evaluations(_displaced(crystal))


def _evaluations(work: Phonopy) -> int:
    return len(work.displacements) + 1


def force_constants(crystal: Crystal, driver: ForceModel, progress: Progress = quiet) -> Phonopy:
    """Return phonopy with the force constants of the fc3 supercell, from the driver's forces, eV/Å²."""
    work = _displaced(crystal)
    perfect = work.supercell
    cells = [perfect.positions, *(cell.positions for cell in work.supercells_with_displacements)]
    structures = Structures.same_atoms(perfect.cell, perfect.numbers.astype(np.int64), np.array(cells))
    found = driver.evaluate(structures, progress)
    forces = found.forces.reshape(len(cells), -1, 3)
    work.forces = forces[1:] - forces[0]
    work.produce_force_constants()
    work.symmetrize_force_constants()
    return work


def _displaced(crystal: Crystal) -> Phonopy:
    work = interop.phonopy_of(crystal.model_copy(update={"fc2_supercell": None}))
    work.generate_displacements(distance=DISTANCE)
    return work


def _modes(work: Phonopy, settings: SamplingSettings) -> tuple[RandomDisplacements, dict[str, float]]:
    """Return phonopy's sampler, imaginary modes made real and rigid translations left out, and its facts."""
    modes = RandomDisplacements(
        work.supercell,
        work.primitive,
        work.force_constants,
        dist_func=settings.statistics,
        cutoff_frequency=STILL,
    )
    frequencies = modes.frequencies
    at_gamma = int(np.flatnonzero((modes.qpoints == 0.0).all(axis=1))[0])
    rigid = np.argsort(np.abs(frequencies[at_gamma]))[:3]
    frequencies[at_gamma, rigid] = 0.0
    # of the pairs q and -q one is listed, unless they are the same
    alone = (np.rint(2 * modes.qpoints) == 2 * modes.qpoints).all(axis=1)
    imaginary = frequencies < -STILL
    lowest = float(frequencies[frequencies > STILL].min())
    modes.frequencies = np.where(imaginary, np.maximum(np.abs(frequencies), lowest), frequencies)
    return modes, {
        "imaginary modes": float((imaginary.sum(axis=1) * np.where(alone, 1, 2)).sum()),
        "lowest frequency": float(frequencies.min()) if imaginary.any() else lowest,
    }


def _draw(modes: RandomDisplacements, perfect: Atoms, share: Share, seed: tuple[int, int, int]) -> Drawn:
    (own,) = np.random.SeedSequence(seed).generate_state(1).tolist()
    modes.run(share.temperature, share.count, random_seed=own)
    moved = np.array(modes.u)
    limit = TOO_FAR * nearest_distance(perfect)
    lengths = np.linalg.norm(moved, axis=2, keepdims=True)
    far = lengths > limit
    if far.any():
        moved = moved * np.where(far, limit / lengths, 1.0)
        masses = perfect.get_masses()
        moved -= np.einsum("a,sak->sk", masses, moved)[:, None] / masses.sum()
    return Drawn(share, moved, int(far.sum()))
