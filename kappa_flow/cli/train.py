"""train: a potential from labelled structures; no crystal, no database."""

from __future__ import annotations

import json
import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kappa_flow.cli.console import AsJson, console, say_json

if TYPE_CHECKING:
    from kappa_flow.documents import Dataset
    from kappa_flow.documents.sections import SurrogateSettings
    from kappa_flow.surrogate import Potential
    from kappa_flow.surrogate.fitting.selection import TradeOff
    from kappa_flow.validation.figures import Sets

ENOUGH_FOR_A_TEST = 20
"""From so many structures on, a tenth is kept apart to measure errors unless the settings say otherwise."""


class Model(str, Enum):  # noqa: UP042 - Typer shows the values of a str Enum
    """What is trained."""

    hdnnp = "hdnnp"
    linear = "linear"


def train(  # noqa: PLR0913 - each argument is an option of the command
    datasets: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATASET...", help="Labelled structures: extxyz, phono3py yaml, vasprun.xml, OUTCAR …"
        ),
    ],
    model: Annotated[Model, typer.Option(help="hdnnp, or linear: quicker, fewer data needed.")] = Model.hdnnp,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")] = Path("potential"),
    validation: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Structures only to measure errors on; may be repeated."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A key of the surrogate section, e.g. cutoff=6.0."),
    ] = None,
    *,
    trade_off: Annotated[
        bool, typer.Option("--trade-off", help="Show what fewer functions cost: a table and trade-off.png.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a potential that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a potential on labelled structures of any kind: other cells, surfaces, liquids.

    Writes potential.json, weights.safetensors, parity.png and errors.json. Energies, forces and stresses
    are in eV, eV/Å, eV/Å³.
    """
    from kappa_flow import dataset, surrogate
    from kappa_flow.cli import trade_off_table
    from kappa_flow.cli.bar import Bar
    from kappa_flow.cli.error_table import plain
    from kappa_flow.validation import label_errors

    given = parsed(model.value, settings or [])
    _refuse_to_replace(out, force=force)
    labelled = dataset.read(datasets, None)
    held = dataset.read(validation, None) if validation else None
    given = _with_test(given, settings or [], len(labelled), held)
    parts, started = _parts(labelled, given, held), time.perf_counter()
    curve = trade_off_table.measured(parts, given) if trade_off else None
    with Bar() as bar:
        document = surrogate.train(labelled, given, bar, held)
        potential = surrogate.Potential.from_document(document)
        sets = _predicted(potential, parts)
    errors = {name: label_errors(*pair) for name, pair in sets.items()}
    said = {
        "folder": str(out),
        "model": model.value,
        "settings": given.model_dump(mode="json"),
        "weights": {"kept": document.model["n_weights"], "of": document.weights["linear"][0].size},
        "errors": {name: plain(one) for name, one in errors.items()},
        "trade_off": None if curve is None else trade_off_table.plain(curve),
        "warnings": list(document.warnings),
        "seconds": round(time.perf_counter() - started, 1),
    }
    _write(out, potential, sets, said, curve)
    if as_json:
        say_json(said)
    else:
        _tell(said, errors, curve)


def parsed(model: str, words: list[str]) -> SurrogateSettings:
    """Return the surrogate settings that ``KEY=VALUE`` words make; values as YAML.

    Raises
    ------
    InputError
        Naming the word.
    """
    import yaml
    from pydantic import ValidationError

    from kappa_flow.documents.sections import SurrogateSettings
    from kappa_flow.errors import InputError

    given: dict[str, Any] = {"model": model}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {word}", "is no KEY=VALUE", "Write e.g. --set cutoff=6.0")
        try:
            given[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"--set {word}", "its value cannot be read", "Write it as in YAML") from error
    try:
        return SurrogateSettings.model_validate(given)
    except ValidationError as error:
        complaint = error.errors()[0]
        name = ".".join(str(part) for part in complaint["loc"][:1])
        value = f"{name}={given[name]}" if name in given else ""
        reason = complaint["msg"].removeprefix("Value error, ")
        raise InputError(
            f"--set {value}".strip(), reason, "docs/stages/4-surrogate.md lists the keys"
        ) from error


def _refuse_to_replace(out: Path, *, force: bool) -> None:
    from kappa_flow.cli.run import refuse_no_folder
    from kappa_flow.errors import InputError

    if (out / "potential.json").exists() and not force:
        raise InputError(
            f"--out {out}", "holds a potential", "Give another folder, or replace it with --force"
        )
    refuse_no_folder(out)


def _with_test(
    settings: SurrogateSettings, words: list[str], count: int, held: Dataset | None
) -> SurrogateSettings:
    """Return the settings with a tenth kept apart, where there are enough structures and nothing was said."""
    said = held is not None or any(word.startswith("test_fraction") for word in words)
    return (
        settings if said or count < ENOUGH_FOR_A_TEST else settings.model_copy(update={"test_fraction": 0.1})
    )


def _parts(labelled: Dataset, settings: SurrogateSettings, held: Dataset | None) -> dict[str, Dataset]:
    """Return the data by what it was used for."""
    from kappa_flow.surrogate.fitting.training import Split

    split = Split.draw(len(labelled), settings)
    parts = {"training": labelled.subset(split.train)}
    if split.validation:
        parts["stopping"] = labelled.subset(split.validation)
    if held is not None:
        parts["held out"] = held
    elif split.test:
        parts["held out"] = labelled.subset(split.test)
    return parts


def _predicted(potential: Potential, parts: dict[str, Dataset]) -> Sets:
    return {name: (part, potential.evaluate(part.geometry())) for name, part in parts.items()}


def _write(out: Path, potential: Potential, sets: Sets, said: dict[str, Any], curve: TradeOff | None) -> None:
    from kappa_flow.cli.places import writing
    from kappa_flow.cli.trade_off_table import FIGURE
    from kappa_flow.results.files import whole_files
    from kappa_flow.validation.figures import write_parity

    with writing(out), whole_files(out) as fresh:
        potential.save(fresh)
        write_parity(sets, fresh / "parity.png")
        if curve is not None:
            curve.figure().savefig(fresh / FIGURE, dpi=160)
        text = json.dumps(said, indent=2, ensure_ascii=False)
        (fresh / "errors.json").write_text(text + "\n", encoding="utf-8")


def _tell(said: dict[str, Any], errors: dict[str, Any], curve: TradeOff | None) -> None:
    from rich.markup import escape

    from kappa_flow.cli.error_table import error_table
    from kappa_flow.cli.trade_off_table import FIGURE, trade_off_table

    out, folder = console(), said["folder"]
    out.print(error_table(errors))
    if said["settings"]["regression"] == "lasso":
        out.print("the LASSO kept {kept} of {of} functions".format(**said["weights"]))
    if curve is not None:
        out.print(trade_off_table(curve))
        out.print(f"drawn in {folder}/{FIGURE}", markup=False)
    if "held out" not in errors:
        out.print("[yellow]![/yellow] nothing was kept apart: give --validation FILE for an honest error")
    for warning in said["warnings"]:
        out.print(f"[yellow]![/yellow] {escape(warning)}", soft_wrap=True)
    out.print(
        f"wrote {folder}/potential.json, weights.safetensors, parity.png, errors.json "
        f"in {said['seconds']} s\n"
        f"next:  kappa-flow evaluate {folder} OTHER.extxyz --crystal POSCAR\n"
        f"       kappa_flow.Potential.load({folder!r}).calculator() is an ASE calculator",
        soft_wrap=True,
        markup=False,
    )
