"""A program that speaks VASP's files: answers a LEPSILON run on SnO2 with VASP's own, in the order of POSCAR.

Run as ``python speaks_vasp_born.py``; without LEPSILON, or with NCORE, it ends in an error as VASP may.
"""

from __future__ import annotations

import lzma
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import ase.io
import numpy as np

REAL = Path(__file__).with_name("sno2-born") / "vasprun.xml.xz"


def rows(parent):
    return np.array([[float(x) for x in v.text.split()] for v in parent.findall("v")])


def places(atoms, tree):
    """Return where in the real file each atom of POSCAR stands."""
    real = rows(tree.find("structure[@name='initialpos']/varray[@name='positions']"))
    away = atoms.get_scaled_positions()[:, None] - real[None]
    return np.linalg.norm(away - np.rint(away), axis=2).argmin(axis=1)


def reorder(parent, tag, order):
    items = parent.findall(tag)
    for item in items:
        parent.remove(item)
    parent.extend(items[place] for place in order)


if __name__ == "__main__":
    incar = dict(line.split(" = ") for line in Path("INCAR").read_text().splitlines() if " = " in line)
    tags = {tag.strip(): value.strip() for tag, value in incar.items()}
    if tags.get("LEPSILON") != ".TRUE." or tags.get("LRPA") != ".FALSE." or "NCORE" in tags:
        sys.exit("remove the tag NPAR from the INCAR file and restart the calculation")
    tree = ET.fromstring(lzma.decompress(REAL.read_bytes()))
    order = places(ase.io.read("POSCAR"), tree)
    reorder(tree.find("atominfo/array[@name='atoms']/set"), "rc", order)
    reorder(tree.find("calculation/array[@name='born_charges']"), "set", order)
    Path("vasprun.xml").write_bytes(ET.tostring(tree))
