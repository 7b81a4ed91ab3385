"""Small labelled sets and untrained potentials for the surrogate tests."""

import numpy as np
import torch
from ase.build import bulk
from ase.calculators.emt import EMT

from kappa_flow.documents import Dataset, PolarTensors, Structures
from kappa_flow.interop import cell_from_ase
from kappa_flow.surrogate import Potential
from kappa_flow.surrogate.compression import Compression
from kappa_flow.surrogate.descriptors.classical import NarrowFunctions
from kappa_flow.surrogate.descriptors.radial import RadialBasis
from kappa_flow.surrogate.descriptors.symmetry import SymmetryFunctions
from kappa_flow.surrogate.electrostatics import DipoleInteraction
from kappa_flow.surrogate.kernels.neighbors import find_neighbors
from kappa_flow.surrogate.network import NetworkShape
from kappa_flow.surrogate.weights import Weights


def one(atoms):
    """ASE atoms as a batch of one."""
    return Structures.same_atoms(atoms.cell.array, atoms.numbers.astype(np.int64), atoms.positions[None])


def batch(images):
    """ASE atoms of any sizes as a batch."""
    return Structures(
        n_atoms=np.array([len(atoms) for atoms in images]),
        cells=np.array([atoms.cell.array for atoms in images]),
        numbers=np.concatenate([atoms.numbers for atoms in images]),
        positions=np.concatenate([atoms.positions for atoms in images]),
    )


def salt(amplitude=0.1, seed=0):
    """A skewed, displaced 8-atom rock-salt cell, smaller than the cutoffs used here."""
    atoms = bulk("NaCl", "rocksalt", 5.6, cubic=True)
    skew = np.array([[0, 0.3, 0], [0, 0, 0.2], [0.1, 0, 0]])
    atoms.set_cell(atoms.cell.array + skew, scale_atoms=True)
    atoms.rattle(amplitude, seed=seed)
    return atoms


def salt_functions(cutoff=6.0, angular="legendre", pairs="all", cutoff_function="smooth"):
    """A few functions of two elements."""
    basis = RadialBasis.spread(3, 2.5, cutoff, cutoff_function)
    if angular == "behler-narrow":
        return NarrowFunctions((11, 17), basis, 4)
    return SymmetryFunctions((11, 17), basis, 4, angular, pairs)


def salt_dipoles():
    """The dipole–dipole part of rock salt with a = 5.6 Å."""
    charges = np.array([np.eye(3), -np.eye(3)])
    cell = cell_from_ase(bulk("NaCl", "rocksalt", 5.6))
    polar = PolarTensors(born=charges, dielectric=2.5 * np.eye(3), factor=14.399652, cell=cell)
    return DipoleInteraction.of(polar, 0.5)


def random_potential(functions, members=3, hidden=(5,)):
    """A potential with random weights of order one: identities hold for any weights."""
    generator = torch.Generator().manual_seed(7)
    elements, count, inputs = len(functions.elements), functions.n_functions, 4

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    shape = NetworkShape(elements, inputs, hidden)
    compression = Compression(draw(elements, count), draw(elements, count, inputs) / count)
    weights = Weights(
        compression,
        draw(members, elements, count) / count,
        shape.random(members, 1.0, generator),
        draw(members, elements),
    )
    return Potential(functions, shape, weights, device="cpu")


def labelled(images, calculator):
    """A data set labelled by an ASE calculator, or as the images are (None)."""
    energies, forces, stresses = [], [], []
    for atoms in images:
        atoms.calc = calculator or atoms.calc
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        if "stress" in getattr(atoms.calc, "results", {}) or "stress" in atoms.calc.implemented_properties:
            stresses.append(atoms.get_stress(voigt=False))
    return Dataset(
        **{name: getattr(batch(images), name) for name in ("n_atoms", "cells", "numbers", "positions")},
        energies=np.array(energies),
        forces=np.concatenate(forces),
        stresses=np.array(stresses) if stresses else None,
        origins=tuple(f"made {i}" for i in range(len(images))),
        reference="ase-emt",
    )


def copper(count, amplitude=0.1, start=0):
    """Displaced 32-atom copper cells labelled by EMT."""
    images = []
    for seed in range(start, start + count):
        atoms = bulk("Cu", cubic=True).repeat(2)
        atoms.rattle(amplitude, seed=seed)
        images.append(atoms)
    return labelled(images, EMT())


def battered_copper(count, start=0):
    """Copper cells strained by up to 4 %, every third without an atom, displaced by 0.25 Å."""
    images = []
    for seed in range(start, start + count):
        generator = np.random.default_rng(seed)
        atoms = bulk("Cu", cubic=True).repeat(2)
        strain = generator.uniform(-0.04, 0.04, (3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        if seed % 3 == 0:
            del atoms[seed % len(atoms)]
        atoms.rattle(0.25, seed=seed)
        images.append(atoms)
    return labelled(images, EMT())


def values_of(functions, atoms):
    """The functions of every atom, (n_atoms, n_functions)."""
    neighbors = find_neighbors(one(atoms), functions.elements, functions.basis.cutoff)
    return functions.values(functions.environment(neighbors)).numpy()


def moved_slope(value, atoms, place, h):
    """Central difference of a function of the atoms by one coordinate, ``place`` being (atom, axis)."""
    plus, minus = atoms.copy(), atoms.copy()
    plus.positions[place] += h
    minus.positions[place] -= h
    return (value(plus) - value(minus)) / (2 * h)


def strained_slope(value, atoms, component, h=1e-5):
    """Central difference of a function of the atoms by one component of a symmetric strain."""
    strain = np.zeros((3, 3))
    strain[component] += h / 2
    strain[component[::-1]] += h / 2
    ends = [atoms.copy(), atoms.copy()]
    for sign, end in zip((1, -1), ends, strict=True):
        end.set_cell(atoms.cell.array @ (np.eye(3) + sign * strain), scale_atoms=True)
    return (value(ends[0]) - value(ends[1])) / (2 * h)
