"""plan: what a run will do and what it costs in counts, found without running anything."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np

from kappa_flow import bte, displacements, graph, pipeline, sampling, structure
from kappa_flow.cli.memory import memory, of_machine, shortage
from kappa_flow.displacements import CellCount
from kappa_flow.documents import Crystal, Dataset, RunConfig
from kappa_flow.documents.crystal import Cell
from kappa_flow.documents.sizes import in_supercell
from kappa_flow.documents.vacuum import emptiest

FC2: Final = "fc2 supercells"
"""What their reference calculations are called."""


@dataclass(frozen=True)
class Plan:
    """What `check` prints."""

    formula: str
    spacegroup: str
    tasks: tuple[str, ...]
    """Task names in order, the loop's further rounds included."""
    supercell_lengths: tuple[float, ...]
    """Å, fc3 supercell."""
    fc3_cells: int
    fc3_atoms: int
    fc2_cells: int
    fc2_atoms: int
    labelled: int
    """Labelled structures given in files."""
    reference_calls: dict[str, int] = field(default_factory=dict)
    """By purpose, the most the budget allows; the relaxation's are not known beforehand."""
    relaxation: bool = False
    evaluations: int = 0
    """Force evaluations of one member on all displaced and perfect supercells."""
    members: int = 1
    memory: dict[str, int] = field(default_factory=dict)
    """Bytes, at most, by what takes them; the last is what the largest step holds at a time."""
    linewidths: tuple[float, int] | None = None
    """Seconds of one thread the linewidths of the finest mesh take, and in how many tasks; None without κ."""
    warnings: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """Reference calculations expected, the relaxation's left out."""
        return sum(self.reference_calls.values())

    def plain(self) -> dict[str, Any]:
        """Return the plan as JSON-safe data."""
        return {**asdict(self), "reference_calls_total": self.calls}


def plan(config: RunConfig) -> Plan:
    """Read the inputs and count.

    Raises
    ------
    InputError
        When an input cannot be used.
    """
    inputs = pipeline.read(config)
    cell, given = inputs["input.structure"], inputs.get("input.dataset")
    assert isinstance(cell, Cell)  # noqa: S101 - pipeline.read makes it
    crystal = structure.build(cell, config.structure, None)
    tried = structure.tried_supercells(crystal, config.structure) if config.structure.tries_supercells else []
    crystals = [in_supercell(crystal, size) for size in tried] or [crystal]
    crystal = crystals[-1]
    counts = [counted(config, one) for one in crystals]
    count = counts[-1]
    labelled = given if isinstance(given, Dataset) else None
    learned = labelled is not None and labelled.n_atoms.max() >= count.fc2_atoms
    each = [reference_calls(config, *one, fc2=not learned) for one in zip(crystals, counts, strict=True)]
    several = f", at most {len(each)} supercells" if len(each) > 1 else ""
    calls = {
        what.removesuffix(", at most" * bool(several)) + several: sum(one[what] for one in each)
        for what in each[0]
    }
    if config.wants_kappa:
        bte.verify(crystal, config.bte)
    needed = memory(config, crystal, count) if config.wants_kappa else {}
    return Plan(
        formula=crystal.formula,
        spacegroup=f"{crystal.spacegroup} ({crystal.spacegroup_number})",
        tasks=tuple(task.name for task in graph.all_tasks(config, tried)),
        supercell_lengths=tuple(
            float(length) for length in np.linalg.norm(crystal.supercell @ crystal.cell.lattice, axis=1)
        ),
        **asdict(count),
        labelled=0 if labelled is None else len(labelled),
        reference_calls=calls,
        relaxation=config.relax,
        evaluations=_with_perfect(count.fc3_cells) + (_with_perfect(count.fc2_cells) if learned else 0),
        members=config.surrogate.committee if config.trains else 1,
        memory=needed,
        linewidths=bte.expected(crystal, config.bte) if config.wants_kappa else None,
        warnings=warnings(config, crystal, needed),
    )


def counted(config: RunConfig, crystal: Crystal) -> CellCount:
    """Return the displaced supercells; where fc2's is ``auto``, of the largest it may come to."""
    if not config.wants_kappa:
        return displacements.NO_CELLS
    if not config.structure.grows:
        return displacements.count(crystal, config.displacements)
    tried = structure.fc2_supercells(crystal, config.structure)
    # symmetry leaves as many displacements in each, and is found soonest in the smallest
    small, large = (crystal.model_copy(update={"fc2_supercell": one}) for one in (tried[0], tried[-1]))
    return replace(displacements.count(small, config.displacements), fc2_atoms=large.fc2_atoms)


def reference_calls(config: RunConfig, crystal: Crystal, count: CellCount, *, fc2: bool) -> dict[str, int]:
    """Return the reference calculations expected, by purpose; ``fc2``: whether its cells are not learned."""
    born = {"Born charges (primitive cell)": 1} if config.force_constants.computes_born else {}
    fc2_calls, each = {}, _with_perfect(count.fc2_cells)
    if config.structure.grows:
        tried = len(structure.fc2_supercells(crystal, config.structure))
        fc2_calls = {f"{FC2}, at most {tried} sizes": each * tried}
    elif each and config.reference is not None and (fc2 or not config.trains):
        fc2_calls = {FC2: each}
    return _force_calls(config, crystal, count) | fc2_calls | born


def _force_calls(config: RunConfig, crystal: Crystal, count: CellCount) -> dict[str, int]:
    noise = 0 if config.reference is None else config.reference.noise_calls
    if config.forces.source == "reference":
        calls = {"displaced supercells": _with_perfect(count.fc3_cells)}
    elif config.sampling_method == "none":
        return {}
    else:
        calls = sampling.reference_calls(crystal, config.sampling)
    return calls | ({"noise of the forces": noise} if noise else {})


def warnings(config: RunConfig, crystal: Crystal, needed: dict[str, int]) -> tuple[str, ...]:
    """Return what the settings ask for and will not get, one line each."""
    found = []
    if config.surrogate.stress_weight > 0 and not config.sampling.strain and not config.dataset.files:
        found.append(
            "surrogate.stress_weight: every cell will have the same box, which teaches no elastic constants; "
            "set sampling.strain, e.g. 0.01"
        )
    vacuum = emptiest(crystal.cell.lattice, crystal.cell.positions)
    if vacuum.is_layer and config.wants_kappa and config.bte.thickness is None:
        found.append(
            f"bte.thickness: {vacuum.told} hold no atom, and κ will be per volume of the cell, vacuum "
            "included; set it to that of the layer"
        )
    if (short := shortage(needed, of_machine())) is not None:
        found.append(short)
    unused = [name for name in ("displacements", "bte") if name in config.model_fields_set]
    if unused and not config.wants_kappa:
        found.append(f"{', '.join(unused)}: not looked at, because forces.source: none asks for no κ")
    return tuple(found)


def _with_perfect(cells: int) -> int:
    return cells + 1 if cells else 0
