"""The units used inside kappa_flow and the constants that lead to others.

Inside: Å, eV, eV/Å, amu, fs (ASE's conventions). In results: THz, K, W/(m K), ps, µm.
Constants are CODATA values as ASE publishes them.
"""

from __future__ import annotations

from typing import Final

from ase import units as _ase

ANGSTROM: Final = "Å"
EV: Final = "eV"
EV_PER_ANGSTROM: Final = "eV/Å"
EV_PER_ANGSTROM2: Final = "eV/Å²"
EV_PER_ANGSTROM3: Final = "eV/Å³"
AMU: Final = "amu"
KELVIN: Final = "K"
THZ: Final = "THz"
W_PER_MK: Final = "W/(m K)"
ELEMENTARY_CHARGE: Final = "e"
MICROMETRE: Final = "µm"
DIMENSIONLESS: Final = "1"

FEMTOSECOND: Final = float(_ase.fs)
"""One femtosecond in ASE's unit of time."""
EV_PER_ANGSTROM3_TO_GPA: Final = 1.0 / float(_ase.GPa)
"""Multiply a stress in eV/Å³ by this to have it in GPa."""
BOHR: Final = float(_ase.Bohr)
"""Å."""
HARTREE: Final = float(_ase.Hartree)
"""eV."""
BOLTZMANN: Final = float(_ase.kB)
"""Boltzmann's constant in eV/K."""
COULOMB_FACTOR: Final = float(_ase.Hartree * _ase.Bohr)
"""e²/(4πε₀) in eV Å, phonopy's ``factor`` of the non-analytical term."""
