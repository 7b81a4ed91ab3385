"""The template of copper by EMT, changed, and commands called where it lies."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kappa_flow import assets
from kappa_flow.cli.app import main


def write_config(folder: Path, file: str = "cu.yaml", **changes: dict[str, Any]) -> None:
    """Write the template's POSCAR and config into the folder, with changes to its sections."""
    template = assets.template("cu-emt")
    (folder / "POSCAR").write_bytes((template / "POSCAR").read_bytes())
    data = yaml.safe_load((template / "kappa.yaml").read_text())
    data |= {name: data.get(name, {}) | section for name, section in changes.items()}
    (folder / file).write_text(yaml.safe_dump(data))


def kappa_flow(folder: Path, *words: str, code: int = 0) -> None:
    """Call the command in the folder; it ends with this exit code."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        with pytest.raises(SystemExit) as end:
            main(list(words))
    finally:
        os.chdir(here)
    assert end.value.code == code
