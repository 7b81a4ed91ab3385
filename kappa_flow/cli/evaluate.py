"""evaluate: how good a potential is: errors on labelled structures; a crystal's elasticity and phonons."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kappa_flow.cli.console import AsJson, say_json

if TYPE_CHECKING:
    from kappa_flow.arrays import FloatArray
    from kappa_flow.cli.bar import Bar
    from kappa_flow.cli.standard import Standard
    from kappa_flow.documents import Dataset, Evaluation
    from kappa_flow.surrogate import Potential
    from kappa_flow.validation.crystal_check import CrystalCheck


@dataclass(frozen=True)
class Judged:
    """Labelled structures and what a potential says of them."""

    labelled: Dataset
    found: Evaluation
    distances: FloatArray | None
    """From the training data, (n_atoms,), 1 at its edge; None for a potential that does not know."""


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
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.extxyz",
            help="Write predictions on DATASET; per atom its distance from the training data, 1 at the edge.",
        ),
    ] = None,
    *,
    fc3: Annotated[
        bool, typer.Option("--fc3", help="Ask the reference for fc3, too: many evaluations.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare a potential with labels, and on a crystal with a reference: elasticity, phonons, fc2, fc3.

    Says of each DATASET how far its atoms lie outside the training data.
    """
    from kappa_flow.cli.bar import Bar
    from kappa_flow.cli.error_table import potential_in
    from kappa_flow.errors import InputError

    wants_crystal = crystal is not None or reference is not None
    if not datasets and not wants_crystal:
        raise InputError("DATASET", "nothing to compare with", "Give labelled structures, or --crystal FILE")
    if out is not None and not datasets:
        raise InputError(f"--out {out}", "there is no DATASET to predict", "Give labelled structures")
    model = potential_in(potential)
    judged = measured = None
    with Bar() as bar:
        if datasets:
            judged = _judged(model, datasets, bar)
        if wants_crystal:
            from kappa_flow.cli.standard import standard
            from kappa_flow.validation.crystal_check import check_crystal

            known = standard(reference, crystal, bar)
            measured = known, check_crystal(model, known.crystal, known.target, bar, fc3=fc3)
    if out is not None and judged is not None:
        _write(out, judged)
    _say(potential, judged, measured, as_json=as_json)


def _judged(model: Potential, datasets: list[Path], bar: Bar) -> Judged:
    from kappa_flow import dataset

    labelled = dataset.read(datasets, None)
    geometry = labelled.geometry()
    found = model.evaluate(geometry, bar)
    known = model.weights.domain is not None
    return Judged(labelled, found, model.extrapolation(geometry, bar) if known else None)


def _write(out: Path, judged: Judged) -> None:
    from kappa_flow import dataset
    from kappa_flow.cli.places import writing

    found = judged.found
    update = {"energies": found.energies, "forces": found.forces, "stresses": found.stresses}
    per_atom = {} if judged.distances is None else {"extrapolation": judged.distances}
    with writing(out):
        dataset.write_extxyz(judged.labelled.model_copy(update=update), out, per_atom)


def _say(
    potential: Path, judged: Judged | None, measured: tuple[Standard, CrystalCheck] | None, *, as_json: bool
) -> None:
    from kappa_flow.cli import crystal_table, error_table
    from kappa_flow.cli.console import console
    from kappa_flow.validation import extrapolation_by_file, label_errors

    errors = None if judged is None else label_errors(judged.labelled, judged.found)
    outside = None
    if judged is not None and judged.distances is not None:
        outside = extrapolation_by_file(judged.labelled, judged.distances)
    if as_json:
        said: dict[str, Any] = {"potential": str(potential)}
        said["errors"] = None if errors is None else error_table.plain(errors)
        said["extrapolation"] = None if outside is None else [asdict(one) for one in outside]
        said["crystal"] = None if measured is None else crystal_table.plain(*measured)
        say_json(said)
        return
    out = console()
    if errors is not None:
        out.print(error_table.error_table({"all": errors}))
        out.print(f"energy offset {1e3 * errors.energy_offset:.4g} meV/atom")
        out.print(error_table.extrapolation_table(outside))
    if measured is not None:
        crystal_table.show(out, *measured)
