"""ALAMODE's XML, read as anphon reads it and by nothing of kappa_flow: same fc2, same fc3, same phonons."""

from __future__ import annotations

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from phono3py import Phono3py
from phonopy import Phonopy

from kappa_flow.documents import Crystal, PolarTensors
from kappa_flow.documents.sections import DisplacementsSettings
from kappa_flow.interop import cell_from_ase, cell_to_phonopy, phono3py_of
from kappa_flow.results import alamode_files

sys.path.insert(0, str(Path(__file__).parents[1]))
from phonon_cases import chain, copper

RESULT = SimpleNamespace(
    mesh=(3, 3, 3), temperatures=np.array([200.0, 300.0, 400.0]), settings={"bte": {"isotopes": False}}
)
"""What the input takes of a κ document."""
RY_BOHR = 13.605693123, 0.529177210903
"""CODATA 2018: eV, Å. ase.units.Ry is of 2014, 1e-9 off."""
SHIFTS = [(0, 0, 0), *(cell for cell in product((-1, 0, 1), repeat=3) if cell != (0, 0, 0))]


def alloy() -> Crystal:
    atoms = Atoms("CuAu", cell=[2.8, 2.8, 3.7], scaled_positions=[[0, 0, 0], [0.5] * 3], pbc=True)
    return Crystal(
        cell=cell_from_ase(atoms), primitive_matrix=np.eye(3), supercell=np.diag([2, 2, 2]),
        formula="CuAu", spacegroup="P4/mmm", spacegroup_number=123, symprec=1e-5,
    )  # fmt: skip


@pytest.fixture(scope="module", params=["copper", "copper with an fc2 supercell", "an alloy"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    crystals = {
        "copper": copper(), "copper with an fc2 supercell": copper(2, 3), "an alloy": alloy(),
    }  # fmt: skip
    crystal = crystals[request.param]
    constants = chain(crystal, settings=DisplacementsSettings(pair_cutoff=3.0))[2]
    folder = tmp_path_factory.mktemp("alamode")
    names = {path.name for path in alamode_files.write(folder, crystal, constants, RESULT)}
    assert names == {"fcs.xml", "anphon.in"} | ({"fc2.xml"} if "fc2" in request.param else set())
    return crystal, constants, folder


class Reader:
    """anphon's `load_system_info_from_XML`, `load_fc2_xml` and `load_fcs_xml`; Ry and bohr."""

    def __init__(self, path: Path) -> None:
        self.data = data = ET.parse(path).getroot()
        self.lattice = np.array(
            [data.findtext(f"Structure/LatticeVector/a{i}").split() for i in (1, 2, 3)], float
        )
        self.positions = np.array([one.text.split() for one in data.iter("pos")], float)
        assert [int(one.get("index")) for one in data.iter("pos")] == list(range(1, len(self.positions) + 1))
        moves = {(int(m.get("tran")) - 1, int(m.get("atom")) - 1): int(m.text) - 1 for m in data.iter("map")}
        translations, atoms = int(data.findtext("Symmetry/NumberOfTranslations")), {p for _, p in moves}
        self.p2s = np.array([[moves[t, p] for p in sorted(atoms)] for t in range(translations)])
        assert sorted(self.p2s.ravel()) == list(range(len(self.positions)))  # every atom once
        self.site = {int(atom): p for row in self.p2s for p, atom in enumerate(row)}

    def terms(self, tag: str, order: int):
        for one in self.data.iter(tag):
            first, *others = ([int(x) for x in one.get(f"pair{n}").split()] for n in range(1, order + 1))
            yield first, others, float(one.text)

    def fc2(self) -> np.ndarray:
        found = np.zeros((self.p2s.shape[1], len(self.positions), 3, 3))
        for (i, a), ((j, b, _),), value in self.terms("FC2", 2):
            found[i - 1, j - 1, a - 1, b - 1] += value
        return found * RY_BOHR[0] / RY_BOHR[1] ** 2

    def fc3(self) -> np.ndarray:
        size = len(self.positions)
        found = np.zeros((self.p2s.shape[1], size, size, 3, 3, 3))
        for (i, a), ((j, b, _), (k, c, _)), value in self.terms("FC3", 3):
            assert (j, b) <= (k, c)  # anphon's next_permutation starts from ascending order
            found[i - 1, j - 1, k - 1, a - 1, b - 1, c - 1] += value
            if (j, b) < (k, c):
                found[i - 1, k - 1, j - 1, a - 1, c - 1, b - 1] += value
        return found * RY_BOHR[0] / RY_BOHR[1] ** 3

    def dynamical(self, q: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """anphon's `calc_analytic_k` at Cartesian q (Å⁻¹, no 2π), eV/(Å² amu)."""
        n, home = self.p2s.shape[1], self.positions[self.p2s[0]]
        found = np.zeros((3 * n, 3 * n), complex)
        for (i, a), ((j, b, cell),), value in self.terms("FC2", 2):
            p = self.site[j - 1]
            away = (self.positions[j - 1] + SHIFTS[cell - 1] - home[p]) @ self.lattice * RY_BOHR[1]
            phase = np.exp(2j * np.pi * away @ q) / np.sqrt(masses[i - 1] * masses[p])
            found[3 * i + a - 4, 3 * p + b - 1] += value * phase
        return found * RY_BOHR[0] / RY_BOHR[1] ** 2


def test_force_constants_come_back_as_they_were(made) -> None:
    crystal, constants, folder = made
    cubic = Reader(folder / "fcs.xml")
    second = Reader(folder / "fc2.xml") if (folder / "fc2.xml").is_file() else cubic
    work = phono3py_of(crystal)
    np.testing.assert_array_equal(second.p2s[0], work.phonon_primitive.p2s_map)
    np.testing.assert_allclose(second.lattice * RY_BOHR[1], work.phonon_supercell.cell, rtol=1e-8)
    # the Rydberg of another year: 1e-9
    np.testing.assert_allclose(second.fc2(), constants.fc2, rtol=1e-8, atol=1e-8)
    even = (constants.fc3 + constants.fc3.transpose(0, 2, 1, 3, 5, 4)) / 2
    # blocks below 1e-8 eV/Å³ are left out, several images to an element
    np.testing.assert_allclose(cubic.fc3(), even, atol=1e-6)
    np.testing.assert_allclose(even, constants.fc3, atol=1e-5)  # as symmetric as the run's own


def test_anphons_dynamical_matrices_have_the_frequencies_of_the_run(made) -> None:
    crystal, constants, folder = made
    matrix = crystal.supercell if crystal.fc2_supercell is None else crystal.fc2_supercell
    work = Phonopy(cell_to_phonopy(crystal.cell), matrix, primitive_matrix=crystal.primitive_matrix)
    work.force_constants = constants.fc2
    second = Reader(folder / ("fc2.xml" if crystal.fc2_supercell is not None else "fcs.xml"))
    waves = np.random.default_rng(0).uniform(-0.2, 0.2, (6, 3))
    work.run_qpoints(waves @ work.primitive.cell.T)
    for q, expected in zip(waves, work.qpoints.frequencies, strict=True):
        values = np.linalg.eigvalsh(second.dynamical(q, work.primitive.masses))
        frequencies = np.sign(values) * np.sqrt(np.abs(values)) * 15.633302
        np.testing.assert_allclose(frequencies, expected, atol=1e-5)


def test_born_charges_and_switches_stand_in_the_input(tmp_path: Path) -> None:
    crystal = copper(1)
    constants = chain(crystal)[2]
    polar = PolarTensors(born=np.zeros((1, 3, 3)), dielectric=np.diag([2.0, 2.0, 3.0]), factor=14.4)
    alamode_files.write(tmp_path, crystal, constants.model_copy(update={"polar": polar}), RESULT)
    text = (tmp_path / "anphon.in").read_text()
    assert "NONANALYTIC = 3; BORNINFO = born.dat" in text
    assert "TMIN = 200; TMAX = 400; DT = 100" in text
    assert "  3 3 3\n" in text
    born = np.loadtxt(tmp_path / "born.dat")
    np.testing.assert_allclose(born, np.vstack([polar.dielectric, polar.born[0]]))


@pytest.mark.skipif(shutil.which("anphon") is None, reason="no anphon (ALAMODE) on PATH")
def test_anphon_reads_them_and_finds_translational_invariance(made) -> None:
    folder = made[2]
    done = subprocess.run(["anphon", "anphon.in"], cwd=folder, capture_output=True, text=True, check=False)
    assert "Maximum deviation from the translational invariance" in done.stdout, done.stdout[-2000:]
    assert (folder / "kappa.kl").is_file(), done.stdout[-2000:]


@pytest.mark.skipif(shutil.which("anphon") is None, reason="no anphon (ALAMODE) on PATH")
def test_anphons_kappa_is_phono3pys_with_the_same_smearing(made) -> None:
    crystal, constants, folder = made
    width = 0.3  # THz; anphon's Gaussian is exp(−x²/ε²) in cm⁻¹. With tetrahedra the two programs differ.
    text = (folder / "anphon.in").read_text().replace("PREFIX = kappa", "PREFIX = smeared")
    smeared = f"MODE = RTA\n  ISMEAR = 1; EPSILON = {width * 2**0.5 * 33.35640952:.8f}\n"
    (folder / "smeared.in").write_text(text.replace("MODE = RTA\n", smeared))
    subprocess.run(["anphon", "smeared.in"], cwd=folder, capture_output=True, check=True)
    found = np.loadtxt(folder / "smeared.kl")[1]
    cells = phono3py_of(crystal)
    work = Phono3py(
        cells.unitcell, cells.supercell_matrix, cells.primitive_matrix, make_r0_average=False,
        phonon_supercell_matrix=cells.phonon_supercell_matrix,
    )  # fmt: skip
    work.fc2, work.fc3, work.sigmas = constants.fc2.copy(), constants.fc3.copy(), [width]
    work.mesh_numbers = [3, 3, 3]
    work.init_phph_interaction()
    work.run_thermal_conductivity(temperatures=[300])
    expected = work.thermal_conductivity.kappa[0, 0]
    # constants of nature of different years
    np.testing.assert_allclose(found[[1, 5, 9]], expected[:3], rtol=1e-3)
