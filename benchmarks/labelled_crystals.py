"""Crystals labelled on the spot by a classical potential or SevenNet: rattled cells and displaced ones."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peers
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from phono3py import Phono3py
from phonopy.structure.atoms import PhonopyAtoms
from pydantic import TypeAdapter
from reference_calls import SEVENNET, lammps

from kappa_flow import references
from kappa_flow.documents.engines import EngineSettings
from kappa_flow.interop import structures_from_ase

CRYSTALS: dict[str, tuple[str, str, float, dict[str, Any]]] = {
    "si-sw": ("Si", "diamond", 5.431, lammps("sw", "Si.sw", "Si")),
    "ge-tersoff": ("Ge", "diamond", 5.6567, lammps("tersoff", "SiCGe.tersoff", "Ge")),
    "mgo-sevennet": ("MgO", "rocksalt", 4.22, SEVENNET),
    "sic-sevennet": ("SiC", "zincblende", 4.36, SEVENNET),
}
KEPT = Path(tempfile.gettempdir()) / "kappa_flow_labels"
AMPLITUDE = 0.03
"""Å, of every displacement."""


@dataclass(frozen=True)
class LabelledCrystal:
    """Cells of 2×2×2 with energies and forces."""

    rattled: list[Atoms]
    displaced: list[Atoms]
    """phono3py's, in its order; forces less those of the perfect cell."""
    ph3: Phono3py


def make(name: str, rattled: int) -> LabelledCrystal:
    """Return so many rattled cells and all displaced ones, the same each time; labelled once, then kept."""
    formula, structure, length, engine = CRYSTALS[name]
    unit = bulk(formula, structure, a=length, cubic=True)
    cell = PhonopyAtoms(
        numbers=unit.numbers, cell=unit.cell.array, scaled_positions=unit.get_scaled_positions()
    )
    ph3 = Phono3py(cell, [2, 2, 2], primitive_matrix="auto", log_level=0)
    ph3.generate_displacements(distance=AMPLITUDE)
    rest = peers.as_ase(ph3.supercell)
    moved = [peers.as_ase(one) for one in ph3.supercells_with_displacements or []]
    images = [*shaken(rest, rattled), *moved]
    reference = references.build(TypeAdapter(EngineSettings).validate_python(engine))
    assert reference is not None
    asked = structures_from_ase([*images, rest])
    key = hashlib.sha256(f"{reference.identity} {asked.content_hash}".encode()).hexdigest()
    kept = KEPT / f"{name}_{key[:16]}.npz"
    if not kept.is_file():
        labels = reference.evaluate(asked)
        KEPT.mkdir(exist_ok=True)
        np.savez(kept, energies=labels.energies, forces=labels.forces)
    found = np.load(kept)
    forces = found["forces"].reshape(-1, len(rest), 3)
    forces[rattled:-1] -= forces[-1]
    for atoms, energy, force in zip(images, found["energies"], forces, strict=False):
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=force)
    return LabelledCrystal(images[:rattled], images[rattled:], ph3)


def shaken(rest: Atoms, count: int) -> list[Atoms]:
    """Return cells with every atom displaced by the amplitude, along random directions."""
    rng, cells = np.random.default_rng(0), []
    for _ in range(count):
        direction = rng.standard_normal(rest.positions.shape)
        cells.append(rest.copy())
        cells[-1].positions += AMPLITUDE * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    return cells
