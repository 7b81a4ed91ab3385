"""A program that speaks VASP's files: reads its input, answers with EMT in a vasprun.xml.

Run as ``python speaks_vasp.py [STEPS]``; it says it took STEPS electronic steps where NELM allows more, and
all of NELM where it does not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.io
from ase import units
from ase.calculators.emt import EMT

ENERGY = "".join(f'<i name="{name}">{{e}}</i>' for name in ("e_fr_energy", "e_wo_entrp", "e_0_energy"))


def rows(name, array):
    lines = "".join("<v>" + " ".join(f"{x:.12f}" for x in row) + "</v>\n" for row in array)
    return f'<varray name="{name}">\n{lines}</varray>\n'


def structure(atoms, name=""):
    return (
        f"<structure {name}><crystal>{rows('basis', atoms.cell.array)}</crystal>"
        f"{rows('positions', atoms.get_scaled_positions())}</structure>\n"
    )


def vasprun(atoms, steps, limit):
    atoms.calc = EMT()
    energy = atoms.get_potential_energy()
    names = "".join(f"<rc><c>{symbol}</c><c>1</c></rc>" for symbol in atoms.symbols)
    kilobars = -atoms.get_stress(voigt=False) / (0.1 * units.GPa)
    return (
        '<?xml version="1.0"?>\n<modeling><generator><i name="version">6</i></generator>\n'
        f"<kpoints>{rows('kpointlist', [[0, 0, 0]])}{rows('weights', [[1]])}</kpoints>\n"
        f'<parameters><i type="int" name="NELM">{limit}</i></parameters>\n'
        f'<atominfo><array name="atoms"><set>{names}</set></array></atominfo>\n'
        + structure(atoms, 'name="initialpos"')
        + "<calculation>"
        + f"<scstep><energy>{ENERGY.format(e=energy)}</energy></scstep>" * steps
        + structure(atoms)
        + rows("forces", atoms.get_forces())
        + rows("stress", kilobars)
        + f"<energy>{ENERGY.format(e=energy)}</energy>"
        + "</calculation></modeling>"
    )


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    incar = dict(line.split(" = ") for line in Path("INCAR").read_text().splitlines() if " = " in line)
    allowed = int({tag.strip(): value for tag, value in incar.items()}["NELM"])
    if not Path("POTCAR").read_text().startswith("PAW"):
        sys.exit("no POTCAR")
    text = vasprun(ase.io.read("POSCAR"), min(wanted, allowed), allowed)
    Path("vasprun.xml").write_text(text)
