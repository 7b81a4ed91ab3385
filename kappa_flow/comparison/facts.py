"""What differs between two results, as their κ documents say it; nothing is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from kappa_flow.documents import KappaDocument
from kappa_flow.documents.task_order import place_in_order

UPSTREAM: Final = ("structure", "reference", "sampling", "dataset", "surrogate", "displacements", "forces")
"""Sections of the settings that force constants come from, with ``force_constants`` itself."""
_PHONONS: Final = ("max_frequency", "imaginary", "nac", "fc2_supercell")


@dataclass(frozen=True)
class Difference:
    """One thing two results have that is not the same; None where one of them has none."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Facts:
    """Everything that differs, by where it stands in ``kappa.json``."""

    settings: tuple[Difference, ...]
    """Only those that can change κ at one temperature: not the temperatures, not the tags."""
    others: tuple[Difference, ...]
    """Crystal, method, mesh, reference, data, surrogate, phonons and switches."""
    versions: tuple[Difference, ...]
    first_document: str | None
    """First task, in the order of the stages, whose document differs; None where all are the same."""

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.settings or self.others or self.versions or self.first_document)

    @property
    def upstream(self) -> tuple[Difference, ...]:
        """What can have changed the force constants: settings, and files behind equal settings."""
        sections = (*UPSTREAM, "force_constants")
        return tuple(one for one in self.settings if one.name.partition(".")[0] in sections)


def facts(a: KappaDocument, b: KappaDocument) -> Facts:
    """Return what differs between two results."""
    return Facts(
        settings=tuple(_between(_settings(a), _settings(b))),
        others=tuple(_between(_others(a), _others(b))),
        versions=tuple(_between(a.versions, b.versions)),
        first_document=_first_document(a, b),
    )


def _settings(document: KappaDocument) -> dict[str, Any]:
    flat = dict(_flat(document.settings, ""))
    idle = ("bte.temperatures", "results.", "surrogate.device", "forces.device", "forces.memory")
    return {name: value for name, value in flat.items() if not name.startswith(idle)}


def _others(document: KappaDocument) -> dict[str, Any]:
    surrogate: dict[str, Any] = document.surrogate or {}
    told = ("model", "train_structures", "labelled_structures", "force_rmse", "errors_on")
    return {
        "formula": document.formula,
        "space group": document.spacegroup,
        "method": document.method,
        "mesh": "×".join(map(str, document.mesh)),
        "reference": document.reference,
        "reference calls": document.reference_calls,
        **{f"surrogate.{name}": surrogate[name] for name in told if name in surrogate},
        **{f"phonons.{name}": document.phonons.get(name) for name in _PHONONS},
        **{f"switches.{name}": value for name, value in document.switches.items()},
    }


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield every setting by its dotted name; a missing section as None."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flat(item, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value


def _between(a: dict[str, Any], b: dict[str, Any]) -> Iterator[Difference]:
    for name in [*a, *(name for name in b if name not in a)]:
        if a.get(name) != b.get(name):
            yield Difference(name, a.get(name), b.get(name))


def _first_document(a: KappaDocument, b: KappaDocument) -> str | None:
    """Return the first task whose document differs; rounds of the learning loop one after another."""
    names = {*a.provenance, *b.provenance}
    order = sorted(names, key=place_in_order)
    return next((name for name in order if a.provenance.get(name) != b.provenance.get(name)), None)
