"""Stillinger-Weber silicon by LAMMPS, and labelled cells of it, for the validation tests."""

import numpy as np
from ase.build import bulk

from kappa_flow import interop, references, structure
from kappa_flow.documents import Dataset
from kappa_flow.documents.engines import LammpsSettings
from kappa_flow.documents.sections import StructureSettings

SILICON = bulk("Si", a=5.431, cubic=True)


def stillinger_weber():
    """The reference."""
    return references.build(
        LammpsSettings(engine="lammps", pair_style="sw", pair_coeff=("* * Si.sw Si",), elements=("Si",))
    )


def crystal():
    """Silicon with a 2×2×2 supercell, not relaxed."""
    settings = StructureSettings(file="unused", supercell=(2, 2, 2))
    return structure.build(interop.cell_from_ase(SILICON), settings, None)


def strained_cells(count):
    """64-atom cells strained by about 1 % and displaced by 0.03 Å, labelled."""
    images, random = [], np.random.default_rng(0)
    for seed in range(count):
        atoms, strain = SILICON * 2, 0.01 * random.normal(size=(3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
        atoms.rattle(0.03, seed=seed)
        images.append(atoms)
    bare = interop.structures_from_ase(images)
    found = stillinger_weber().evaluate(bare)
    return Dataset(
        **{name: getattr(bare, name) for name in ("n_atoms", "cells", "numbers", "positions")},
        energies=found.energies,
        forces=found.forces,
        stresses=found.stresses,
        origins=tuple(f"made {i}" for i in range(count)),
        reference="sw",
    )
