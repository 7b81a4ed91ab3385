"""LAMMPS runs a potential: by ``pair_style mliap unified``, or ``fix external`` where that is not built."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents.structures import Structures
from kappa_flow.errors import InputError
from kappa_flow.surrogate.interchange.pairs import Pairs, evaluate_pairs
from kappa_flow.surrogate.potential import Device, Potential


class MliapPotential:
    """What LAMMPS' ML-IAP package calls for energies and forces, in ``units metal``; tried on one process.

    Pickled, it holds the path of the potential, not its weights: LAMMPS reads it by
    ``pair_style mliap unified FILE.pkl 0``, ``pair_coeff * * Na Cl``.

    Parameters
    ----------
    folder : path
        Where ``Potential.save`` wrote.
    device : {"auto", "cpu", "cuda"}
    memory : float
        GiB.

    Raises
    ------
    InputError
        When the folder holds no whole potential, or one with a dipole–dipole part.

    References
    ----------
    https://docs.lammps.org/pair_mliap.html
    """

    def __init__(self, folder: str | os.PathLike[str], device: Device = "auto", memory: float = 1.0) -> None:
        self._made_from = (os.path.abspath(folder), device, memory)  # noqa: PTH100 - keeps links as given
        self._potential = Potential.load(folder).on(device, memory)
        self._potential.need_local("LAMMPS' mliap")
        self._weights = self._potential.weights.to(self._potential.device)
        self.element_types = [chemical_symbols[number] for number in self._potential.functions.elements]
        self.rcutfac = 0.5 * self._potential.cutoff
        self.ndescriptors = 1
        self.nparams = 1
        self.interface: Any = None

    def __reduce__(self) -> tuple[type[MliapPotential], tuple[str, Device, float]]:
        """Pickle the arguments alone."""
        return MliapPotential, self._made_from

    def compute_descriptors(self, data: Any) -> None:
        """Do nothing: all is done in :meth:`compute_forces`."""

    def compute_gradients(self, data: Any) -> None:
        """Do nothing."""

    def compute_forces(self, data: Any) -> None:
        """Give LAMMPS the energies of its atoms and ∂E_i/∂r_ij of its pairs, ghosts included."""
        count = data.nlistatoms
        atoms = np.array(data.iatoms[:count])
        row = np.full(data.ntotal, -1)
        row[atoms] = np.arange(count)

        def here(values: IntArray | FloatArray) -> torch.Tensor:
            return torch.tensor(values, device=self._potential.device)

        species = here(np.array(data.ielems[:count], dtype=np.int64))
        if data.npairs == 0:
            pairs = Pairs(species[:0], species[:0], here(np.zeros((0, 3))))
        else:
            kinds = np.array(data.jelems, dtype=np.int64)
            pairs = Pairs(here(row[data.pair_i]), here(kinds), here(np.array(data.rij)))
        energies, slopes = evaluate_pairs(self._potential, self._weights, species, pairs)
        data.eatoms = energies.cpu().numpy()
        data.energy = float(energies.sum())
        if data.npairs:
            data.update_pair_forces(slopes.cpu().numpy())


class ExternalForces:
    """A potential inside a LAMMPS run by ``fix external``: for a LAMMPS whose ML-IAP cannot call Python.

    One process, ``units metal``, periodic in all directions. Energy and virial go into the run as well.

    Parameters
    ----------
    lmp : lammps.lammps
        With box, atoms and masses; no pair style is needed.
    potential : Potential
    elements : sequence of str
        Chemical symbol of each atom type.
    name : str
        Of the fix.

    Raises
    ------
    InputError
        For an element the potential does not know, a potential with a dipole–dipole part, or more than one
        process.

    References
    ----------
    https://docs.lammps.org/fix_external.html
    """

    def __init__(
        self, lmp: Any, potential: Potential, elements: Sequence[str], name: str = "kappa_flow"
    ) -> None:
        potential.need_local("LAMMPS")
        if lmp.extract_setting("world_size") != 1:
            remedy = "Use one, or pair_style mliap unified"
            raise InputError("LAMMPS on several processes", "fix external sees one process's atoms", remedy)
        self._numbers = np.array([atomic_numbers.get(element, 0) for element in elements], dtype=np.int64)
        for element, number in zip(elements, self._numbers.tolist(), strict=True):
            if number not in potential.functions.elements:
                known = ", ".join(chemical_symbols[known] for known in potential.functions.elements)
                reason = f"the potential knows only {known}"
                raise InputError(f"element {element}", reason, "Give the symbol of each atom type in order")
        self._potential = potential.on(potential.device, potential.memory)
        self._name = name
        lmp.command(f"fix {name} all external pf/callback 1 1")
        lmp.command(f"fix_modify {name} energy yes virial yes")
        lmp.set_fix_external_callback(name, self._evaluate, lmp)

    def _evaluate(
        self, lmp: Any, _step: int, count: int, _tags: IntArray, positions: FloatArray, forces: FloatArray
    ) -> None:
        low, high, xy, yz, xz, *_ = lmp.extract_box()
        cell = np.diag(np.subtract(high, low))
        cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
        numbers = self._numbers[lmp.numpy.extract_atom("type")[:count] - 1]
        found = self._potential.predict(
            Structures.same_atoms(cell, numbers, np.array(positions[:count])[None]), members=False
        )
        forces[:count] = found.forces
        assert found.stresses is not None  # noqa: S101 - a local potential always has them
        virial = -found.stresses[0] * abs(np.linalg.det(cell))
        lmp.fix_external_set_energy_global(self._name, float(found.energies[0]))
        lmp.fix_external_set_virial_global(
            self._name, virial[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]].tolist()
        )
