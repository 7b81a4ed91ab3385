"""ASE calculators that other packages register by entry point."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers

from kappa_flow.documents.engines import CalculatorSettings
from kappa_flow.errors import InputError
from kappa_flow.references.base import Engine
from kappa_flow.settings import nearest

GROUP: Final = "kappa_flow.calculators"
"""Entry points of this group name functions that return an ASE calculator."""


def engine(settings: CalculatorSettings) -> Engine:
    """Return the calculator registered under ``settings.name``.

    The identity holds the version of the package and the parameters; a file a parameter names is not looked
    into, so give a changed model a new name.

    Raises
    ------
    InputError
        When nothing is registered under the name, its package cannot be imported, or refuses the parameters.
    """
    for element in settings.elements:
        if element not in atomic_numbers:
            raise InputError(f"reference.elements = {element}", "is no chemical symbol", "Write e.g. Si")
    found = _entry_point(settings.name)
    package = "unknown package" if found.dist is None else f"{found.dist.name} {found.dist.version}"
    parameters = json.dumps(settings.parameters, sort_keys=True)
    known = [atomic_numbers[element] for element in settings.elements]
    return Engine(
        identity=f"{settings.engine} {settings.name} | {package} | {parameters}",
        elements=frozenset(known or range(1, 119)),
        make=lambda: _made(found, settings),
    )


def _entry_point(name: str) -> EntryPoint:
    registered = {point.name: point for point in entry_points(group=GROUP)}
    if name not in registered:
        reason = f"nothing of that name is registered; {nearest(name, sorted(registered))}"
        if not registered:
            reason = "no installed package registers a calculator"
        raise InputError(f"reference.name = {name}", reason, f"Add an entry point {GROUP} to your package")
    return registered[name]


def _made(point: EntryPoint, settings: CalculatorSettings) -> Calculator:
    try:
        function: Callable[..., Calculator] = point.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"reference.name = {settings.name}", f"cannot be loaded: {error}", f"Mend {point.value}"
        ) from error
    try:
        made = function(**settings.parameters)
    except TypeError as error:
        raise InputError("reference.parameters", str(error), f"Look at {point.value}") from error
    if not hasattr(made, "get_forces"):
        raise InputError(
            f"reference.name = {settings.name}",
            f"{point.value} returned a {type(made).__name__}",
            "Return an ASE calculator",
        )
    return made
