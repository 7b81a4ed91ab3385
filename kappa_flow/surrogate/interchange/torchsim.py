"""TorchSim model of a potential: many structures at once through torch-sim's integrators and optimisers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from kappa_flow.documents.structures import Structures
from kappa_flow.errors import InputError
from kappa_flow.surrogate.potential import Potential

try:
    from torch_sim.models.interface import ModelInterface
    from torch_sim.state import SimState
except ModuleNotFoundError as missing:
    remedy = "pip install torch-sim-atomistic, or kappa-flow[torchsim]"
    raise InputError(f"{missing.name}", "is not installed", remedy) from missing


class TorchSimModel(ModelInterface):  # type: ignore[misc]  # torch-sim is not there when types are checked
    """Energy (eV), forces (eV/Å) and stress (eV/Å³) of the committee mean, float64, by system.

    Neighbour lists are made on the CPU; the rest runs on the potential's device. With a dipole–dipole part
    there is no stress: the potential's lacks that part.

    Parameters
    ----------
    potential : Potential
        Where it runs is its own: ``potential.on("cuda", memory=8.0).torchsim()``.

    References
    ----------
    Cohen et al., AI Sci. 1, 025003 (2025), doi:10.1088/3050-287X/ae1799.
    """

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential.on(potential.device, potential.memory)
        self._device = torch.device(self.potential.device)
        self._dtype = torch.float64
        self._compute_forces = True
        self._compute_stress = self.potential.long_range is None and self.potential.lattice is None

    def forward(self, state: Any, **_: Any) -> dict[str, Tensor]:
        """Evaluate a state of any number of systems.

        Parameters
        ----------
        state : torch_sim.SimState or dict
            Periodic in all three directions.

        Returns
        -------
        dict of str to Tensor
            ``energy`` (n_systems,), ``forces`` (n_atoms, 3), ``stress`` (n_systems, 3, 3).

        Raises
        ------
        InputError
            For a state that is not periodic, or an element the potential does not know.
        """
        if isinstance(state, dict):
            state = SimState(**state, masses=torch.ones_like(state["positions"][:, 0]))
        if not np.all(np.asarray(state.pbc.cpu() if torch.is_tensor(state.pbc) else state.pbc)):
            raise InputError("pbc", "not all three directions are periodic", "Give periodic structures")
        found = self.potential.predict(_structures(state), members=False)
        parts = {"energy": found.energies, "forces": found.forces}
        if self._compute_stress and found.stresses is not None:
            parts["stress"] = found.stresses
        return {
            name: torch.tensor(np.array(part), dtype=self._dtype, device=state.positions.device)
            for name, part in parts.items()
        }


def _structures(state: SimState) -> Structures:
    systems = state.system_idx.cpu().numpy()
    return Structures(
        n_atoms=np.bincount(systems, minlength=len(state.cell)),
        cells=state.row_vector_cell.detach().cpu().numpy(),
        numbers=state.atomic_numbers.cpu().numpy(),
        positions=state.positions.detach().cpu().numpy(),
    )
