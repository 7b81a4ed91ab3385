"""A potential on disk: a JSON description beside its weights in safetensors, no pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from kappa_flow.arrays import AnyArray
from kappa_flow.errors import InputError

DESCRIPTION = "potential.json"
WEIGHTS = "weights.safetensors"


def save(folder: str | os.PathLike[str], description: dict[str, Any], arrays: dict[str, AnyArray]) -> None:
    """Write the description and the arrays into a folder, made when absent."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(description, indent=2, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / WEIGHTS)


def load(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Read what :func:`save` wrote.

    Raises
    ------
    InputError
        When a file is missing or unreadable.
    """
    folder = Path(folder)
    try:
        description: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return description, dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"{folder}", f"holds no readable potential: {error}", f"It needs {DESCRIPTION} and {WEIGHTS}"
        ) from error
