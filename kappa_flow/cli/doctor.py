"""doctor: what works here, and what to install for what does not."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from importlib.util import find_spec
from typing import Final

import typer

from kappa_flow.cli.console import AsJson, console, say_json, table
from kappa_flow.cli.findings import Finding, engines, version_of

NEEDED: Final = (
    "kappa-flow",
    "phono3py",
    "phonopy",
    "torch",
    "numpy",
    "ase",
    "pymatgen",
    "fireworks",
    "pymongo",
)


def doctor(*, as_json: AsJson = False) -> None:
    """Look at versions, device, database, engines and queue; exit 1 when something needed is missing."""
    found = [*_packages(), _device(), _database(), *engines(), _queue()]
    if as_json:
        say_json([asdict(one) for one in found])
    else:
        rows = [
            (
                one.what,
                "[green]✓[/]" if one.works else "[red]✗[/]" if one.needed else "–",
                one.found,
                one.remedy,
            )
            for one in found
        ]
        console().print(table(("", "", "found", "remedy"), rows, left=4))
    if any(one.needed and not one.works for one in found):
        raise typer.Exit(1)


def _packages() -> list[Finding]:
    found = []
    for name in NEEDED:
        number = version_of(name)
        remedy = "" if number else f"pip install {name}"
        found.append(Finding(name, number is not None, number or "not installed", remedy))
    return found


def _device() -> Finding:
    if find_spec("torch") is None:
        return Finding("device", works=False, found="torch is not installed", remedy="pip install torch")
    import torch

    if torch.cuda.is_available():
        from kappa_flow.surrogate.kernels.triton_kernel import can_compile

        loops = "Triton" if can_compile() else "plain torch (Triton needs a C compiler and Python.h)"
        return Finding(
            "device", works=True, found=f"cuda: {torch.cuda.get_device_name(0)}, forces by {loops}"
        )
    return Finding(
        "device", works=True, found=f"cpu, {torch.get_num_threads()} threads; no GPU seen by torch"
    )


def _database() -> Finding:
    from kappa_flow.errors import InputError
    from kappa_flow.orchestration.mongod import find_mongod

    try:
        return Finding("mongod", works=True, found=str(find_mongod()))
    except InputError as error:
        return Finding("mongod", works=False, found=error.reason, remedy=error.remedy)


def _queue() -> Finding:
    for command, name in (("sbatch", "SLURM"), ("qsub", "PBS or SGE"), ("bsub", "LSF")):
        if shutil.which(command):
            return Finding("queue", works=True, found=name, needed=False)
    return Finding("queue", works=False, found="none on this machine", needed=False)
