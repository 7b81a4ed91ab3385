"""Names and documents of one fc3 supercell, where a run tries several (``structure.supercell: auto``).

What one supercell gave has ordinary task names after its own: ``2x2x2.dataset.1``. `of_size` shows the
documents as a run in that supercell alone would have them; what is made from them needs to know no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np

from kappa_flow.documents.base import Document
from kappa_flow.documents.crystal import Crystal

Size = tuple[int, int, int]
"""Repeats of the conventional cell."""
_SIZED: Final = re.compile(r"(\d+)x(\d+)x(\d+)\.")


def split(name: str) -> tuple[Size | None, str]:
    """Return the supercell a task name begins with, None where it does not, and the ordinary name."""
    if (found := _SIZED.match(name)) is None:
        return None, name
    first, second, third = map(int, found.groups())
    return (first, second, third), name[found.end() :]


def joined(size: Size | None, name: str) -> str:
    """Return the task name that `split` takes apart."""
    return name if size is None else f"{'x'.join(map(str, size))}.{name}"


def sizes(names: Iterable[str]) -> list[Size]:
    """Return the supercells among task names, growing."""
    found = {size for name in names if (size := split(name)[0]) is not None}
    return sorted(found, key=lambda size: (np.prod(size), size))


def names_of(names: Iterable[str], size: Size) -> dict[str, str]:
    """Return the task name by ordinary name of one supercell's tasks, and of what all supercells share."""
    parts = {name: split(name) for name in names}
    shared = [name for name in parts if name == "structure" or name.startswith("input.")]
    return {name: name for name in shared} | {
        bare: name for name, (own, bare) in parts.items() if own == size
    }


def names_of_last(names: Iterable[str]) -> dict[str, str]:
    """Return the task name by ordinary name of the largest supercell's tasks, and of those of none."""
    names = list(names)
    last = sizes(names)[-1:]
    own = names_of(names, last[0]) if last else {}
    return own | {name: name for name in names if split(name)[0] is None}


def in_supercell(crystal: Crystal, size: Size) -> Crystal:
    """Return the crystal with another fc3 supercell."""
    return crystal.model_copy(update={"supercell": np.diag(np.array(size, dtype=np.int64))})


class OfSize(Mapping[str, Document]):
    """Documents by ordinary task name, each read when it is asked for; the crystal in that supercell.

    Parameters
    ----------
    documents : mapping of str to Document
        Of the whole run.
    names : dict of str to str
        Task name by ordinary name.
    size : tuple of int
    """

    def __init__(self, documents: Mapping[str, Document], names: dict[str, str], size: Size) -> None:
        self._documents, self._names, self._size = documents, names, size

    def __getitem__(self, name: str) -> Document:
        """Return the document of that task."""
        document = self._documents[self._names[name]]
        return in_supercell(document, self._size) if isinstance(document, Crystal) else document

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ordinary names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._names)


def of_size(documents: Mapping[str, Document], size: Size) -> OfSize:
    """Return the documents of one supercell."""
    return OfSize(documents, names_of(documents, size), size)


def of_last(documents: Mapping[str, Document]) -> Mapping[str, Document]:
    """Return the documents of the largest supercell and what was made from them; all where there is one."""
    found = sizes(documents)
    return OfSize(documents, names_of_last(documents), found[-1]) if found else documents
