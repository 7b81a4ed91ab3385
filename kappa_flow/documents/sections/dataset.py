"""Settings of labels given beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from kappa_flow.documents.sections.numbers import Positive
from kappa_flow.settings import Settings

Units = Literal["atomic", "metal"]


class DatasetSettings(Settings):
    """Labels given beforehand."""

    files: tuple[Path, ...] = ()
    """extxyz, phonopy/phono3py yaml with forces, VASP vasprun.xml or OUTCAR, RuNNer's and n2p2's input.data,
    ænet's .xsf; also .xz, .gz, .bz2."""
    units: Units | None = None
    """Of input.data, which does not say them: ``atomic`` (Bohr, Hartree: RuNNer's convention) or ``metal``
    (Å, eV). None: refused, unless the comments of its structures say ``units=…`` as ours do."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Take only the first so many structures of ``files``."""
    validation: tuple[Path, ...] = ()
    """Labelled structures held out of training, for the test errors."""
    lattice_tolerance: Positive = 0.01
    """Largest relative strain between a data set cell and the crystal's supercell."""
