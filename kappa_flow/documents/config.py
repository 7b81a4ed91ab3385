"""RunConfig: everything a run is told, one YAML section per stage, in stage order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import yaml
from pydantic import ValidationError, model_validator

from kappa_flow import assets
from kappa_flow.documents.engines import EngineSettings
from kappa_flow.documents.sections import (
    BteSettings,
    DatasetSettings,
    DisplacementsSettings,
    ForceConstantsSettings,
    ForcesSettings,
    ResultsSettings,
    SamplingSettings,
    StructureSettings,
    SurrogateSettings,
)
from kappa_flow.errors import InputError
from kappa_flow.settings import Settings


class RunConfig(Settings):
    """A whole calculation."""

    structure: StructureSettings
    reference: EngineSettings | None = None
    """What labels structures; may be absent when ``dataset.files`` are given."""
    sampling: SamplingSettings = SamplingSettings()
    dataset: DatasetSettings = DatasetSettings()
    surrogate: SurrogateSettings = SurrogateSettings()
    displacements: DisplacementsSettings = DisplacementsSettings()
    forces: ForcesSettings = ForcesSettings()
    force_constants: ForceConstantsSettings = ForceConstantsSettings()
    bte: BteSettings = BteSettings()
    results: ResultsSettings = ResultsSettings()

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        no_reference = self.reference is None
        if no_reference and self.forces.source == "reference":
            raise ValueError("forces.source: reference needs a reference section")
        if no_reference and self.force_constants.computes_born:
            raise ValueError("force_constants.nac.born: reference needs a reference section")
        if self.structure.grows and (no_reference or not self.wants_kappa):
            raise ValueError(
                "structure.fc2_supercell: auto solves κ with fc2 of a reference's forces; "
                "give a reference and a forces.source with κ, or the supercell itself, e.g. [4, 4, 4]"
            )
        if self.structure.tries_supercells and (no_reference or not self.wants_kappa or self.dataset.files):
            raise ValueError(
                "structure.supercell: auto has a reference label cells of each size and compares their κ; "
                "give a reference, a forces.source with κ and no dataset.files, or the supercell itself"
            )
        if no_reference and "relax" in self.structure.model_fields_set and self.structure.relax:
            raise ValueError("structure.relax: true needs a reference section; set relax: false")
        if no_reference and "method" in self.sampling.model_fields_set and self.sampling.method != "none":
            raise ValueError(
                f"sampling.method: {self.sampling.method} needs a reference section to label its structures"
            )
        if self.forces.source == "reference" and self.displacements.automatic:
            raise ValueError(
                "displacements: auto needs a surrogate; by brute force every value tried would take all "
                "reference calculations again"
            )
        if not self.wants_kappa and self.sampling.selection == "displaced-cells":
            raise ValueError(
                "sampling.selection: displaced-cells needs the displaced cells of κ, and forces.source: none "
                "makes none; take d-optimal"
            )
        if self.trains and not self.dataset.files and (no_reference or self.sampling.method == "none"):
            raise ValueError(
                "nothing to train on: give a reference with a sampling.method, or dataset.files, "
                "or forces.source: reference"
            )
        return self

    @property
    def trains(self) -> bool:
        """Whether a potential is trained: not where the reference computes every force."""
        return self.forces.source != "reference"

    @property
    def wants_kappa(self) -> bool:
        """Whether the run ends with κ, not with the potential."""
        return self.forces.source != "none"

    @property
    def settles(self) -> bool:
        """Whether what a round gave decides if another follows, or says that the budget was too small."""
        return self.sampling_method != "none" and self.sampling.looped and self.sampling.tolerance is not None

    @property
    def converges(self) -> bool:
        """Whether a sequence of κ decides something about the displaced cells."""
        return self.displacements.automatic or self.structure.grows

    @property
    def relax(self) -> bool:
        """Whether the structure is relaxed: only a reference can."""
        return self.structure.relax and self.reference is not None

    @property
    def sampling_method(self) -> str:
        """``sampling.method``, or ``none`` where there is no reference to label anything."""
        return self.sampling.method if self.reference is not None else "none"

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read a YAML file; paths inside it are relative to its folder.

        Raises
        ------
        InputError
            When the file is missing, is no YAML mapping, or a key or value is wrong.
        """
        path = Path(path)
        try:
            data = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
        except OSError as error:
            raise InputError(
                f"{path}", error.strerror or str(error), "Give the path of a run config"
            ) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}", f"not valid YAML: {error}", "Correct it; `kappa-flow init` writes a valid one"
            ) from error
        return cls.from_mapping(data, folder=path.resolve().parent, name=str(path))

    @classmethod
    def from_mapping(cls, data: object, folder: Path, name: str = "config") -> Self:
        """Validate plain data; relative paths are taken from ``folder``.

        ``workflow: NAME`` beside the sections takes the settings of that workflow where none are given.

        Raises
        ------
        InputError
            Naming the key, its value and the reason.
        """
        if not isinstance(data, dict):
            raise InputError(name, "holds no mapping of sections", "`kappa-flow init` writes a valid one")
        if "workflow" in data:
            data = _overlaid(dict(data))
        try:
            config = cls.model_validate(data)
        except ValidationError as error:
            raise InputError(*_first_complaint(error, name)) from error
        given = config.model_dump(exclude_unset=True)
        config = cls.model_validate(_map_paths(given, lambda path: folder / path.expanduser()))
        if config.reference is None:
            return config
        return config.model_copy(update={"reference": config.reference.beside(folder)})

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield (key, path) of every input file named."""
        yield "structure.file", self.structure.file
        yield from (("dataset.files", path) for path in self.dataset.files)
        yield from (("dataset.validation", path) for path in self.dataset.validation)
        if self.force_constants.nac is not None and self.force_constants.nac.file is not None:
            yield "force_constants.nac.file", self.force_constants.nac.file

    def plain(self) -> dict[str, Any]:
        """Return the configuration as JSON-safe data, defaults included."""
        return self.model_dump(mode="json")


STAGES: Final = tuple(name for name in RunConfig.model_fields if name != "reference")
"""The calculation, in order: one section of the configuration each."""
LOOP: Final = ("sampling", "dataset", "surrogate")
"""The stages repeated until there are labels enough."""
AHEAD: Final = ("structure", "displacements")
"""The stages that wait for no label."""
TRAINING: Final = ("structure", *LOOP, "results")
"""The stages of a run that ends at the potential."""
TRIAL: Final = ("forces", "force_constants", "bte")
"""The stages that end a round where κ decides whether another follows."""
_NO_ENGINE: Final = ("union_tag_not_found", "model_attributes_type")
_UNNAMED: Final = "names no engine; write e.g. {engine: sevennet}"


class _Loader(yaml.SafeLoader):
    """Safe loader that refuses a key given twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Return the mapping, its keys checked."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen if isinstance(key, yaml.ScalarNode) else False:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} stands twice", key.start_mark
                )
            seen.add(str(key.value))
        return dict(super().construct_mapping(node, deep))


def _overlaid(data: dict[str, Any]) -> dict[str, Any]:
    """Return the sections of a run config laid over those of the workflow it names."""
    chosen = assets.workflow(str(data.pop("workflow")))
    under = yaml.safe_load(chosen.read_text(encoding="utf-8"))["config"]
    laid = {
        name: {**section, **given} if isinstance(given := data.get(name, {}), dict) else given
        for name, section in under.items()
    }
    return {**data, **laid}


def _map_paths(value: Any, change: Callable[[Path], object]) -> Any:
    if isinstance(value, Path):
        return change(value)
    if isinstance(value, dict):
        return {key: _map_paths(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_map_paths(item, change) for item in value]
    return value


def _first_complaint(error: ValidationError, name: str) -> tuple[str, str, str]:
    # Where several kinds of value would do, the kind that was meant is not refused for its type, and its
    # complaint is the deepest.
    complaint = max(error.errors(), key=lambda one: (len(one["loc"]), not one["type"].endswith("_type")))
    where = ".".join(
        str(part)
        for part in complaint["loc"]
        if not str(part).startswith(("function-", "tuple[", "literal[", "constrained-", "TemperatureGrid"))
    )
    more = len(error.errors()) - 1
    reason = _UNNAMED if complaint["type"] in _NO_ENGINE else complaint["msg"].removeprefix("Value error, ")
    value = complaint["input"]
    shown = "" if isinstance(value, dict) else f" = {value!r}"
    remedy = f"Correct it in {name}" + (f" ({more} more after it)" if more else "")
    return f"{where or name}{shown}", reason, remedy
