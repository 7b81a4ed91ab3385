"""VASP as a reference: input through ASE, output from vasprun.xml, one folder per calculation."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.vasp import Vasp
from ase.data import atomic_numbers

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.engines import VaspSettings
from kappa_flow.errors import InputError, NotConvergedError, WorkError
from kappa_flow.references import scf, vasp_born
from kappa_flow.references.base import Engine

COMMAND: Final = "ASE_VASP_COMMAND"
POTENTIALS: Final = "VASP_PP_PATH"
REMEDIES: Final[tuple[scf.Remedy, ...]] = (
    {},
    {"amix": 0.2, "bmix": 1e-4, "patience": 2},
    {"algo": "All", "patience": 3},
)

Answer = TypeVar("Answer")


def engine(settings: VaspSettings) -> Engine:
    """Return VASP with PAW potentials.

    The version is known only once it has run, so the identity holds settings and POTCARs, not the version.

    Raises
    ------
    InputError
        When there is no command, no $VASP_PP_PATH, or a POTCAR is not in it.

    References
    ----------
    G. Kresse, J. Furthmüller, Phys. Rev. B 54, 11169 (1996), doi:10.1103/PhysRevB.54.11169
    """
    words = scf.command(settings.command, COMMAND, None, settings.engine)
    digests = [f"{name}:{_digest(settings, element, name)}" for element, name in settings.setups.items()]
    tight = settings.model_copy(
        update={
            "cutoff": scf.TIGHTER * settings.cutoff,
            "k_spacing": settings.k_spacing / scf.TIGHTER,
            "scf_threshold": settings.scf_threshold / 10,
        }
    )
    elements = frozenset(atomic_numbers[element] for element in settings.setups)
    command = words[: words.index(">")] if ">" in words else words

    def made(given: VaspSettings) -> Engine:
        identity = " | ".join([given.engine, *digests, scf.said(given)])
        program = _Program(given, command)
        return Engine(identity, elements, lambda: scf.ScfCalculator("vasp", program.run, REMEDIES))

    def polar(atoms: Atoms) -> tuple[FloatArray, FloatArray]:
        return scf.first_converged("vasp", _Program(settings, command).polar, atoms, REMEDIES)

    if no_polar := vasp_born.refused(settings):
        born: dict[str, Any] = {"no_polar": no_polar}
    else:
        born = {"polar": polar}
    return replace(made(settings), tighter=made(tight), noise_cells=settings.noise_cells, **born)


def write_input(settings: VaspSettings, atoms: Atoms, folder: Path, remedy: scf.Remedy) -> list[int]:
    """Write INCAR, KPOINTS, POSCAR, POTCAR; return where each atom stands in VASP's order.

    VASP wants atoms of one element together: row ``order[i]`` of its forces is that of atom ``i``.
    """
    change = dict(remedy)
    tags = _tags(settings, settings.max_iterations * change.pop("patience", 1))
    own = {tag.lower(): value for tag, value in settings.incar.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ASE's, that it would rather have a file than $VASP_PP_PATH
        program = Vasp(
            directory=str(folder),
            xc=settings.xc,
            setups={element: name.removeprefix(element) for element, name in settings.setups.items()},
            kpts=scf.kpoint_grid(atoms.cell.array, settings.k_spacing),
            gamma=settings.k_grid == "gamma-centred",
            **{**tags, **own, **change},
        )
        program.write_input(scf.with_moments(atoms, settings))
    return [int(place) for place in program.resort]


def _tags(settings: VaspSettings, steps: int) -> dict[str, Any]:
    return {
        "prec": "Accurate",
        "algo": "Normal",
        "ediff": settings.scf_threshold,
        "nelm": steps,
        "encut": settings.cutoff,
        "ismear": 0,
        "sigma": settings.smearing,
        "lreal": False,
        "lasph": True,
        "ibrion": -1,
        "nsw": 0,
        "isif": 2,
        "lwave": False,
        "lcharg": False,
    }


def read_output(folder: Path, status: int = 0, errors: str = "") -> dict[str, Any]:
    """Return energy (eV, force-consistent), forces (eV/Å, VASP's order) and stress (eV/Å³) of vasprun.xml.

    Raises
    ------
    NotConvergedError
        When the last ionic step used up all of NELM.
    WorkError
        When VASP failed or left no whole vasprun.xml.
    """
    file = folder / "vasprun.xml"
    try:
        tree = ET.parse(file)  # noqa: S314 - written a moment ago by the user's own program
        steps = [len(step.findall("scstep")) for step in tree.iter("calculation")][-1]
        (limit, *_) = [int(item.text or 0) for item in tree.iter("i") if item.get("name") == "NELM"]
    except (OSError, ET.ParseError, IndexError, ValueError) as error:
        reason = f"left no whole vasprun.xml: {scf.ending(status, errors)}"
        raise WorkError("vasp", reason, "Look at the reference section") from error
    if steps >= limit:
        raise NotConvergedError("vasp", "SCF did not converge", "Raise reference.max_iterations")
    results = dict(ase.io.read(file, index=-1, format="vasp-xml").calc.results)
    return {**results, "energy": results["free_energy"]}


def _digest(settings: VaspSettings, element: str, name: str) -> str:
    if element not in atomic_numbers:
        raise InputError(f"reference.setups: {element}", "is no chemical symbol", "Write e.g. Si")
    if not name.startswith(element):
        reason = f"is no POTCAR folder of {element}"
        raise InputError(f"reference.setups: {element}: {name}", reason, "Write e.g. Ga: Ga_d")
    root = os.environ.get(POTENTIALS)
    if not root or not Path(root).is_dir():
        reason = "it is not set" if not root else "there is no such folder"
        raise InputError(
            f"${POTENTIALS} = {root or ''}", reason, "Give the folder that holds potpaw_PBE, potpaw"
        )
    kind = str(Vasp.xc_defaults.get(settings.xc.lower(), {}).get("pp", "PBE"))
    path = Path(root) / {"LDA": "potpaw", "PBE": "potpaw_PBE"}.get(kind, kind) / name / "POTCAR"
    if not path.is_file():
        raise InputError(
            f"reference.setups: {name}", f"there is no {path}", "Choose one of the folders there"
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


class _Program:
    """Runs VASP once, in a folder of its own that is removed afterwards."""

    def __init__(self, settings: VaspSettings, words: list[str]) -> None:
        self._settings = settings
        self._words = words

    def run(self, atoms: Atoms, remedy: scf.Remedy) -> dict[str, Any]:
        results, order = self._answer(self._settings, atoms, remedy, read_output)
        return {**results, "forces": np.asarray(results["forces"])[order]}

    def polar(self, atoms: Atoms, remedy: scf.Remedy) -> tuple[FloatArray, FloatArray]:
        response = vasp_born.with_response(self._settings)
        (born, dielectric), order = self._answer(response, atoms, remedy, vasp_born.read)
        return born[order], dielectric

    def _answer(
        self,
        settings: VaspSettings,
        atoms: Atoms,
        remedy: scf.Remedy,
        read: Callable[[Path, int, str], Answer],
    ) -> tuple[Answer, list[int]]:
        """Return what ``read`` finds in the folder, and where each atom stands in VASP's order."""
        with tempfile.TemporaryDirectory(prefix="kappa_flow-vasp-") as name:
            folder = Path(name)
            order = write_input(settings, atoms, folder, remedy)
            ended = subprocess.run(  # noqa: S603 - the user's own program
                self._words,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=False,
            )
            return read(folder, ended.returncode, ended.stderr.decode(errors="replace")), order
