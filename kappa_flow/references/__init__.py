"""References: the methods whose forces the surrogate learns, behind one class and a registry.

One more engine is one settings class in ``documents/engines/`` and one function here that turns it into
an :class:`Engine`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ase.data import chemical_symbols

from kappa_flow.arrays import IntArray
from kappa_flow.documents.engines import (
    AseEmtSettings,
    CalculatorSettings,
    ChgnetSettings,
    EngineSettings,
    EspressoSettings,
    GpawSettings,
    LammpsSettings,
    MaceSettings,
    SevenNetSettings,
    TersoffSettings,
    VaspSettings,
)
from kappa_flow.errors import InputError
from kappa_flow.protocols import Recall, Reference
from kappa_flow.references import (
    ase_emt,
    chgnet,
    espresso,
    gpaw,
    lammps,
    mace,
    registered,
    sevennet,
    tersoff,
    vasp,
)
from kappa_flow.references.base import CalculatorReference, Engine

__all__ = ["ENGINES", "CalculatorReference", "Engine", "build", "check", "check_polar"]

ENGINES: Final[dict[type, Callable[[Any], Engine]]] = {
    SevenNetSettings: sevennet.engine,
    ChgnetSettings: chgnet.engine,
    MaceSettings: mace.engine,
    LammpsSettings: lammps.engine,
    TersoffSettings: tersoff.engine,
    AseEmtSettings: ase_emt.engine,
    CalculatorSettings: registered.engine,
    GpawSettings: gpaw.engine,
    EspressoSettings: espresso.engine,
    VaspSettings: vasp.engine,
}


def build(settings: EngineSettings | None, recall: Recall | None = None) -> Reference | None:
    """Return the reference the settings describe; None where there is none.

    Parameters
    ----------
    settings : EngineSettings or None
    recall : Recall, optional
        Memory of single evaluations, so that a killed stage does none of them twice.

    Raises
    ------
    InputError
        When the engine is not installed, or its model or potential file is not there.
    """
    if settings is None:
        return None
    return CalculatorReference(ENGINES[type(settings)](settings), recall)


def check_polar(settings: EngineSettings) -> None:
    """Refuse an engine that computes no Born charges; computes nothing.

    Raises
    ------
    InputError
        Naming the engine and another way.
    """
    engine = ENGINES[type(settings)](settings)
    if engine.polar is None:
        raise InputError(f"force_constants.nac.born: reference, engine {settings.engine}", *engine.no_polar)


def check(settings: EngineSettings | None, numbers: IntArray) -> None:
    """Refuse an engine that is not installed or does not know an element; computes nothing.

    Parameters
    ----------
    settings : EngineSettings or None
        None is a run without a reference: nothing to check.
    numbers : ndarray, (n_atoms,)
        Atomic numbers of the crystal.

    Raises
    ------
    InputError
        Naming the engine, the element and what it knows.
    """
    if settings is None:
        return
    engine = ENGINES[type(settings)](settings)
    unknown = sorted({int(number) for number in numbers} - engine.elements)
    if unknown:
        names = ", ".join(chemical_symbols[number] for number in unknown)
        few = sorted(engine.elements)[:12]
        known = ", ".join(chemical_symbols[number] for number in few)
        more = f" and {len(engine.elements) - len(few)} more" if len(engine.elements) > len(few) else ""
        raise InputError(
            f"reference.engine = {settings.engine}",
            f"does not know {names}; it knows {known}{more}",
            "Choose another engine, or give labelled data in dataset.files",
        )
