"""Numbers the sections are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Temperature = Annotated[float, Field(gt=0, le=10000)]
Repeats = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
IntMatrix3 = tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]


def three(value: object, example: str) -> object:
    """Return a value of one entry an axis, or of another kind, as it is; refuse one number, or two or four.

    Raises
    ------
    ValueError
        Saying what to write.
    """
    found = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found = f"{value!r} is one number"
    if isinstance(value, (list, tuple)) and len(value) != 3:
        found = f"it holds {len(value)} numbers"
    if found is not None:
        raise ValueError(f"{found}; write three, e.g. {example}")
    return value
