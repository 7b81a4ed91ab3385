"""Settings of density-functional programs; cutoffs and thresholds are good to 1e-4 eV/Å of force."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Final, Literal, Self

from pydantic import Field

from kappa_flow.documents.engines.base import Engine

DEBIAN: Final = Path("/usr/share/espresso/pseudo")
"""Where Debian's quantum-espresso-data puts pseudopotentials."""
Keyword = bool | int | float | str


class DftSettings(Engine):
    """What all of them have in common."""

    structures_per_task: ClassVar[int] = 1

    k_spacing: float = Field(default=0.2, gt=0)
    """Å⁻¹, 2π included: the grid has at least 2π/(a k_spacing) points along a lattice vector a."""
    k_grid: Literal["gamma-centred", "monkhorst-pack"] = "gamma-centred"
    """Monkhorst & Pack 1976: even numbers of points lie half a step off Γ. Of 2×2×2 points 4 differ then in a
    displaced cell instead of 8. Not for hexagonal cells: the shift breaks their symmetry."""
    smearing: float = Field(default=0.05, gt=0)
    """Width in eV: Gaussian in espresso and vasp, Fermi-Dirac in gpaw. Nothing to a crystal with a gap."""
    magnetic_moments: dict[str, float] = Field(default_factory=dict)
    """μ_B an atom of each element starts from, in every cell, e.g. ``{Fe: 2.2}``: the same on all atoms of an
    element, so ferromagnets and ferrimagnets. Empty: no spin."""
    noise_cells: int = Field(default=2, ge=0, le=20)
    """Labelled cells computed again at tighter settings: so the noise of the forces is known."""

    @property
    def noise_calls(self) -> int:
        """``noise_cells``."""
        return self.noise_cells


class GpawSettings(DftSettings):
    """GPAW, plane waves, in this process (Mortensen et al. 2024)."""

    engine: Literal["gpaw"]
    xc: str = "PBEsol"
    """A functional GPAW knows; where there are no setups of its name, those of PBE are taken."""
    cutoff: float = Field(default=500.0, gt=0)
    """Plane waves, eV."""
    max_iterations: int = Field(default=100, gt=0)
    """SCF steps before the first remedy is tried."""
    setups: dict[str, str] = Field(default_factory=dict)
    """Setup of an element where it is not GPAW's default, e.g. ``Ga: d``."""


class EspressoSettings(DftSettings):
    """Quantum ESPRESSO's pw.x (Giannozzi et al. 2017), its input and output through ASE."""

    engine: Literal["espresso"]
    pseudopotentials: dict[str, Path]
    """UPF file of each element: a path, or a name (beside the run config, $ESPRESSO_PSEUDO, Debian)."""
    xc: str | None = "PBEsol"
    """Given to pw.x as ``input_dft``; null: the functional the pseudopotentials were made with."""
    cutoff: float | None = Field(default=None, gt=0)
    """Wave functions, Ry; null: 60, or what the pseudopotentials suggest where that is more."""
    density_cutoff: float | None = Field(default=None, gt=0)
    """Ry; null: 4 (norm-conserving) or 8 (ultrasoft, PAW) times ``cutoff``, or what they suggest."""
    scf_threshold: float = Field(default=1e-10, gt=0)
    """``conv_thr``, Ry per cell."""
    max_iterations: int = Field(default=100, gt=0)
    """SCF steps before the first remedy is tried."""
    command: str | None = None
    """E.g. ``mpirun -np 16 pw.x -nk 4``; null: $ASE_ESPRESSO_COMMAND of the worker, else ``pw.x``."""
    namelists: dict[str, dict[str, Keyword]] = Field(default_factory=dict)
    """More of pw.x's input, e.g. ``{system: {nspin: 2}}``."""

    def beside(self, folder: Path) -> Self:
        """Return the settings with pseudopotentials that are not there looked for among those installed."""
        del folder  # relative paths are taken from it already
        places = [Path(os.environ["ESPRESSO_PSEUDO"])] if os.environ.get("ESPRESSO_PSEUDO") else []
        found = {
            element: next(
                (place / path.name for place in [*places, DEBIAN] if (place / path.name).is_file()), path
            )
            for element, path in self.pseudopotentials.items()
            if not path.is_file()
        }
        return self.model_copy(update={"pseudopotentials": {**self.pseudopotentials, **found}})


class VaspSettings(DftSettings):
    """VASP (Kresse & Furthmüller 1996), its input through ASE; you need a licence."""

    engine: Literal["vasp"]
    xc: str = "PBEsol"
    """A functional under ASE's name for it, e.g. PBE, PBEsol, LDA; it decides which POTCARs are taken."""
    setups: dict[str, str]
    """POTCAR folder of each element, e.g. ``{Si: Si, Ga: Ga_d}``, under $VASP_PP_PATH."""
    cutoff: float = Field(default=520.0, gt=0)
    """ENCUT, eV."""
    scf_threshold: float = Field(default=1e-8, gt=0)
    """EDIFF, eV per cell."""
    max_iterations: int = Field(default=60, gt=0)
    """NELM: SCF steps before the first remedy is tried."""
    command: str | None = None
    """E.g. ``mpirun -np 32 vasp_std``; null: $ASE_VASP_COMMAND of the worker."""
    incar: dict[str, Keyword] = Field(default_factory=dict)
    """More INCAR tags, e.g. ``{KPAR: 4, NCORE: 8}``."""
