"""standard: what ``evaluate --reference`` and ``--crystal`` mean: a crystal and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kappa_flow.errors import InputError

if TYPE_CHECKING:
    from kappa_flow.documents import Crystal, RunConfig
    from kappa_flow.documents.sections import StructureSettings
    from kappa_flow.protocols import Progress, Reference
    from kappa_flow.validation.crystal_check import Target

KINDS = (
    "Give an engine (ase-emt, sevennet), a run config with a reference section, the folder of a potential, "
    "or a phono3py yaml with forces"
)


@dataclass(frozen=True)
class Standard:
    """What a potential is compared with, on which crystal."""

    crystal: Crystal
    name: str | None
    target: Target


def standard(reference: str | None, crystal: Path | None, progress: Progress) -> Standard:
    """Return the crystal and what is known of it; a reference engine relaxes the crystal first.

    Raises
    ------
    InputError
        When ``reference`` is none of the four kinds, or there is no crystal.
    """
    from kappa_flow.validation.crystal_check import Target

    if reference is None:
        if crystal is None:
            raise InputError("--crystal", "is missing", "Give a structure file")
        return Standard(_built(_structure(crystal), None, progress), None, Target())
    path = Path(reference)
    if (path / "potential.json").is_file():
        from kappa_flow.surrogate import Potential

        built = _built(_structure(_needed(crystal, reference)), None, progress)
        return Standard(built, reference, Target(Potential.load(path)))
    if path.is_dir() or (path.is_file() and _of_phono3py(path)):
        return _given(path, crystal)
    if path.is_file():
        from kappa_flow.documents import RunConfig

        return _configured(RunConfig.from_file(path), crystal, progress)
    engine = _engine(reference)
    built = _built(_structure(_needed(crystal, reference)), engine, progress)
    return Standard(built, engine.identity, Target(engine))


def _of_phono3py(path: Path) -> bool:
    """Whether the file is one of phono3py's, by its name or its first lines."""
    if path.suffix in (".xz", ".gz", ".bz2"):
        return True
    with path.open("rb") as file:
        return b"phono3py" in file.read(400)


def _given(path: Path, crystal: Path | None) -> Standard:
    from kappa_flow.validation.crystal_check import Target
    from kappa_flow.validation.given import read_force_constants

    if crystal is not None:
        raise InputError(f"--crystal {crystal}", f"{path} has its own crystal", "Leave --crystal out")
    found = read_force_constants(path)
    return Standard(found.crystal, str(path), Target(None, found.fc2, found.fc3, found.polar))


def _configured(config: RunConfig, crystal: Path | None, progress: Progress) -> Standard:
    """Return the reference, crystal, supercells and Born charges of a run config."""
    from kappa_flow import force_constants, references, structure
    from kappa_flow.force_constants.polar import on_crystal
    from kappa_flow.validation.crystal_check import Target

    model = references.build(config.reference)
    if model is None:
        raise InputError("--reference", "the run config has no reference section", KINDS)
    settings = config.structure if crystal is None else config.structure.model_copy(update={"file": crystal})
    built = _built(settings, model if config.relax else None, progress)
    polar = None
    if config.force_constants.computes_born:
        polar = force_constants.computed(built, model)
    elif config.force_constants.nac is not None:
        cell = structure.read(settings.file)
        polar = force_constants.read_polar(config.force_constants.nac, cell, settings.symprec)
        polar = on_crystal(polar, built)
    return Standard(built, model.identity, Target(model, polar=polar))


def _engine(name: str) -> Reference:
    from pydantic import TypeAdapter, ValidationError

    from kappa_flow import references
    from kappa_flow.documents.engines import EngineSettings

    try:
        made = references.build(TypeAdapter(EngineSettings).validate_python({"engine": name}))
    except ValidationError as error:
        known = any(one["type"] == "missing" for one in error.errors())
        reason = "needs settings of its own" if known else "there is no such file, folder or engine"
        raise InputError(f"--reference {name}", reason, KINDS) from error
    if made is None:
        raise TypeError(name)
    return made


def _structure(file: Path) -> StructureSettings:
    from kappa_flow.documents.sections import StructureSettings

    return StructureSettings(file=file)


def _needed(crystal: Path | None, reference: str) -> Path:
    if crystal is None:
        raise InputError(f"--reference {reference}", "says nothing of the crystal", "Add --crystal FILE")
    return crystal


def _built(settings: StructureSettings, reference: Reference | None, progress: Progress) -> Crystal:
    from kappa_flow import structure

    return structure.build(structure.read(settings.file), settings, reference, progress)
