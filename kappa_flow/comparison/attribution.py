"""How much of Δκ each cause makes: one thing after another of A is replaced by B's, and κ solved again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from kappa_flow.arrays import AnyArray
from kappa_flow.bte.meshes import Mesh, capped
from kappa_flow.comparison.kept import Kept
from kappa_flow.documents import KappaDocument, PolarTensors
from kappa_flow.errors import InputError
from kappa_flow.interop import phono3py_of
from kappa_flow.protocols import Progress, quiet

MODEST: Final = 9
"""Divisions of the mesh the steps are solved on unless all is asked for."""
SAME_SITE: Final = 0.05
"""Fractional: atoms of two cells nearer than this are the same site."""
_AGAIN: Final = "κ of A and B solved again here, against what the results say"
_NOT_PHYSICS: Final = ("mesh", "member", "temperatures")
"""Beginnings of bte settings that are no switch: the mesh is a step of its own."""


@dataclass(frozen=True)
class Contribution:
    """One cause of a difference."""

    cause: str
    detail: str
    delta: float
    """Change of κ when it is replaced after those before it, W/(m K)."""
    alone: float | None = None
    """Change of κ when it is the only thing of A that is replaced, W/(m K); None where there is no such."""


@dataclass(frozen=True)
class Attribution:
    """Δκ from A to B, divided among its causes."""

    temperature: float
    """K."""
    kappa: tuple[float, float]
    """Of A and of B as published, W/(m K)."""
    mesh: Mesh
    """Of the steps."""
    contributions: tuple[Contribution, ...]
    """In the order of the path; they add up to the difference."""
    interaction: float | None
    """What the changes alone, added, do not make up; None with fewer than two. W/(m K)."""

    @property
    def difference(self) -> float:
        """κ of B less κ of A, W/(m K)."""
        return self.kappa[1] - self.kappa[0]


@dataclass(frozen=True)
class _Step:
    """One substitution: what it is called and what it puts into any state."""

    cause: str
    detail: str
    parts: dict[str, object]

    def of(self, state: Kept) -> Kept:
        return state.changed(**self.parts)


def common_temperature(a: KappaDocument, b: KappaDocument) -> float:
    """Return 300 K where both results have it, else the temperature nearest to it that both have.

    Raises
    ------
    InputError
        When there is none.
    """
    shared = np.intersect1d(a.temperatures, b.temperatures)
    low = max(a.temperatures.min(), b.temperatures.min())
    high = min(a.temperatures.max(), b.temperatures.max())
    if len(shared):
        return float(shared[np.argmin(np.abs(shared - 300.0))])
    if low <= high:
        return float(np.clip(300.0, low, high))
    raise InputError(
        "the two results", "they have no temperature in common", "Run one with the other's bte.temperatures"
    )


def attribute(
    documents: tuple[KappaDocument, KappaDocument],
    kept: tuple[Kept, Kept],
    progress: Progress = quiet,
    *,
    full: bool = False,
) -> Attribution:
    r"""Divide Δκ among crystal, Born charges, fc2, fc3, switches and mesh.

    .. math:: κ_B - κ_A = \sum_i \left[κ(x^B_1 … x^B_i, x^A_{i+1} …) - κ(x^B_1 … x^B_{i-1}, x^A_i …)\right]

    The shares depend on the order of the steps, here that of the stages, as far as the changes interact; how
    far is told by the changes made alone.

    Parameters
    ----------
    documents : tuple of KappaDocument
        Of A and of B.
    kept : tuple of Kept
        What they were made from.
    progress : Progress
    full : bool
        Whether the steps are solved on the mesh of A. Without it at most 9 divisions are used, and the last
        contribution is what such a mesh does not show: the mesh itself, and what it has to do with the rest.

    Raises
    ------
    InputError
        When the results have no temperature in common.
    WorkError
        When a κ is not finite.
    """
    at = common_temperature(*documents)
    published = documents[0].kappa_at(at).value, documents[1].kappa_at(at).value
    a, b = kept
    whole = full or max(*a.mesh, *b.mesh) <= MODEST
    if not whole:
        modest = capped(phono3py_of(a.crystal), a.mesh, MODEST)
        a, b = a.changed(mesh=modest), b.changed(mesh=modest)
    steps = list(_steps(a, b))
    found, interaction = _walked(a, steps, at, progress)
    left = published[1] - published[0] - sum(one.delta for one in found)
    cause = ("programs and rounding", _AGAIN) if whole else ("mesh", _beyond(kept, a.mesh))
    rest = (Contribution(*cause, left),) if left else ()
    return Attribution(at, published, a.mesh, (*found, *rest), interaction)


def _walked(
    start: Kept, steps: list[_Step], at: float, progress: Progress
) -> tuple[list[Contribution], float | None]:
    """Return what each step changes on the way and alone, and by how much these sums differ."""
    if not steps:
        return [], None
    path = [start]
    for step in steps:
        path.append(step.of(path[-1]))
    states = [*path, *(step.of(start) for step in steps[1:])]
    kappa = []
    for done, state in enumerate(states, start=1):
        kappa.append(state.kappa(at))
        progress(done, len(states), "κ with one thing replaced")
    values = kappa[: len(path)]
    alone = [values[1] - values[0], *(value - values[0] for value in kappa[len(path) :])]
    found = [
        Contribution(step.cause, step.detail, late - early, change)
        for step, (early, late), change in zip(steps, pairwise(values), alone, strict=True)
    ]
    return found, values[-1] - values[0] - sum(alone) if len(steps) > 1 else None


def _beyond(kept: tuple[Kept, Kept], mesh: Mesh) -> str:
    """Return what a modest mesh leaves over, in words."""
    a, b = (_shown(one.mesh) for one in kept)
    return f"{a} → {b}, and what {_shown(mesh)} does not show of the causes above"


def _shown(mesh: Mesh) -> str:
    return "×".join(map(str, mesh))


def _steps(a: Kept, b: Kept) -> Iterator[_Step]:
    """Yield what makes B of A, in the order of the stages; nothing that is equal."""
    if not _same_sites(a, b):
        yield _Step(
            "crystal",
            f"{_crystal(a)} → {_crystal(b)}: not the same sites, so crystal and force constants go together",
            {
                **{name: getattr(b, name) for name in ("crystal", "fc2_supercell", "fc3_supercell")},
                **{name: getattr(b.constants, name) for name in ("polar", "fc2", "fc3")},
            },
        )
    else:
        if a.crystal.cell.content_hash != b.crystal.cell.content_hash:
            yield _Step("crystal", f"{_crystal(a)} → {_crystal(b)}", {"crystal": b.crystal})
        yield from _constants(a, b)
    for name in type(a.settings).model_fields:
        old, new = getattr(a.settings, name), getattr(b.settings, name)
        if old != new and not name.startswith(_NOT_PHYSICS):
            yield _Step(f"bte.{name}", f"{old} → {new}", {"settings": {name: new}})
    if a.mesh != b.mesh:
        yield _Step("mesh", f"{_shown(a.mesh)} → {_shown(b.mesh)}", {"mesh": b.mesh})


def _constants(a: Kept, b: Kept) -> Iterator[_Step]:
    """Yield Born charges, fc2, fc3, each with its supercell, as far as they differ."""
    polar = a.constants.polar, b.constants.polar
    if _tensors(polar[0]) != _tensors(polar[1]):
        named = ("without" if one is None else "with" for one in polar)
        yield _Step("Born charges", " → ".join(named), {"polar": polar[1]})
    for name in ("fc2", "fc3"):
        old, new = getattr(a.constants, name), getattr(b.constants, name)
        cell = f"{name}_supercell"
        if old.shape != new.shape or not np.array_equal(old, new):
            yield _Step(name, _apart(old, new), {name: new, cell: getattr(b, cell)})


def _tensors(polar: PolarTensors | None) -> list[object] | None:
    return None if polar is None else [polar.born.tolist(), polar.dielectric.tolist(), polar.factor]


def _apart(old: AnyArray, new: AnyArray) -> str:
    if old.shape != new.shape:
        return f"supercells of {old.shape[1]} → {new.shape[1]} atoms"
    return f"they differ by {np.linalg.norm(new - old) / np.linalg.norm(old):.2g} of their norm"


def _crystal(kept: Kept) -> str:
    cell = kept.crystal.cell
    return f"{kept.crystal.formula} {abs(np.linalg.det(cell.lattice)) / len(cell.numbers):.4f} Å³/atom"


def _same_sites(a: Kept, b: Kept) -> bool:
    """Whether the force constants of one may stand on the cell of the other, atom by atom."""
    one, other = a.crystal, b.crystal
    if one.spacegroup_number != other.spacegroup_number or len(one.cell.numbers) != len(other.cell.numbers):
        return False
    away = one.cell.positions - other.cell.positions
    near = float(np.abs(away - np.rint(away)).max()) < SAME_SITE
    return near and bool(np.allclose(one.primitive_matrix, other.primitive_matrix))
