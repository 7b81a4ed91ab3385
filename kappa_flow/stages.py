"""What each stage is given: its documents found, its settings prepared, its function called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np

from kappa_flow import (
    bte,
    convergence,
    dataset,
    displacements,
    force_constants,
    forces,
    results,
    sampling,
    structure,
    surrogate,
    validation,
)
from kappa_flow.documents import (
    Conductivity,
    Crystal,
    Dataset,
    Displacements,
    Document,
    ForceConstants,
    ForceSets,
    Linewidths,
    PolarTensors,
    Result,
    RunConfig,
    Snapshots,
    SolvedMesh,
    SurrogateDocument,
    crystal_of,
)
from kappa_flow.documents.crystal import Cell
from kappa_flow.documents.lattice_facts import LatticeFacts
from kappa_flow.documents.variants import Variations
from kappa_flow.graph import VARIED, Task, latest, meshes_of, parts_of
from kappa_flow.protocols import ForceModel, Progress, Reference, quiet

D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Bench:
    """What tasks work with: the reference, remembered or not, and somebody who watches."""

    reference: Reference | None = None
    progress: Progress = field(default=quiet)


@dataclass(frozen=True)
class Work:
    """One task with everything it may use."""

    task: Task
    config: RunConfig
    documents: Mapping[str, Document]
    """Those `graph.needs` names."""
    bench: Bench

    @property
    def round(self) -> int:
        """Round of the learning loop, 0 outside it."""
        return self.task.round or 0

    def find(self, name: str, kind: type[D]) -> D | None:
        """Return a document, None where there is none of that name and kind."""
        document = self.documents.get(name)
        return document if isinstance(document, kind) else None

    def get(self, name: str, kind: type[D]) -> D:
        """Return a document that must be there."""
        document = self.documents[name]
        if not isinstance(document, kind):
            raise TypeError(f"{name} is a {document.kind}, not a {kind.kind}")
        return document

    @property
    def crystal(self) -> Crystal:
        """The crystal of the run, in the fc2 supercell it has by now."""
        return crystal_of(self.documents)

    @property
    def polar(self) -> PolarTensors | None:
        """Born charges and dielectric tensor: those given, or the reference's."""
        return self.find("input.polar", PolarTensors) or self.crystal.polar

    def latest(self, stage: str, kind: type[D]) -> D | None:
        """Return what the last round made of a stage, None where there was no round."""
        return next((self.get(name, kind) for name in latest(list(self.documents), stage)), None)


def _structure(work: Work) -> Crystal:
    reference = work.bench.reference
    relaxing = reference if work.config.relax else None
    cell = work.get("input.structure", Cell)
    crystal = structure.build(cell, work.config.structure, relaxing, work.bench.progress)
    if reference is None or not work.config.force_constants.computes_born:
        return crystal
    work.bench.progress(0, 1, "Born charges")
    return crystal.model_copy(update={"polar": force_constants.computed(crystal, reference)})


def _sampling(work: Work) -> Snapshots:
    settings = work.config.sampling
    driver: ForceModel | None = None
    if settings.driver == "reference":
        driver = work.bench.reference
    elif settings.learns and (labelled := work.find(f"dataset.{work.round - 1}", Dataset)):
        driver = surrogate.Potential.from_document(_trained(work, labelled, for_dynamics=True))
    pool = settings.model_copy(update={"frames": settings.frames * settings.candidates})
    found = sampling.sample(work.crystal, pool, driver, work.round, work.bench.progress)
    return _chosen(work, found) if work.round and settings.looped else found


def _chosen(work: Work, candidates: Snapshots) -> Snapshots:
    """Return the candidates worth a reference calculation."""
    settings = work.config.sampling
    if len(candidates) <= settings.frames:
        return candidates
    cells = work.find("displacements", Displacements)
    experiment = surrogate.Experiment(
        candidates.geometry(),
        work.config.surrogate,
        labelled=work.find(f"dataset.{work.round - 1}", Dataset),
        wanted=None if cells is None else cells.fc3.structures,
        groups=candidates.origins,
    )
    seed = settings.seed + work.round
    return candidates.subset(np.sort(experiment.choose(settings.frames, settings.selection, seed)))


def _dataset(work: Work) -> Dataset:
    snapshots = work.find(f"sampling.{work.round}", Snapshots)
    reference = work.bench.reference
    if work.task.part is not None:
        return _dataset_part(work, work.task.part)
    before = work.find(f"dataset.{work.round - 1}", Dataset)
    if work.round == 0 and (given := work.find("input.dataset", Dataset)) is not None:
        before = dataset.accept(given, work.crystal, work.config.dataset)
    parts = [work.get(name, Dataset) for name in parts_of(list(work.documents), work.task)]
    return dataset.label(work.crystal, snapshots, reference, before, work.bench.progress, parts)


def _dataset_part(work: Work, part: int) -> Dataset:
    snapshots = work.get(f"sampling.{work.round}", Snapshots)
    assert work.config.reference is not None  # noqa: S101 - labels are made in parts by a reference alone
    assert work.bench.reference is not None  # noqa: S101
    size = work.config.reference.structures_per_task
    mine = range(len(snapshots))[part * size : (part + 1) * size]
    return dataset.label_part(snapshots, mine, work.bench.reference, work.bench.progress)


def _surrogate(work: Work) -> SurrogateDocument:
    labelled = work.get(f"dataset.{work.round}", Dataset)
    document = _trained(work, labelled, for_dynamics=False)
    before = work.find(f"surrogate.{work.round - 1}", SurrogateDocument)
    earlier = work.find(f"dataset.{work.round - 1}", Dataset)
    if before is None or earlier is None or len(earlier) == len(labelled):
        return document
    return surrogate.foretold(document, before, labelled.subset(slice(len(earlier), None)))


def _trained(work: Work, labelled: Dataset, *, for_dynamics: bool) -> SurrogateDocument:
    """Return the potential of these labels: the one κ is made from, or one fit to drive the next MD."""
    settings = work.config.surrogate
    held_out = work.find("input.validation", Dataset)
    if for_dynamics:
        settings, held_out = surrogate.settings_for_dynamics(settings), None
    placed = None if work.polar is None else force_constants.on_crystal(work.polar, work.crystal)
    larger = work.crystal.fc2_supercell is not None and labelled.n_atoms.max() >= work.crystal.fc2_atoms
    crystal = work.crystal if work.config.wants_kappa else None
    return surrogate.train(
        labelled, settings, work.bench.progress, held_out, placed, crystal, larger_cells=larger
    )


def _displacements(work: Work) -> Displacements:
    return displacements.generate(work.crystal, work.config.displacements)


def _forces(work: Work) -> ForceSets:
    cells, reference = work.get("displacements", Displacements), work.bench.reference
    if reference is None:
        return _by_surrogate(work, cells)
    calls = reference.calls
    if work.config.trains:
        found = _by_surrogate(work, cells)
    else:
        found = forces.evaluate(cells, reference, reference.identity, work.bench.progress)
        found = found.model_copy(update={"force_noise": forces.noise(work.crystal, cells, found, reference)})
    if work.task.round is None:
        found = _with_fc2(work, cells, found, reference)
    return found.model_copy(update={"reference_calls": reference.calls - calls})


def _by_surrogate(work: Work, cells: Displacements) -> ForceSets:
    """Return the potential's forces; none on fc2 cells larger than any it learned from."""
    trained = work.latest("surrogate", SurrogateDocument)
    assert trained is not None  # noqa: S101 - of its own round in a trial, which is handed no other
    settings, crystal, progress = work.config.forces, work.crystal, work.bench.progress
    if not trained.knows(crystal.fc2_atoms):
        crystal = crystal.model_copy(update={"fc2_supercell": None})
        cells = cells.model_copy(update={"fc2": None})
    potential = surrogate.Potential.from_document(trained).on(settings.device, settings.memory)
    if work.task.round is not None:
        return forces.evaluate(cells, potential, "surrogate", progress)
    if work.config.displacements.automatic:
        found = convergence.converge(crystal, potential, work.config, work.polar, progress)
    else:
        found = work.latest("forces", ForceSets) or forces.evaluate(cells, potential, "surrogate", progress)
    return forces.with_halved(found, found.displacements or cells, potential, progress)


def _with_fc2(work: Work, cells: Displacements, found: ForceSets, reference: Reference) -> ForceSets:
    """Return ``found`` with the reference's forces on fc2 cells, where it has none."""
    chosen = (found.displacements or cells).model_copy(update={"fc2": cells.fc2})
    own, progress = found.model_copy(update={"displacements": chosen}), work.bench.progress
    if work.config.structure.grows:
        return convergence.enlarge(work.crystal, own, reference, work.config, work.polar, progress)
    if cells.fc2 is None or found.fc2:
        return found
    return own.model_copy(update={"fc2": forces.of_cells(cells.fc2, reference, "fc2", progress)})


def _force_constants(work: Work) -> ForceConstants:
    forces_of = work.get(Task("forces", work.task.round).name, ForceSets)
    cells = forces_of.displacements or work.get("displacements", Displacements)
    settings = work.config.force_constants
    own = work.task.round is not None or forces_of.displacements
    tried = None if own else work.latest("force_constants", ForceConstants)
    found = tried or force_constants.solve(work.crystal, cells, forces_of, settings, work.polar)
    if work.task.round is not None:
        return found
    return force_constants.with_variants(found, work.crystal, cells, forces_of, settings)


def _bte(work: Work) -> Conductivity | Linewidths | SolvedMesh | Variations:
    made, progress = Task("force_constants", work.task.round).name, work.bench.progress
    constants = work.get(made, ForceConstants)
    if work.task.mesh is not None:
        return _bte_mesh(work, work.task.mesh, constants)
    if work.task.varied:
        return bte.vary(work.crystal, constants, work.config.bte, progress)
    if work.task.round is not None or work.task.size is not None:  # a trial: of a round, of a supercell
        alone = constants.model_copy(update={"variants": ()})
        return bte.solve(work.crystal, alone, bte.modest(work.config.bte), progress)
    settings = work.config.bte
    solved = [work.get(name, SolvedMesh) for name in meshes_of(list(work.documents))]
    varied = work.find(f"bte.{VARIED}", Variations)
    return bte.solve(work.crystal, constants, settings, progress, solved, varied)


def _bte_mesh(work: Work, divisions: int, constants: ForceConstants) -> Linewidths | SolvedMesh:
    settings, progress, part = work.config.bte, work.bench.progress, work.task.part
    if part is not None:
        return bte.linewidths(work.crystal, constants, settings, (divisions, part), progress)
    parts = [work.get(name, Linewidths) for name in parts_of(list(work.documents), work.task)]
    return bte.collect(work.crystal, constants, settings, divisions, parts, progress)


def _results(work: Work) -> Result:
    if not work.config.wants_kappa:
        return results.assemble_training(work.config, work.documents)
    seen = replace(work, documents=results.as_one(work.config, work.documents))
    return results.assemble(work.config, work.documents, _facts(seen))


def _facts(work: Work) -> LatticeFacts:
    """Return what is measured of the force constants: nothing of the kind where the crystal is unstable."""
    constants = work.get("force_constants", ForceConstants)
    if work.get("bte", Conductivity).imaginary_modes:
        return LatticeFacts()
    labelled = work.latest("dataset", Dataset)
    trained, settings, model = work.latest("surrogate", SurrogateDocument), work.config.forces, None
    if trained is not None:
        model = surrogate.Potential.from_document(trained).on(settings.device, settings.memory)
    polar = constants.polar is not None
    slopes = None if polar else validation.stiffness_of_fc2(constants.fc2, work.crystal)
    return LatticeFacts(
        anharmonicity=validation.anharmonicity(work.crystal, constants, labelled, model), stiffness=slopes
    )


PERFORM: Final[dict[str, Callable[[Work], Document]]] = {
    "structure": _structure,
    "sampling": _sampling,
    "dataset": _dataset,
    "surrogate": _surrogate,
    "displacements": _displacements,
    "forces": _forces,
    "force_constants": _force_constants,
    "bte": _bte,
    "results": _results,
}
