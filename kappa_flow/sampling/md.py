"""Equilibrium molecular dynamics of the supercell, and decorrelated frames of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms
from ase.constraints import FixCom
from ase.md.langevin import Langevin

from kappa_flow import interop
from kappa_flow.arrays import FloatArray
from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.sections import SamplingSettings
from kappa_flow.documents.snapshots import Snapshots
from kappa_flow.errors import WorkError
from kappa_flow.protocols import ForceModel, Progress, quiet
from kappa_flow.units import BOLTZMANN, FEMTOSECOND

TOO_HOT: Final = 5.0
"""MD has blown up when it is this many times hotter than asked."""
TOO_FAR: Final = 0.5
"""… or when an atom is this share of the nearest-neighbour distance away from its site."""
_REMEDY: Final = "Raise sampling.initial or sampling.initial_amplitude, or shorten sampling.timestep"


@dataclass(frozen=True)
class Trajectory:
    """One MD run: its frames and how it went."""

    frames: FloatArray
    """Cartesian positions, (n_frames, n_atoms, 3) Å."""
    mean_temperature: float
    """Over the frames' part of the run, K."""
    energy_drift: float
    """Slope of the total energy over the same part, eV/atom/ps."""
    evaluations: int
    """Force evaluations spent."""


def molecular_dynamics(
    crystal: Crystal, settings: SamplingSettings, driver: ForceModel, number: int, progress: Progress = quiet
) -> Snapshots:
    """Return decorrelated frames of Langevin dynamics (NVT) of the fc3 supercell.

    One trajectory per temperature starts on the perfect sites with velocities of 2T, half of which
    equipartition turns into potential energy; nuclei move classically. The centre of mass stays where it is.
    Random numbers come from (seed, round, temperature): the same settings and driver give the same frames.

    Parameters
    ----------
    crystal : Crystal
    settings : SamplingSettings
        ``frames`` is shared out over ``temperatures``, the first ones getting the rest.
    driver : ForceModel
        What computes the forces.
    number : int
        Round of the learning loop.
    progress : Progress

    Raises
    ------
    WorkError
        When the dynamics blows up.

    References
    ----------
    E. Vanden-Eijnden, G. Ciccotti, Chem. Phys. Lett. 429, 310 (2006), doi:10.1016/j.cplett.2006.07.086
    """
    lattice, numbers, sites = interop.perfect_supercell(crystal)
    shares = [len(part) for part in np.array_split(np.arange(settings.frames), len(settings.temperatures))]
    runs: dict[float, Trajectory] = {}
    for index, (temperature, count) in enumerate(zip(settings.temperatures, shares, strict=True)):
        if count:
            atoms = Atoms(numbers=numbers, cell=lattice, positions=sites, pbc=True)
            atoms.calc = driver.calculator()
            rng = np.random.default_rng((settings.seed, number, index))
            runs[temperature] = _run(atoms, temperature, count, settings, rng, progress)
    images = [
        Atoms(numbers=numbers, cell=lattice, positions=positions, pbc=True)
        for run in runs.values()
        for positions in run.frames
    ]
    structures = interop.structures_from_ase(images)
    asked = np.array([temperature for temperature, run in runs.items() for _ in run.frames])
    return Snapshots(
        n_atoms=structures.n_atoms,
        cells=structures.cells,
        numbers=structures.numbers,
        positions=structures.positions,
        origins=tuple(f"md {temperature:g} K round {number}" for temperature in asked),
        temperatures=asked,
        trajectory=_facts(runs, by_reference=settings.driver == "reference"),
    )


def _facts(runs: dict[float, Trajectory], *, by_reference: bool) -> dict[str, float]:
    facts: dict[str, float] = {}
    for temperature, run in runs.items():
        facts[f"mean temperature at {temperature:g} K"] = run.mean_temperature
        facts[f"energy drift at {temperature:g} K"] = run.energy_drift
    evaluations = sum(run.evaluations for run in runs.values())
    facts["steps"] = float(evaluations - len(runs))
    facts["reference calls"] = float(evaluations if by_reference else 0)
    return facts


def _run(
    atoms: Atoms,
    temperature: float,
    count: int,
    settings: SamplingSettings,
    rng: np.random.Generator,
    progress: Progress,
) -> Trajectory:
    first = max(1, round(settings.equilibration / settings.timestep))
    interval = max(1, round(settings.interval / settings.timestep))
    total = first + (count - 1) * interval
    guard = _guard(atoms, temperature)
    dynamics = _thermostat(atoms, temperature, settings, rng)
    frames: list[FloatArray] = []
    temperatures: list[float] = []
    energies: list[float] = []
    for step in range(1, total + 1):
        dynamics.run(1)
        guard()
        if step >= first:
            temperatures.append(float(atoms.get_temperature()))
            energies.append(float(atoms.get_total_energy()) / len(atoms))
            if (step - first) % interval == 0:
                frames.append(atoms.positions.copy())
        progress(step, total, f"MD at {temperature:g} K")
    picoseconds = np.arange(len(energies)) * settings.timestep * 1e-3
    drift = float(np.polyfit(picoseconds, energies, 1)[0]) if len(energies) > 2 else 0.0
    return Trajectory(np.array(frames), float(np.mean(temperatures)), drift, evaluations=total + 1)


def _thermostat(
    atoms: Atoms, temperature: float, settings: SamplingSettings, rng: np.random.Generator
) -> Langevin:
    atoms.set_constraint(FixCom())
    spread = np.sqrt(atoms.get_masses() * BOLTZMANN * 2 * temperature)
    atoms.set_momenta(spread[:, None] * rng.standard_normal((len(atoms), 3)))
    return Langevin(
        atoms,
        settings.timestep * FEMTOSECOND,
        temperature_K=temperature,
        friction=settings.friction / FEMTOSECOND,
        fixcm=False,
        rng=rng,
    )


def _guard(atoms: Atoms, temperature: float) -> Callable[[], None]:
    """Return a check that the dynamics has not blown up since now."""
    sites = atoms.positions.copy()
    distances = atoms.get_all_distances(mic=True)
    np.fill_diagonal(distances, np.linalg.norm(atoms.cell.array, axis=1).min())
    limit = TOO_FAR * float(distances.min())

    def check() -> None:
        hot = float(atoms.get_temperature())
        far = float(np.linalg.norm(atoms.positions - sites, axis=1).max())
        if not (np.isfinite(far) and np.isfinite(hot)):
            reason = "positions or velocities became NaN"
        elif hot > TOO_HOT * temperature:
            reason = f"temperature rose to {hot:.0f} K"
        elif far > limit:
            reason = f"an atom moved {far:.2f} Å from its site, more than half the nearest-neighbour distance"
        else:
            return
        raise WorkError(f"MD at {temperature:g} K", reason, _REMEDY)

    return check
