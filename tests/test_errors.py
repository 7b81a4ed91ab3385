"""The one line a user sees."""

from __future__ import annotations

import pytest

from kappa_flow.errors import InputError


@pytest.mark.parametrize(
    ("reason", "remedy", "line"),
    [
        ("is empty", "Give another", "x: is empty. Give another."),
        ("is empty.", "Give another.", "x: is empty. Give another."),
        ("unknown; did you mean 'y'?", "See --list", "x: unknown; did you mean 'y'? See --list."),
        ("two\nlines", "Mend\n  it!", "x: two lines Mend it!".replace("lines ", "lines. ")),
    ],
)
def test_reason_and_remedy_end_with_one_mark_each(reason: str, remedy: str, line: str) -> None:
    assert str(InputError("x", reason, remedy)) == line
