"""Born charges and dielectric tensor by Quantum ESPRESSO: pw.x, then ph.x with an electric field at Γ."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import ase.io
import numpy as np
import spglib
from ase import Atoms

from kappa_flow.arrays import FloatArray
from kappa_flow.errors import InputError, WorkError
from kappa_flow.references import scf
from kappa_flow.references.upf import Pseudopotential

Namelists = Mapping[str, Mapping[str, Any]]

_EMPTY_BANDS: Final = 2
_HEXAGONAL: Final = range(143, 195)
"""Space groups, trigonal ones included, whose symmetry a shifted grid breaks."""
_REMEDY: Final = "Look at the reference section, or give force_constants.nac a BORN file"
_PH: Final = """Born charges and dielectric tensor
&inputph
  prefix = 'pwscf', outdir = 'out', tr2_ph = 1.0d-14,
  trans = .false., epsil = .true., zeu = .true.
/
0 0 0
"""
_NUMBERS: Final = r"\(\s*(-?[\d.]+)\s+(-?[\d.]+)\s+(-?[\d.]+)\s*\)"
_ERROR: Final = re.compile(r"%{20,}\s*\n(.*?)\n\s*%{20,}", re.DOTALL)


def missing(words: Sequence[str]) -> str | None:
    """Return why no Born charges can be computed with this command; None where they can."""
    program = next((word for word in _phonon_command(words) if Path(word).name.startswith("ph")), None)
    if program is None or shutil.which(program) is None:
        return f"finds no ph.x beside the pw.x of {' '.join(words)!r}"
    return None


def tensors(
    atoms: Atoms,
    namelists: Namelists,
    spacing: float,
    files: Mapping[str, Pseudopotential],
    words: Sequence[str],
) -> tuple[FloatArray, FloatArray]:
    """Return Born charges (n_atoms, 3, 3) in e, field first, and the dielectric tensor (3, 3), as ph.x does.

    Bands are filled as in an insulator. The k-points lie half a step off Γ, where these tensors converge
    several times faster, except in hexagonal cells, whose symmetry that breaks.

    Parameters
    ----------
    atoms : Atoms
        The primitive cell.
    namelists : mapping
        pw.x's input for forces; occupations and bands are set here.
    spacing : float
        Largest distance of k-points, Å⁻¹.
    files : mapping of str to Pseudopotential
        By element.
    words : sequence of str
        The command that runs pw.x; ph.x is run alike.

    Raises
    ------
    InputError
        When the number of electrons is odd.
    WorkError
        When a program fails or there is no gap.

    References
    ----------
    S. Baroni, S. de Gironcoli, A. Dal Corso, P. Giannozzi, Rev. Mod. Phys. 73, 515 (2001),
    doi:10.1103/RevModPhys.73.515
    """
    with tempfile.TemporaryDirectory(prefix="kappa_flow-ph-") as name:
        folder = Path(name)
        for file in files.values():
            (folder / file.path.name).symlink_to(file.path.resolve())
        _write(atoms, _insulating(atoms, namelists, files), spacing, files, folder)
        text = _run("pw.x", [*words, "-in", "pw.in"], folder)
        refuse_metal(text)
        (folder / "ph.in").write_text(_PH, encoding="ascii")
        return read(_run("ph.x", [*_phonon_command(words), "-in", "ph.in"], folder), len(atoms))


def read(text: str, n_atoms: int) -> tuple[FloatArray, FloatArray]:
    """Return Born charges and dielectric tensor of ph.x's output, no sum rule applied.

    Raises
    ------
    WorkError
        When they are not in it.
    """
    _, found, rest = text.partition("Dielectric constant in cartesian axis")
    _, charges, after = rest.partition("Effective charges (d Force / dE) in cartesian axis")
    dielectric = re.findall(_NUMBERS, rest)[:3]
    born = re.findall(r"E[xyz*]\w?\s*" + _NUMBERS, after)[: 3 * n_atoms]
    if not (found and charges) or len(dielectric) != 3 or len(born) != 3 * n_atoms:
        raise WorkError("ph.x", "wrote no Born charges or dielectric tensor", _REMEDY)
    return np.array(born, dtype=np.float64).reshape(n_atoms, 3, 3), np.array(dielectric, dtype=np.float64)


def _phonon_command(words: Sequence[str]) -> list[str]:
    """Return the command with pw.x replaced by the ph.x beside it."""

    def other(word: str) -> str:
        path = Path(word)
        return str(path.with_name("ph" + path.name[2:])) if path.name.startswith("pw") else word

    return [other(word) for word in words]


def _insulating(
    atoms: Atoms, namelists: Namelists, files: Mapping[str, Pseudopotential]
) -> dict[str, dict[str, Any]]:
    electrons = round(sum(files[symbol].valence for symbol in atoms.symbols))
    if electrons % 2:
        raise InputError(
            f"{atoms.get_chemical_formula()} with {electrons} valence electrons",
            "an odd number fills no bands: Born charges are those of an insulator",
            "Leave force_constants.nac out",
        )
    lists = {section: dict(values) for section, values in namelists.items()}
    for name in ("smearing", "degauss"):
        lists["system"].pop(name, None)
    lists["system"] |= {"occupations": "fixed", "nbnd": electrons // 2 + _EMPTY_BANDS}
    lists["control"] |= {"disk_io": "low", "prefix": "pwscf", "tprnfor": False, "tstress": False}
    return lists


def _write(
    atoms: Atoms,
    namelists: Namelists,
    spacing: float,
    files: Mapping[str, Pseudopotential],
    folder: Path,
) -> None:
    dataset = spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers))
    shifted = dataset is None or dataset.number not in _HEXAGONAL
    ase.io.write(
        folder / "pw.in",
        atoms,
        format="espresso-in",
        input_data={section: dict(values) for section, values in namelists.items()},
        pseudopotentials={element: file.path.name for element, file in files.items()},
        kpts=scf.kpoint_grid(atoms.cell.array, spacing),
        koffset=(int(shifted),) * 3,
    )


def _run(program: str, words: Sequence[str], folder: Path) -> str:
    ended = subprocess.run(  # noqa: S603 - the user's own program
        words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    text = ended.stdout.decode(errors="replace")
    if "convergence NOT achieved" in text or "No convergence has been achieved" in text:
        raise WorkError(program, "did not converge with full bands, as a metal does not", _REMEDY)
    if ended.returncode != 0 or "JOB DONE" not in text:
        found = _ERROR.search(text)
        said = found[1] if found else scf.ending(ended.returncode, ended.stderr.decode(errors="replace"))
        raise WorkError(program, f"failed: {' '.join(said.split())[:200]}", _REMEDY)
    return text


def refuse_metal(text: str) -> None:
    """Refuse bands without a gap on the grid.

    Raises
    ------
    WorkError
        When the highest full band reaches the lowest empty one.
    """
    levels = re.findall(r"highest occupied, lowest unoccupied level \(ev\):\s+(-?[\d.]+)\s+(-?[\d.]+)", text)
    if levels:
        scf.refuse_metal(float(levels[-1][1]) - float(levels[-1][0]))
