"""Equilibrium molecular dynamics of the supercell, and decorrelated frames of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
from kappa_flow.documents.structures import Structures
from kappa_flow.errors import KappaFlowError
from kappa_flow.protocols import ForceModel, Progress, Trusting, quiet
from kappa_flow.sampling.schedule import Share, Steps, shares
from kappa_flow.sampling.watch import EVERY, Edge, Guard
from kappa_flow.units import BOLTZMANN, FEMTOSECOND

EDGE: Final = ", where it left the training data"
"""Added to the origin of such a frame."""


@dataclass
class Trajectory:
    """One MD run: its frames and how it went."""

    share: Share
    """What was asked for."""
    timestep: float
    """fs."""
    frames: list[FloatArray] = field(default_factory=list)
    """Cartesian positions, (n_atoms, 3) Å each."""
    temperatures: list[float] = field(default_factory=list)
    """K, after each step from the first frame's on."""
    energies: list[float] = field(default_factory=list)
    """Total energies of the same steps, eV/atom."""
    steps: int = 0
    """Steps done."""
    left: bool = False
    """Whether it ended because it left its driver's training data; its last frame shows where."""
    broken: KappaFlowError | None = None
    """Why it ended where it blew up."""
    extrapolation: float | None = None
    """Largest distance from the training data seen, where the driver knows it."""

    @property
    def facts(self) -> dict[str, float]:
        """What `Snapshots.trajectory` says of it."""
        found = {}
        if self.temperatures:
            found["mean temperature"] = float(np.mean(self.temperatures))
            found["energy drift"] = self._drift
        if self.extrapolation is not None:
            found["largest extrapolation"] = self.extrapolation
        if self.left:
            found["left the training data after"] = self.steps * self.timestep
        if self.broken is not None:
            found["blew up after"] = self.steps * self.timestep
        return {f"{name} at {self.share.temperature:g} K": value for name, value in found.items()}

    @property
    def _drift(self) -> float:
        """Slope of the total energy, eV/atom/ps."""
        picoseconds = np.arange(len(self.energies)) * self.timestep * 1e-3
        return float(np.polyfit(picoseconds, self.energies, 1)[0]) if len(self.energies) > 2 else 0.0


def molecular_dynamics(
    crystal: Crystal, settings: SamplingSettings, driver: ForceModel, number: int, progress: Progress = quiet
) -> Snapshots:
    """Return decorrelated frames of Langevin dynamics (NVT) of the fc3 supercell.

    One trajectory per temperature starts on the perfect sites with velocities of 2T, half of which
    equipartition turns into potential energy; nuclei move classically. The centre of mass stays where it is.
    Random numbers come from (seed, round, temperature): the same settings and driver give the same frames.

    A driver that knows its training data is asked every few steps how far the atoms are outside them. Beyond
    ``trust`` the trajectory ends, with that configuration as its last frame: it is what the next fit lacks.
    Dynamics by the surrogate that blows up ends before it did. Fewer frames than asked for are a fact of the
    snapshots, not an error.

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
        When dynamics by the reference blows up, or by the surrogate before there was a single frame.

    References
    ----------
    E. Vanden-Eijnden, G. Ciccotti, Chem. Phys. Lett. 429, 310 (2006), doi:10.1016/j.cplett.2006.07.086
    Ending where the potential extrapolates: E. V. Podryabinkin, A. V. Shapeev, Comput. Mater. Sci. 140, 171
    (2017), doi:10.1016/j.commatsci.2017.08.031
    """
    lattice, numbers, sites = interop.perfect_supercell(crystal)
    runs = []
    for share in shares(settings):
        atoms = Atoms(numbers=numbers, cell=lattice, positions=sites, pbc=True)
        rng = np.random.default_rng((settings.seed, number, share.index))
        runs.append(_run(atoms, share, settings, driver, rng, progress))
    frames = [positions for run in runs for positions in run.frames]
    if not frames:
        raise next(run.broken for run in runs if run.broken is not None)
    moved = Structures.same_atoms(lattice, numbers, np.array(frames))
    return Snapshots(
        n_atoms=moved.n_atoms,
        cells=moved.cells,
        numbers=moved.numbers,
        positions=moved.positions,
        origins=tuple(origin for run in runs for origin in _origins(run, number)),
        temperatures=np.array([run.share.temperature for run in runs for _ in run.frames]),
        trajectory=_facts(runs, settings),
    )


def _origins(run: Trajectory, number: int) -> list[str]:
    last = len(run.frames) - 1
    plain = f"md {run.share.temperature:g} K round {number}"
    return [plain + (EDGE if run.left and index == last else "") for index in range(len(run.frames))]


def _facts(runs: Sequence[Trajectory], settings: SamplingSettings) -> dict[str, float]:
    facts = {name: value for run in runs for name, value in run.facts.items()}
    steps = sum(run.steps for run in runs)
    facts["steps"] = float(steps)
    facts["frames asked for"] = float(settings.frames)
    # the start of each trajectory is one evaluation more
    facts["reference calls"] = float(steps + len(runs) if settings.driver == "reference" else 0)
    return facts


def _run(
    atoms: Atoms,
    share: Share,
    settings: SamplingSettings,
    driver: ForceModel,
    rng: np.random.Generator,
    progress: Progress,
) -> Trajectory:
    steps, guard = Steps.of(settings, share.count), Guard.of(atoms, share.temperature)
    edge = Edge(driver, settings.trust) if isinstance(driver, Trusting) else None
    atoms.calc = driver.calculator()
    run, dynamics = Trajectory(share, settings.timestep), _thermostat(atoms, share, settings, rng)
    while run.steps < steps.total and not run.left:
        try:
            dynamics.run(1)
            guard.check(atoms)
        except KappaFlowError as error:  # a long-range part refuses atoms far from their sites
            if settings.driver == "reference":
                raise
            run.broken = error
            break
        run.steps += 1
        if edge is not None and (run.steps % EVERY == 0 or steps.kept(run.steps)):
            run.left, run.extrapolation = edge.left(atoms), edge.largest
        if run.steps >= steps.first:
            run.temperatures.append(float(atoms.get_temperature()))
            run.energies.append(float(atoms.get_total_energy()) / len(atoms))
        if run.left or steps.kept(run.steps):
            run.frames.append(atoms.positions.copy())
        progress(run.steps, steps.total, f"MD at {share.temperature:g} K")
    return run


def _thermostat(atoms: Atoms, share: Share, settings: SamplingSettings, rng: np.random.Generator) -> Langevin:
    atoms.set_constraint(FixCom())
    spread = np.sqrt(atoms.get_masses() * BOLTZMANN * 2 * share.temperature)
    atoms.set_momenta(spread[:, None] * rng.standard_normal((len(atoms), 3)))
    return Langevin(
        atoms,
        settings.timestep * FEMTOSECOND,
        temperature_K=share.temperature,
        friction=settings.friction / FEMTOSECOND,
        fixcm=False,
        rng=rng,
    )
