"""page: what the report of κ and that of a potential share: one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from kappa_flow.arrays import IntArray
from kappa_flow.documents import Crystal, Dataset, KappaDocument, SurrogateDocument, TrainingDocument
from kappa_flow.results import figures
from kappa_flow.results.task_graph import TaskTime, duration, task_graph

REFERENCES: Final = (
    (
        "The approach",
        (
            "E. Minamitani, M. Ogura, S. Watanabe, Simulating lattice thermal conductivity in semiconducting "
            "materials using high-dimensional neural network potential, Appl. Phys. Express 12, 095001 (2019)"
        ),
        "10.7567/1882-0786/ab36bc",
    ),
    (
        "The potential",
        (
            "J. Behler, M. Parrinello, Generalized neural-network representation of high-dimensional "
            "potential-energy surfaces, Phys. Rev. Lett. 98, 146401 (2007)"
        ),
        "10.1103/PhysRevLett.98.146401",
    ),
    (
        "The Boltzmann equation",
        (
            "A. Togo, L. Chaput, I. Tanaka, Distributions of phonon lifetimes in Brillouin zones, "
            "Phys. Rev. B 91, 094306 (2015)"
        ),
        "10.1103/PhysRevB.91.094306",
    ),
    (
        "phono3py and phonopy",
        (
            "A. Togo, L. Chaput, T. Tadano, I. Tanaka, Implementation strategies in phonopy and phono3py, "
            "J. Phys.: Condens. Matter 35, 353001 (2023)"
        ),
        "10.1088/1361-648X/acd831",
    ),
)

Row = tuple[str, str]
Drawn = dict[str, str | None]
"""Figures by name, SVG; None is one that there is nothing to draw of."""
SHOWN: Final = {
    "train": "training structures",
    "unseen": "the last round's structures, before they were learned",
}
"""What the parity figure shows; anything else was held out."""


def fill(
    template: str,
    document: KappaDocument | TrainingDocument,
    tasks: Sequence[TaskTime],
    drawn: Drawn,
    parts: Mapping[str, Any],
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    template : str
        File beside this one.
    document : KappaDocument or TrainingDocument
    tasks : sequence of TaskTime
        In the order they were done.
    drawn : dict of str to str or None
        Figures of this page, by name.
    parts : mapping of str to object
        What else the template asks for beyond what every page has.
    """
    every = drawn | {"graph": task_graph(tasks) if tasks else None}
    environment = Environment(
        loader=PackageLoader("kappa_flow.results", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    common = {
        "document": document,
        "title": Markup(formula_html(document.formula)),  # noqa: S704 - escaped inside
        "figures": {name: None if text is None else Markup(text) for name, text in every.items()},  # noqa: S704 - drawn here
        "settings": yaml.safe_dump(document.settings, sort_keys=False, allow_unicode=True),
        "references": REFERENCES,
        "total": duration(sum(task.seconds or 0.0 for task in tasks)) if tasks else None,
        "content_hash": document.content_hash,
    }
    return environment.get_template(template).render({**common, **parts})


def formula_html(formula: str) -> str:
    """Return a formula with its numbers as subscripts, escaped."""
    parts = [f"<sub>{letter}</sub>" if letter.isdigit() else str(escape(letter)) for letter in formula]
    return "".join(parts).replace("</sub><sub>", "")


def crystal_rows(crystal: Crystal, supercell: str) -> list[Row]:
    """Return what the crystal is, and its supercell under that name."""
    atoms = len(crystal.cell.numbers)
    lengths = " × ".join(f"{length:.4f}" for length in (crystal.cell.lattice**2).sum(axis=1) ** 0.5)
    return [
        ("Space group", f"{crystal.spacegroup} ({crystal.spacegroup_number})"),
        ("Conventional cell", f"{lengths} Å, {atoms} atoms"),
        (supercell, repeats(crystal.supercell, atoms)),
    ]


def repeats(matrix: IntArray, atoms: int) -> str:
    """Return a supercell of a cell of so many atoms in words: ``2×2×2, 64 atoms``."""
    diagonal = (matrix == matrix * [[1, 0, 0], [0, 1, 0], [0, 0, 1]]).all()
    shape = "×".join(str(matrix[i, i]) for i in range(3)) if diagonal else str(matrix.tolist())
    return f"{shape}, {atoms * round(abs(np.linalg.det(matrix)))} atoms"


def reference_rows(document: KappaDocument | TrainingDocument, data: Dataset | None) -> list[Row]:
    """Return what labelled the structures, how often, how many were left out and the noise of the forces."""
    rows = [("Reference", document.reference), ("Reference calculations", f"{document.reference_calls}")]
    if data is not None and data.left_out:
        rows.append(
            (
                "Left out, not converged",
                f"{len(data.left_out)} of {len(data) + len(data.left_out)} structures",
            )
        )
    if data is not None and (noise := data.force_noise) is not None:
        text = f"{noise.rms:.1e} eV/Å rms, {noise.largest:.1e} at most, {noise.n_cells} cells"
        rows.append(("Forces against tighter settings", text))
    return rows


def training_figures(trained: SurrogateDocument, errors_on: str) -> Drawn:
    """Return the force parity on the structures of that name, and how training went."""
    return {
        "parity": figures.force_parity(trained, SHOWN.get(errors_on, "held-out structures")),
        "training": figures.training_curves(trained),
    }
