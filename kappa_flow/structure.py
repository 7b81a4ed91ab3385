"""Structure: which crystal, relaxed and symmetrised, and which supercells its force constants live in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import spglib
from ase import Atoms, io
from ase.calculators.calculator import PropertyNotImplementedError
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.spacegroup.symmetrize import refine_symmetry
from phonopy.interface.phonopy_yaml import load_yaml
from phonopy.structure.cells import guess_primitive_matrix
from pymatgen.core import Structure

from kappa_flow import interop
from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents.crystal import Cell, Crystal, Relaxation, heights
from kappa_flow.documents.sections import StructureSettings
from kappa_flow.documents.sizes import Size
from kappa_flow.errors import InputError, WorkError
from kappa_flow.protocols import Progress, Reference, quiet

STIFFNESS: Final = 1.5
"""eV/Å³ (240 GPa), guessed of the elastic constants. 8 calls for wurtzite AlN, 13 by ASE's own scale."""
MAX_STEPS: Final = 300
"""Relaxation steps before giving up."""
STRESS_PER_FORCE: Final = 0.1
"""Stress tolerance (eV/Å³) per force tolerance (eV/Å): 1e-4 eV/Å asks for 1e-5 eV/Å³ = 1.6 MPa, 5e-6 of a
lattice constant at a bulk modulus of 100 GPa."""
MOST_ATOMS: Final = 20_000
"""In a supercell: its symmetry alone takes minutes, its fc3 86 GB and more."""
RUNAWAY: Final = 10.0
"""Give up when the relaxation changes the volume by this factor."""
COMPRESSIONS: Final = (".xz", ".gz", ".bz2")
_RELAX_REMEDY: Final = "Raise structure.force_tolerance, or start from a structure nearer to the minimum"
_READABLE: Final = "POSCAR, CIF, phonopy/phono3py yaml, extxyz, pymatgen json"


def read(path: Path) -> Cell:
    """Read one periodic cell from any structure file pymatgen, ASE or phonopy reads, compressed or not.

    Returns
    -------
    Cell
        As it stands in the file; of a trajectory, the last frame.

    Raises
    ------
    InputError
        When the file is missing or garbled, or holds no ordered, periodic structure.
    """
    if not path.is_file():
        raise InputError(f"structure.file = {path}", "no such file", "Give the path of a structure file")
    if path.stat().st_size == 0:
        raise InputError(f"structure.file = {path}", "is empty", f"Give one of {_READABLE}")
    try:
        cell = _reader(path)(path)
    except InputError:
        raise
    except Exception as error:  # foreign parsers raise anything; it becomes one clear line
        reason = f"cannot be read as a structure: {type(error).__name__} {str(error)[:160]}"
        raise InputError(f"structure.file = {path}", reason, f"Give one of {_READABLE}") from error
    problem = _problem(cell)
    if problem:
        raise InputError(f"structure.file = {path}", problem, "Give one periodic, ordered crystal structure")
    return cell


def build(
    cell: Cell, settings: StructureSettings, reference: Reference | None, progress: Progress = quiet
) -> Crystal:
    """Symmetrise the cell, relax it with the reference if there is one, and choose the supercells.

    A cell that already is a conventional one keeps its lattice, its orientation and the order of its atoms;
    any other becomes spglib's standardised conventional cell.

    Raises
    ------
    InputError
        When no symmetry is found or a supercell matrix is not right-handed.
    WorkError
        When the relaxation does not converge or leaves the space group.
    """
    cell = _conventional(cell, settings.symprec)
    relaxation = None
    if reference is not None:
        number = _dataset(cell, settings.symprec).number
        relaxed, relaxation = _relaxed(cell, settings, reference, progress)
        cell = _idealised(relaxed, settings.symprec)
        if (found := _dataset(cell, settings.symprec).number) != number:
            reason = f"relaxation led from space group {number} to {found}"
            raise WorkError("structure", reason, "Check structure.file and structure.symprec")
    symmetry = _dataset(cell, settings.symprec)
    asked = None if settings.supercell == "auto" else settings.supercell
    supercell = _supercell(cell, asked, settings.min_length)
    fc2: IntArray | None = None
    given = None if settings.fc2_supercell == "auto" else settings.fc2_supercell
    if given is not None or settings.fc2_min_length is not None:
        fc2 = _supercell(cell, given, settings.fc2_min_length or settings.min_length)
        fc2 = None if np.array_equal(fc2, supercell) else fc2
    return Crystal(
        cell=cell,
        primitive_matrix=guess_primitive_matrix(interop.cell_to_phonopy(cell), symprec=settings.symprec),
        supercell=supercell,
        fc2_supercell=fc2,
        formula=interop.cell_to_pymatgen(cell).composition.reduced_formula,
        spacegroup=symmetry.international,
        spacegroup_number=int(symmetry.number),
        symprec=settings.symprec,
        relaxation=relaxation,
    )


def fc2_supercells(crystal: Crystal, settings: StructureSettings) -> list[IntArray]:
    """Return the supercells of ``structure.fc2_supercell: auto``, all larger than that of fc3.

    Raises
    ------
    InputError
        When ``structure.fc2_limit`` leaves none.
    """
    return _larger(crystal, "structure.fc2_limit", settings.fc2_limit)


def _larger(crystal: Crystal, setting: str, limit: int) -> list[IntArray]:
    """Return supercells of the conventional cell larger than that of fc3, of at most ``limit`` atoms.

    From one to the next the least distance between images grows by the conventional cell's smallest height,
    and there are as many repeats along each axis as that takes, none fewer than in the fc3 supercell.
    """
    before, length = crystal.supercell, heights(crystal.supercell @ crystal.cell.lattice).min()
    found: list[IntArray] = []
    while True:
        length += heights(crystal.cell.lattice).min()
        matrix = np.diag(np.maximum(np.diag(crystal.cell.repeated(length)), np.diag(crystal.supercell)))
        atoms = len(crystal.cell.numbers) * round(np.linalg.det(matrix))
        if atoms > limit:
            break
        if round(np.linalg.det(matrix)) > round(np.linalg.det(before)):
            found.append(matrix)
            before = matrix
    if not found:
        raise InputError(
            f"{setting} = {limit}",
            f"the first supercell larger than that of fc3 has {atoms} atoms",
            "Raise it, or give the supercell itself instead of auto",
        )
    return found


def tried_supercells(crystal: Crystal, settings: StructureSettings) -> list[Size]:
    """Return the repeats of the supercells of ``structure.supercell: auto``, the crystal's own first.

    Raises
    ------
    InputError
        When ``structure.supercell_limit`` leaves no other.
    """
    larger = _larger(crystal, "structure.supercell_limit", settings.supercell_limit)
    repeats = [np.diag(matrix).tolist() for matrix in (crystal.supercell, *larger)]
    return [(first, second, third) for first, second, third in repeats]


def _reader(path: Path) -> Callable[[Path], Cell]:
    suffix = Path(path.stem if path.suffix in COMPRESSIONS else path.name).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _read_yaml
    if suffix == ".json":
        return _read_json
    return _read_cif if suffix == ".cif" else _read_ase


def _read_yaml(path: Path) -> Cell:
    from phono3py.interface.phono3py_yaml import load_phono3py_yaml
    from phonopy.interface.phonopy_yaml import load_phonopy_yaml, read_cell_yaml

    data = load_yaml(path)
    load = load_phono3py_yaml if "phono3py" in data else load_phonopy_yaml
    if "unit_cell" not in data:
        return interop.cell_from_phonopy(read_cell_yaml(path))
    loaded = load(data)
    if loaded.physical_units is not None and loaded.physical_units.distance_to_A != 1.0:
        raise InputError(
            f"structure.file = {path}", "lengths are not in Å", "Give the cell in Å, e.g. as POSCAR"
        )
    return interop.cell_from_phonopy(loaded.unitcell)


def _read_json(path: Path) -> Cell:
    data: Any = json.loads(path.read_text(encoding="utf-8"))
    data = data[0] if isinstance(data, list) else data
    if "lattice" not in data and "structure" not in data:
        return _read_ase(path)
    return interop.cell_from_pymatgen(Structure.from_dict(data.get("structure", data)))


def _read_cif(path: Path) -> Cell:
    structure = Structure.from_file(path)
    if not structure.is_ordered:
        raise InputError(
            f"structure.file = {path}", "has partially occupied sites", "Give an ordered structure"
        )
    return interop.cell_from_pymatgen(structure)


def _read_ase(path: Path) -> Cell:
    try:
        atoms = io.read(path)
    except io.formats.UnknownFileTypeError:
        atoms = io.read(path, format="vasp")
    return interop.cell_from_ase(atoms)


def _problem(cell: Cell) -> str | None:
    """Return why a cell is no crystal, or None."""
    if not (np.isfinite(cell.lattice).all() and np.isfinite(cell.positions).all()):
        return "holds NaN or infinite coordinates"
    if len(cell.numbers) == 0 or abs(np.linalg.det(cell.lattice)) < 1e-3:
        return "has no periodic cell of three lattice vectors, or no atoms"
    if (cell.numbers < 1).any():
        return "holds a dummy atom (atomic number 0)"
    distances = interop.cell_to_ase(cell).get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)
    if distances.min() < 0.3:
        return f"two atoms are only {distances.min():.3f} Å apart"
    return None


def _dataset(cell: Cell, symprec: float) -> Any:
    return _found(spglib.get_symmetry_dataset, cell, symprec)


def _found(ask: Callable[..., Any], cell: Cell, symprec: float, **options: bool) -> Any:
    try:
        answer = ask((cell.lattice, cell.positions, cell.numbers), symprec=symprec, **options)
    except spglib.SpglibError:
        answer = None
    if answer is None:
        raise InputError(
            f"structure.symprec = {symprec}", "spglib finds no symmetry in the cell", "Try another tolerance"
        )
    return answer


def _conventional(cell: Cell, symprec: float) -> Cell:
    """Return the idealised conventional cell; one that is conventional already stays where it is."""
    symmetry = _dataset(cell, symprec)
    given, standard = _parameters(cell.lattice), _parameters(np.asarray(symmetry.std_lattice))
    angle = np.degrees(symprec / given[:3].min())
    tolerance = np.array([symprec] * 3 + [angle] * 3) * 10
    if len(symmetry.std_types) == len(cell.numbers) and (np.abs(given - standard) < tolerance).all():
        return _idealised(cell, symprec)
    lattice, positions, numbers = _found(
        spglib.standardize_cell, cell, symprec, to_primitive=False, no_idealize=False
    )
    return Cell(lattice=lattice, positions=positions % 1.0, numbers=numbers)


def _idealised(cell: Cell, symprec: float) -> Cell:
    """Return the same cell with its symmetry made exact, orientation and order of atoms kept."""
    atoms = interop.cell_to_ase(cell)
    refine_symmetry(atoms, symprec=symprec)
    refined = interop.cell_from_ase(atoms)
    shift = refined.positions - cell.positions
    shift -= np.rint(shift)
    change = float(np.abs(refined.lattice - cell.lattice).max() + np.abs(shift).max())
    chosen = cell if change < 1e-12 else refined
    special = np.rint(chosen.positions * 24) / 24
    near = np.abs(chosen.positions - special) < 1e-12
    return Cell(
        lattice=np.where(np.abs(chosen.lattice) < 1e-12, 0.0, chosen.lattice),
        positions=np.where(near, special, chosen.positions) % 1.0,
        numbers=chosen.numbers,
    )


def _parameters(lattice: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(lattice, axis=1)
    unit = lattice / lengths[:, None]
    angles = [np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    return np.concatenate([lengths, angles])


def _relaxed(
    cell: Cell, settings: StructureSettings, reference: Reference, progress: Progress
) -> tuple[Cell, Relaxation]:
    """Relax cell and positions within the symmetry until forces and stress are below tolerance."""
    atoms = interop.cell_to_ase(cell)
    atoms.calc = reference.calculator()
    atoms.set_constraint(FixSymmetry(atoms, symprec=settings.symprec, verbose=False))
    before = reference.calls
    try:
        steps, force, stress = _minimise(atoms, settings.force_tolerance, progress)
    except PropertyNotImplementedError as error:
        reason = "gives no stress, so it cannot relax a cell"
        raise WorkError(reference.identity, reason, "Set structure.relax: false") from error
    except RuntimeError as error:  # FixSymmetry, when one step strains the cell by a quarter
        raise WorkError("structure", f"relaxation ran away: {error}", _RELAX_REMEDY) from error
    return interop.cell_from_ase(atoms), Relaxation(
        reference=reference.identity,
        energy=float(atoms.get_potential_energy()),
        max_force=force,
        max_stress=stress,
        steps=steps,
        calls=reference.calls - before,
    )


def _minimise(atoms: Atoms, tolerance: float, progress: Progress) -> tuple[int, float, float]:
    """Minimise in place; return steps, largest force (eV/Å) and stress (eV/Å³) components left."""
    # BFGS starts from one curvature for all: the cell's logarithmic strain is scaled to have that of an atom;
    # a scale below 1 would let its longest step strain a cell by more than FixSymmetry allows
    scale = max(1.0, float(np.sqrt(atoms.get_volume() * STIFFNESS / BFGS.defaults["alpha"])))
    optimizer = BFGS(FrechetCellFilter(atoms, exp_cell_factor=scale), logfile=None)
    force = stress = np.inf
    start = atoms.get_volume()
    for _ in optimizer.irun(fmax=1e-12, steps=MAX_STEPS):
        force = float(np.abs(atoms.get_forces()).max())
        stress = float(np.abs(atoms.get_stress()).max())
        left = f"force {force:.1e} eV/Å, stress {stress:.1e} eV/Å³"
        progress(optimizer.nsteps, MAX_STEPS, f"relaxation: {left}")
        if force < tolerance and stress < tolerance * STRESS_PER_FORCE:
            return optimizer.nsteps, force, stress
        if not 1 / RUNAWAY < (share := atoms.get_volume() / start) < RUNAWAY:
            raise WorkError(
                f"structure: {left}", f"relaxation ran away to {share:.2g} of the volume", _RELAX_REMEDY
            )
    raise WorkError(f"structure: {left}", f"not relaxed after {MAX_STEPS} steps", _RELAX_REMEDY)


def _supercell(cell: Cell, given: tuple[Any, ...] | None, min_length: float) -> IntArray:
    """Return the matrix given, or the least diagonal one whose images are ``min_length`` (Å) apart."""
    if given is None:
        return cell.repeated(min_length)
    matrix = np.array(given, dtype=np.int64)
    matrix = np.diag(matrix) if matrix.ndim == 1 else matrix
    if round(np.linalg.det(matrix)) < 1:
        raise InputError(
            f"supercell = {matrix.tolist()}", "its determinant is not positive", "Give e.g. [2, 2, 2]"
        )
    if (size := len(cell.numbers) * round(np.linalg.det(matrix))) > MOST_ATOMS:
        reason = f"it has {size} atoms, more than {MOST_ATOMS}"
        raise InputError(f"supercell = {matrix.tolist()}", reason, "Take a smaller one")
    return matrix
