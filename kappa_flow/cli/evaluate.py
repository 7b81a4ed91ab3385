"""evaluate: how good a potential is: errors on labelled structures; a crystal's elasticity and phonons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kappa_flow.cli.console import AsJson, say_json

if TYPE_CHECKING:
    from kappa_flow.cli.standard import Standard
    from kappa_flow.documents import Dataset, Evaluation
    from kappa_flow.validation.crystal_check import CrystalCheck


def evaluate(
    potential: Annotated[
        Path, typer.Argument(metavar="POTENTIAL", help="Folder of a potential, or of a run.")
    ],
    datasets: Annotated[
        list[Path] | None, typer.Argument(metavar="[DATASET...]", help="Labelled structures to compare with.")
    ] = None,
    crystal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Structure file: elastic constants and phonons of this crystal."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="What the crystal's are compared with: an engine, a run config, another potential, or a "
            "phono3py yaml with forces.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.extxyz", help="Write predictions on DATASET.")
    ] = None,
    *,
    fc3: Annotated[
        bool, typer.Option("--fc3", help="Ask the reference for fc3, too: many evaluations.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare a potential with labels, and on a crystal with a reference: elasticity, phonons, fc2, fc3."""
    from kappa_flow.cli.bar import Bar
    from kappa_flow.cli.error_table import potential_in
    from kappa_flow.errors import InputError

    wants_crystal = crystal is not None or reference is not None
    if not datasets and not wants_crystal:
        raise InputError("DATASET", "nothing to compare with", "Give labelled structures, or --crystal FILE")
    if out is not None and not datasets:
        raise InputError(f"--out {out}", "there is no DATASET to predict", "Give labelled structures")
    model = potential_in(potential)
    pair = measured = None
    with Bar() as bar:
        if datasets:
            from kappa_flow import dataset

            labelled = dataset.read(datasets, None)
            pair = labelled, model.evaluate(labelled.geometry(), bar)
        if wants_crystal:
            from kappa_flow.cli.standard import standard
            from kappa_flow.validation.crystal_check import check_crystal

            known = standard(reference, crystal, bar)
            measured = known, check_crystal(model, known.crystal, known.target, bar, fc3=fc3)
    if out is not None and pair is not None:
        _write(out, *pair)
    _say(potential, pair, measured, as_json=as_json)


def _write(out: Path, labelled: Dataset, found: Evaluation) -> None:
    from kappa_flow import dataset
    from kappa_flow.cli.places import writing

    update = {"energies": found.energies, "forces": found.forces, "stresses": found.stresses}
    with writing(out):
        dataset.write_extxyz(labelled.model_copy(update=update), out)


def _say(
    potential: Path,
    pair: tuple[Dataset, Evaluation] | None,
    measured: tuple[Standard, CrystalCheck] | None,
    *,
    as_json: bool,
) -> None:
    from kappa_flow.cli import crystal_table, error_table
    from kappa_flow.cli.console import console
    from kappa_flow.validation import label_errors

    errors = None if pair is None else label_errors(*pair)
    if as_json:
        said: dict[str, Any] = {"potential": str(potential)}
        said["errors"] = None if errors is None else error_table.plain(errors)
        said["crystal"] = None if measured is None else crystal_table.plain(*measured)
        say_json(said)
        return
    out = console()
    if errors is not None:
        out.print(error_table.error_table({"all": errors}))
        out.print(f"energy offset {1e3 * errors.energy_offset:.4g} meV/atom")
    if measured is not None:
        crystal_table.show(out, *measured)
