"""export: a result as files other programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kappa_flow.cli.console import Database
from kappa_flow.errors import InputError

if TYPE_CHECKING:
    from kappa_flow.documents import Document, KappaDocument
    from kappa_flow.results.evidence import Learned
    from kappa_flow.surrogate import Potential

Write = Callable[[Path], object]
"""Writes files into a folder that is there."""
EXAMPLE: Final = '''"""Energy and forces of the crystal by the trained potential, through ASE."""

from ase.io import read

import kappa_flow as kf

atoms = read("crystal.extxyz")
atoms.calc = kf.Potential.load("potential").calculator()
print(f"energy {atoms.get_potential_energy():.6f} eV, largest force {abs(atoms.get_forces()).max():.6f} eV/Å")
'''


class Format(str, Enum):  # noqa: UP042 - Typer shows the values of a str Enum
    """What to write."""

    csv = "csv"
    json = "json"
    phono3py = "phono3py"
    n2p2 = "n2p2"
    ase = "ase"
    shengbte = "shengbte"
    fourphonon = "fourphonon"
    kaldo = "kaldo"
    alamode = "alamode"


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, kappa.json, or run id.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="PATH", help="File (csv, json; stdout by default) or folder (the others)."
        ),
    ] = None,
    db: Database = None,
    *,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.csv,
) -> None:
    """Write κ(T) as csv or json, force constants for other solvers, or the potential for n2p2 or ASE."""
    from kappa_flow.cli.places import result, with_kappa, writing
    from kappa_flow.results.files import text_of

    folders: dict[Format, Callable[[Mapping[str, Document]], Write]] = {
        Format.phono3py: _phono3py,
        Format.n2p2: _n2p2,
        Format.ase: _ase,
        Format.alamode: _alamode,
        **_SHENGBTE,
    }
    if form in folders:
        _folder(run, db, out or Path(form.value), folders[form])
        return
    document, timings = result(db, run)
    text = csv(with_kappa(document)) if form is Format.csv else text_of(document, timings)
    if out is None:
        typer.echo(text, nl=False)
    else:
        with writing(out):
            out.write_text(text, encoding="utf-8")
        typer.echo(f"wrote {out}")


def csv(document: KappaDocument) -> str:
    """Return κ(T) as comma-separated values: K, W/(m K)."""
    places = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    names = ["xyz"[i] + "xyz"[j] for i, j in places]
    sigma = document.kappa_sigma
    lines = [
        ",".join(["temperature", *(f"kappa_{name}" for name in names), *(f"sigma_{name}" for name in names)])
    ]
    for index, temperature in enumerate(document.temperatures):
        values = [repr(float(document.kappa[index][place])) for place in places]
        spread = ["" if sigma is None else repr(float(sigma[index][place])) for place in places]
        lines.append(",".join([f"{temperature:g}", *values, *spread]))
    return "\n".join(lines) + "\n"


def _folder(
    run: str, db: str | None, folder: Path, prepare: Callable[[Mapping[str, Document]], Write]
) -> None:
    """Write files made from a run's documents into a folder, all or none."""
    from kappa_flow.cli.places import found_run, run_documents, writing
    from kappa_flow.results.files import whole_files

    with found_run(db, run) as (database, name):
        write = prepare(run_documents(database, name)[0])
        with writing(folder), whole_files(folder) as fresh:
            write(fresh)
            names = sorted(path.name for path in fresh.iterdir())
        typer.echo("\n".join(f"wrote {folder / file}" for file in names))


def _phono3py(documents: Mapping[str, Document]) -> Write:
    from kappa_flow.cli.places import with_kappa
    from kappa_flow.results import phono3py_files
    from kappa_flow.results.evidence import Evidence

    with_kappa(documents["results"])
    found = Evidence.of(documents)
    return lambda folder: phono3py_files.write(
        folder, found.crystal, found.displacements, found.force_constants, found.conductivity
    )


def _shengbte(
    documents: Mapping[str, Document], *, four_phonon: bool = False, unambiguous: bool = False
) -> Write:
    """Write CONTROL, FORCE_CONSTANTS_2ND and FORCE_CONSTANTS_3RD of the primitive cell."""
    from kappa_flow.cli.places import with_kappa
    from kappa_flow.results import shengbte_files
    from kappa_flow.results.evidence import Evidence

    found, document = Evidence.of(documents), with_kappa(documents["results"])
    return lambda folder: shengbte_files.write(
        folder,
        found.crystal,
        found.force_constants,
        document,
        four_phonon=four_phonon,
        unambiguous=unambiguous,
    )


_SHENGBTE: Final[dict[Format, Callable[[Mapping[str, Document]], Write]]] = {
    Format.shengbte: _shengbte,
    Format.fourphonon: partial(_shengbte, four_phonon=True),
    Format.kaldo: partial(_shengbte, unambiguous=True),
}
"""The same three files; kALDo takes the nearest image alone, so that its supercell is larger."""


def _alamode(documents: Mapping[str, Document]) -> Write:
    """Write fcs.xml (and fc2.xml, born.dat) for anphon, and an input for it."""
    from kappa_flow.cli.places import with_kappa
    from kappa_flow.results import alamode_files
    from kappa_flow.results.evidence import Evidence

    found, document = Evidence.of(documents), with_kappa(documents["results"])
    return lambda folder: alamode_files.write(folder, found.crystal, found.force_constants, document)


def _n2p2(documents: Mapping[str, Document]) -> Write:
    """Write input.nn, scaling.data, weights.*.data and, labelled, what it was trained on: input.data."""
    from kappa_flow import dataset
    from kappa_flow.surrogate.interchange import n2p2

    found, potential = _for_any_cell(documents)
    labelled = found.dataset
    n2p2.refuse_other_forms(potential)

    def write(folder: Path) -> None:
        potential.to_n2p2(folder, labelled)
        dataset.write_input_data(labelled, folder / "input.data")

    return write


def _ase(documents: Mapping[str, Document]) -> Write:
    """Write the potential, the crystal, the data set and a script that puts them together."""
    from ase import io

    from kappa_flow import dataset, interop

    found, potential = _for_any_cell(documents)
    labelled = found.dataset

    def write(folder: Path) -> None:
        potential.save(folder / "potential")
        dataset.write_extxyz(labelled, folder / "dataset.extxyz")
        io.write(folder / "crystal.extxyz", interop.cell_to_ase(found.crystal.cell), format="extxyz")
        (folder / "example.py").write_text(EXAMPLE, encoding="utf-8")

    return write


def _for_any_cell(documents: Mapping[str, Document]) -> tuple[Learned, Potential]:
    """Return what a run learned from, and its potential; fitted anew where it is for one supercell alone."""
    from kappa_flow.documents import KappaDocument, TrainingDocument
    from kappa_flow.documents.sections import SurrogateSettings
    from kappa_flow.results.evidence import Learned
    from kappa_flow.surrogate import Potential, train

    found, made = Learned.of(documents), documents["results"]
    if found is None or not isinstance(made, (KappaDocument, TrainingDocument)):
        raise InputError("this run", "trained no potential", "Run with forces.source: surrogate")
    potential = Potential.from_document(found.surrogate)
    if potential.lattice is None:
        return found, potential
    typer.echo("fitted anew without lattice terms, which are for the run's supercell alone", err=True)
    settings = SurrogateSettings.model_validate(made.settings["surrogate"])
    polar = None if potential.long_range is None else potential.long_range.tensors
    without = settings.model_copy(update={"lattice_terms": "off"})
    return found, Potential.from_document(train(found.dataset, without, polar=polar))
