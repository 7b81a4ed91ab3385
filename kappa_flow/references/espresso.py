"""Quantum ESPRESSO's pw.x as a reference: input and output through ASE, one folder per calculation."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import ase.io
from ase import Atoms, units
from ase.data import atomic_numbers

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.engines import EspressoSettings
from kappa_flow.errors import InputError, NotConvergedError, WorkError
from kappa_flow.references import espresso_born, scf
from kappa_flow.references.base import Engine
from kappa_flow.references.upf import Pseudopotential, read_upf

VARIABLE: Final = "ASE_ESPRESSO_COMMAND"
LEAST_CUTOFF: Final = 60.0
"""Ry, where the pseudopotentials ask for less."""
REMEDIES: Final[tuple[scf.Remedy, ...]] = (
    {},
    {"mixing_beta": 0.3, "patience": 2},
    {"mixing_beta": 0.2, "mixing_mode": "local-TF", "diagonalization": "cg", "patience": 3},
)
_INPUT, _OUTPUT = "espresso.pwi", "espresso.pwo"
_ERROR: Final = re.compile(r"%{20,}\s*\n(.*?)\n\s*%{20,}", re.DOTALL)


def engine(settings: EspressoSettings) -> Engine:
    """Return pw.x with plane waves and pseudopotentials.

    Raises
    ------
    InputError
        When pw.x or a pseudopotential is not found.

    References
    ----------
    P. Giannozzi et al., J. Phys.: Condens. Matter 29, 465901 (2017), doi:10.1088/1361-648X/aa8f79
    """
    words = _words(settings)
    _refuse_lost_moments(settings)
    files = {
        element: _pseudopotential(element, path)
        for element, path in sorted(settings.pseudopotentials.items())
    }
    wave = settings.cutoff or max([LEAST_CUTOFF, *(file.wave_cutoff for file in files.values())])
    times = 8.0 if any(file.ultrasoft for file in files.values()) else 4.0
    density = settings.density_cutoff or max([times * wave, *(f.density_cutoff for f in files.values())])
    usual = settings.model_copy(update={"cutoff": wave, "density_cutoff": density})
    tight = usual.model_copy(
        update={
            "cutoff": scf.TIGHTER * wave,
            "density_cutoff": scf.TIGHTER * density,
            "k_spacing": settings.k_spacing / scf.TIGHTER,
            "scf_threshold": settings.scf_threshold / 100,
        }
    )
    made = _engine(usual, files, words)
    return replace(
        made,
        tighter=_engine(tight, files, words),
        noise_cells=settings.noise_cells,
        **_born_charges(usual, files, words),
    )


def _born_charges(
    settings: EspressoSettings, files: dict[str, Pseudopotential], words: list[str]
) -> dict[str, Any]:
    """Return what the engine says of Born charges: how they are computed, or why not."""
    program, system = _Program(settings, files, words), settings.namelists.get("system", {})
    reason = espresso_born.missing(words)
    if settings.magnetic_moments or system.get("nspin", 1) != 1 or system.get("noncolin"):
        reason = "computes them for crystals without spin"
    if reason is not None:
        return {"no_polar": (reason, "Give force_constants.nac a BORN file")}

    def polar(atoms: Atoms) -> tuple[FloatArray, FloatArray]:
        return espresso_born.tensors(atoms, program.namelists({}), settings.k_spacing, files, words)

    return {"polar": polar}


def version(words: Sequence[str]) -> str:
    """Return what the pw.x in the command calls itself, asked without MPI."""
    return _version(next((word for word in words if Path(word).name.startswith("pw")), words[0]))


@lru_cache
def _version(program: str) -> str:
    with tempfile.TemporaryDirectory(prefix="kappa_flow-pw-") as folder:
        try:
            asked = subprocess.run(  # noqa: S603 - the user's own program
                [program], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return "of unknown version"
    found = re.search(rb"Program PWSCF\s+v\.(\S+)", asked.stdout)
    return "of unknown version" if found is None else found[1].decode()


def _words(settings: EspressoSettings) -> list[str]:
    words = scf.command(settings.command, VARIABLE, "pw.x", settings.engine)
    ends = [words.index(word) for word in ("-in", "-i", "<", ">") if word in words]
    return words[: min(ends)] if ends else words  # ASE's variable used to hold the names of the files


def _refuse_lost_moments(settings: EspressoSettings) -> None:
    """Refuse moments by pw.x's own name: ASE numbers the species and writes what the atoms have."""
    system = settings.namelists.get("system", {})
    if lost := [name for name in system if name.lower().startswith("starting_magnetization")]:
        raise InputError(
            f"reference.namelists: {lost[0]}",
            "would be overwritten",
            "Set reference.magnetic_moments, e.g. {Fe: 2.2}",
        )


def _pseudopotential(element: str, path: Path) -> Pseudopotential:
    if element not in atomic_numbers:
        raise InputError(f"reference.pseudopotentials: {element}", "is no chemical symbol", "Write e.g. Si")
    if not path.is_file():
        raise InputError(
            f"reference.pseudopotentials: {path}",
            "there is no such file, nor one of that name in $ESPRESSO_PSEUDO or Debian's folder",
            "Put it beside the run config",
        )
    return read_upf(path)


def _engine(settings: EspressoSettings, files: dict[str, Pseudopotential], words: list[str]) -> Engine:
    digests = [f"{file.path.name}:{file.digest}" for file in files.values()]
    program = _Program(settings, files, words)
    return Engine(
        identity=" | ".join([settings.engine, f"PWSCF {version(words)}", *digests, scf.said(settings)]),
        elements=frozenset(atomic_numbers[element] for element in files),
        make=lambda: scf.ScfCalculator("pw.x", program.run, REMEDIES),
    )


class _Program:
    """Runs pw.x once, in a folder of its own that is removed afterwards."""

    def __init__(
        self, settings: EspressoSettings, files: dict[str, Pseudopotential], words: list[str]
    ) -> None:
        self._settings = settings
        self._files = files
        self._words = words
        self._valence = {element: file.valence or 1.0 for element, file in files.items()}

    def run(self, atoms: Atoms, remedy: scf.Remedy) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="kappa_flow-pw-") as name:
            folder = Path(name)
            for file in self._files.values():
                (folder / file.path.name).symlink_to(file.path.resolve())
            self._write(atoms, remedy, folder)
            with (folder / _OUTPUT).open("wb") as out:
                ended = subprocess.run(  # noqa: S603 - the user's own program
                    [*self._words, "-in", _INPUT],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.PIPE,
                    check=False,
                )
            return results(folder / _OUTPUT, ended.returncode, ended.stderr.decode(errors="replace"))

    def _write(self, atoms: Atoms, remedy: scf.Remedy, folder: Path) -> None:
        grid = scf.kpoint_grid(atoms.cell.array, self._settings.k_spacing)
        ase.io.write(
            folder / _INPUT,
            scf.with_moments(atoms, self._settings, self._valence),
            format="espresso-in",
            input_data=self.namelists(remedy),
            pseudopotentials={element: file.path.name for element, file in self._files.items()},
            kpts=grid,
            koffset=scf.half_steps(grid, self._settings),
        )

    def namelists(self, remedy: scf.Remedy) -> dict[str, dict[str, Any]]:
        """Return pw.x's input for forces."""
        given, change = self._settings, dict(remedy)
        steps = given.max_iterations * change.pop("patience", 1)
        lists: dict[str, dict[str, Any]] = {
            "control": {
                "calculation": "scf",
                "tprnfor": True,
                "tstress": True,
                "disk_io": "none",
                "outdir": "out",
                "pseudo_dir": ".",
            },
            "system": {
                "ecutwfc": given.cutoff,
                "ecutrho": given.density_cutoff,
                "occupations": "smearing",
                "smearing": "gaussian",
                "degauss": given.smearing / units.Ry,
            },
            "electrons": {"conv_thr": given.scf_threshold, "electron_maxstep": steps},
        }
        if given.xc is not None:
            lists["system"]["input_dft"] = given.xc
        for section, values in given.namelists.items():
            lists.setdefault(section, {}).update(values)
        lists["electrons"].update(change)
        return lists


def results(output: Path, status: int, errors: str = "") -> dict[str, Any]:
    """Return energy (eV), forces (eV/Å) and stress (eV/Å³) of a finished pw.x run.

    Raises
    ------
    NotConvergedError
        When self-consistency was not reached.
    WorkError
        When the run broke down; with pw.x's own words.
    """
    text = output.read_text(errors="replace")
    if "convergence NOT achieved" in text:
        raise NotConvergedError("pw.x", "SCF did not converge", "Raise reference.max_iterations")
    if status != 0 or "JOB DONE" not in text:
        found = _ERROR.search(text)
        words = found[1] if found else scf.ending(status, errors)
        raise WorkError("pw.x", f"failed: {' '.join(words.split())[:200]}", "Look at the reference section")
    calculator = ase.io.read(output, format="espresso-out").calc
    return dict(calculator.results)
