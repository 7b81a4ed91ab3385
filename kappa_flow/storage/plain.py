"""Numbers as plain Python: what a database must be given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return ``value`` with numpy scalars and arrays as Python numbers and lists.

    Raises
    ------
    TypeError
        For anything MongoDB would keep as something else than it is.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bytes, bool, int, float, datetime)):
        return value
    raise TypeError(f"{type(value).__name__} cannot be kept in the database")
