"""Born charges and dielectric tensor by VASP: linear response, read from vasprun.xml by phonopy."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import groupby
from pathlib import Path
from typing import Final
from xml.parsers.expat import ExpatError

import numpy as np
from ase.calculators.vasp import Vasp
from phonopy.interface.vasp import VasprunxmlExpat

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.engines import VaspSettings
from kappa_flow.errors import NotConvergedError, WorkError
from kappa_flow.references import scf

_NOT_WITH_RESPONSE: Final = frozenset({"ncore", "npar", "lcalceps", "lrpa", "lepsilon"})
"""Linear response breaks the symmetry and makes k-points anew, which VASP does with one core a band only."""
_REMEDY: Final = "Look at the reference section, or give force_constants.nac a BORN file"


def refused(settings: VaspSettings) -> tuple[str, str] | None:
    """Return why linear response is not for these settings, and what to do; None where it is."""
    tags = {tag.lower(): value for tag, value in settings.incar.items()}
    tags = {**Vasp.xc_defaults.get(settings.xc.lower(), {}), **tags}
    if not tags.get("lhfcalc") and tags.get("metagga") in {None, "", "None", "--"}:
        return None
    return (
        "VASP's linear response (LEPSILON) knows no hybrid functional or meta-GGA",
        "Run VASP with LCALCEPS, then phonopy-vasp-born, and give force_constants.nac the file",
    )


def with_response(settings: VaspSettings) -> VaspSettings:
    """Return the settings with linear response to an electric field.

    Local fields are those of Hartree, exchange and correlation. The tags it does not get on with (NCORE,
    NPAR) are left out.

    References
    ----------
    M. Gajdoš, K. Hummer, G. Kresse, J. Furthmüller, F. Bechstedt, Phys. Rev. B 73, 045112 (2006),
    doi:10.1103/PhysRevB.73.045112
    """
    kept = {tag: value for tag, value in settings.incar.items() if tag.lower() not in _NOT_WITH_RESPONSE}
    return settings.model_copy(update={"incar": {**kept, "LEPSILON": True, "LRPA": False}})


def read(folder: Path, status: int = 0, errors: str = "") -> tuple[FloatArray, FloatArray]:
    """Return Born charges (n_atoms, 3, 3), e, field first, VASP's order, and the dielectric tensor (3, 3).

    Raises
    ------
    NotConvergedError
        When the ground state or the response to a field used up all of NELM.
    WorkError
        When VASP failed, left no whole vasprun.xml or no tensors in it, or there is no gap.
    """
    file = folder / "vasprun.xml"
    try:
        with file.open("rb") as stream:
            found = VasprunxmlExpat(stream)
            found.parse()
        _refuse_unconverged(file)
    except (OSError, ExpatError, ET.ParseError, IndexError, ValueError) as error:
        reason = f"left no whole vasprun.xml: {scf.ending(status, errors)}"
        raise WorkError("vasp", reason, "Look at the reference section") from error
    born, dielectric = found.born, found.epsilon
    if dielectric.shape != (3, 3) or born.shape != (len(found.symbols or ()), 3, 3):
        raise WorkError("vasp", "wrote no Born charges or dielectric tensor into vasprun.xml", _REMEDY)
    scf.refuse_metal(_gap(found.eigenvalues))
    return born, dielectric


def _refuse_unconverged(file: Path) -> None:
    tree = ET.parse(file)  # noqa: S314 - written a moment ago by the user's own program
    (limit, *_) = [int(item.text or 0) for item in tree.iter("i") if item.get("name") == "NELM"]
    steps, ground, self_consistent = 0, True, False
    for (tag, name), parts in groupby(list(tree.iter("calculation"))[-1], lambda x: (x.tag, x.get("name"))):
        if tag == "scstep" and (ground or self_consistent):
            steps = max(steps, len(list(parts)))
        ground = ground and tag != "structure"
        # what comes before this tensor is solved once, at fixed potential, all directions in a row
        self_consistent = self_consistent or name == "epsilon_rpa"
    if steps >= limit:
        raise NotConvergedError("vasp", "SCF did not converge", "Raise reference.max_iterations")


def _gap(eigenvalues: FloatArray | None) -> float:
    """Return the gap (eV) of levels and occupations (n_spin, n_k, n_bands, 2); no bands have none."""
    levels = np.zeros((0, 2)) if eigenvalues is None else np.reshape(eigenvalues, (-1, 2))
    full = levels[:, 1] > 0.5
    if not full.any() or full.all():
        return 0.0
    return float(levels[~full, 0].min() - levels[full, 0].max())
