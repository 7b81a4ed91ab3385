"""What a run kept that κ can be solved from again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from pydantic import ValidationError

from kappa_flow import bte
from kappa_flow.arrays import AnyArray, IntArray
from kappa_flow.bte.meshes import Mesh, fits, scaled
from kappa_flow.documents import (
    Crystal,
    Document,
    ForceConstants,
    KappaDocument,
    PolarTensors,
    crystal_of,
)
from kappa_flow.documents.force_constants import Residuals
from kappa_flow.documents.sections import BteSettings
from kappa_flow.errors import InputError
from kappa_flow.interop import cell_from_phonopy, phono3py_of
from kappa_flow.protocols import Progress, quiet
from kappa_flow.results.files import read_result

PARAMS = "phono3py_params.yaml"


@dataclass(frozen=True)
class Kept:
    """A result's ingredients: crystal, force constants, each with its supercell, settings of the solution."""

    crystal: Crystal
    """Its supercells are those below."""
    fc2_supercell: IntArray
    fc3_supercell: IntArray
    constants: ForceConstants
    """Without members."""
    settings: BteSettings
    mesh: Mesh
    """Of the result."""

    def changed(self, **parts: Any) -> Kept:
        """Return it with other force constants (``fc2``, ``fc3``, ``polar``), settings or fields."""
        inner: dict[str, Any] = {name: parts.pop(name) for name in ("fc2", "fc3", "polar") if name in parts}
        settings = self.settings.model_copy(update=parts.pop("settings", {}))
        constants = self.constants.model_copy(update=inner)
        return replace(self, constants=constants, settings=settings, **parts)

    def kappa(self, temperature: float, progress: Progress = quiet) -> float:
        """Return the mean of the diagonal of κ on the mesh, W/(m K), by the stage ``bte``.

        Where the crystal's symmetry does not allow the mesh, one of as many divisions that it does is taken.

        Parameters
        ----------
        temperature : float
            K.
        progress : Progress

        Raises
        ------
        WorkError
            When κ is not finite.
        """
        alone = {"mesh": self._fitting(), "temperatures": (temperature,)}
        found = bte.solve(self._crystal, self.constants, self.settings.model_copy(update=alone), progress)
        return float(np.trace(found.kappa[0]) / 3)

    def _fitting(self) -> Mesh:
        work = phono3py_of(self._crystal)
        return self.mesh if fits(work, self.mesh) else scaled(work, max(self.mesh))

    @property
    def _crystal(self) -> Crystal:
        alike = np.array_equal(self.fc2_supercell, self.fc3_supercell)
        own = {"supercell": self.fc3_supercell, "fc2_supercell": None if alike else self.fc2_supercell}
        return self.crystal.model_copy(update=own)


def of_documents(documents: Mapping[str, Document]) -> Kept | None:
    """Return what the documents of a run, by task name, hold; None where it is not all there."""
    document, constants = (documents.get(name) for name in ("results", "force_constants"))
    if not isinstance(document, KappaDocument) or not isinstance(constants, ForceConstants):
        return None
    return _kept(document, crystal_of(documents), constants)


def of_folder(folder: Path) -> Kept | None:
    """Return what the files of a run's folder hold; None where phono3py's are not there.

    Positions come from ``phono3py_params.yaml``, to about 15 digits: κ of equal inputs then agrees to the
    noise that docs/architecture.md, decision 8, speaks of.

    Raises
    ------
    InputError
        When ``kappa.json`` is missing or garbled, or the files belong to another calculation.
    """
    document, _ = read_result(folder / "kappa.json")
    if not isinstance(document, KappaDocument) or not all(
        (folder / name).is_file() for name in (PARAMS, "fc2.hdf5", "fc3.hdf5")
    ):
        return None
    import phono3py

    try:
        work = phono3py.load(folder / PARAMS, produce_fc=False, is_nac=True, log_level=0)
        fc2, fc3 = (_array(folder / f"{name}.hdf5", name) for name in ("fc2", "fc3"))
        crystal = Crystal(
            cell=cell_from_phonopy(work.unitcell),
            primitive_matrix=work.primitive_matrix,
            supercell=work.supercell_matrix,
            fc2_supercell=work.phonon_supercell_matrix,
            formula=document.formula,
            spacegroup=document.spacegroup,
            spacegroup_number=document.spacegroup_number,
            symprec=document.settings["structure"]["symprec"],
        )
        polar = None if work.nac_params is None else PolarTensors.model_validate(_tensors(work.nac_params))
        constants = _constants(document, fc2, fc3, polar)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        reason = f"its files cannot be read: {error}"
        raise InputError(str(folder), reason, "Write them again with `kappa-flow run`") from error
    return _kept(document, crystal, constants)


def _kept(document: KappaDocument, crystal: Crystal, constants: ForceConstants) -> Kept | None:
    try:
        settings = BteSettings.model_validate(document.settings["bte"])
    except ValidationError:  # of another version of kappa_flow
        return None
    larger = crystal.supercell if crystal.fc2_supercell is None else crystal.fc2_supercell
    return Kept(
        crystal=crystal,
        fc2_supercell=larger,
        fc3_supercell=crystal.supercell,
        constants=constants.model_copy(update={"member_fc2": None, "member_fc3": None, "variants": ()}),
        settings=settings,
        mesh=document.mesh,
    )


def _array(path: Path, kind: str) -> AnyArray:
    with h5py.File(path) as file:
        return np.array(file["force_constants" if kind == "fc2" else "fc3"])


def _tensors(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("born", "dielectric", "factor")}


def _constants(
    document: KappaDocument, fc2: AnyArray, fc3: AnyArray, polar: PolarTensors | None
) -> ForceConstants:
    phonons: dict[str, Any] = document.phonons
    return ForceConstants(
        fc2=fc2,
        fc3=fc3,
        polar=polar,
        raw=Residuals.model_validate(phonons["residuals_raw"]),
        final=Residuals.model_validate(phonons["residuals"]),
        solver=phonons["force_constants_solver"],
    )
