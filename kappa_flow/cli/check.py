"""check: the plan of a run; runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kappa_flow.cli.console import AsJson, console, say_json, table

if TYPE_CHECKING:
    from kappa_flow.cli.plan import Plan


def check(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Run config (YAML).")],
    *,
    as_json: AsJson = False,
) -> None:
    """Validate a run config and print its plan: stages, supercells, reference calls, memory. Runs nothing."""
    from kappa_flow.cli.memory import of_machine
    from kappa_flow.cli.plan import plan
    from kappa_flow.documents import RunConfig

    settings = RunConfig.from_file(config)
    made = plan(settings)
    if as_json:
        say_json({"config": str(config), **made.plain(), "settings": settings.plain()})
        return
    out = console()
    out.print(f"[bold]{made.formula}[/bold], {made.spacegroup}: the plan of {config}. Nothing was run.\n")
    out.print(table(("stage", "what it will do"), _stages(settings.forces.source, made), left=2))
    out.print(table(("cost", "count"), _cost(made)))
    if made.memory:
        rows = [(name, size(value)) for name, value in made.memory.items() if value]
        if (machine := of_machine()) is not None:
            rows.append(("this machine", size(machine)))
        out.print(table(("memory", "at most"), rows))
    for warning in made.warnings:
        out.print(f"[yellow]{warning}[/yellow]")
    out.print("Reference calls and evaluations are what costs; how long one takes depends on the machine.")


def _stages(source: str, made: Plan) -> list[tuple[str, str]]:
    from kappa_flow.cli.plan import FC2
    from kappa_flow.graph import Task

    lengths = " × ".join(f"{length:.1f}" for length in made.supercell_lengths)
    cells = f"{made.fc3_cells} displaced supercells of {made.fc3_atoms} atoms ({lengths} Å)"
    if made.fc2_cells:
        cells += f", {made.fc2_cells} of {made.fc2_atoms} atoms for fc2"
    by = f"a committee of {made.members}" if source != "reference" else "the reference"
    calls = made.reference_calls.items()
    said = {
        "structure": "symmetrise"
        + (", relax with the reference" if made.relaxation else "")
        + (", Born charges" if any("Born charges" in what for what in made.reference_calls) else ""),
        "sampling": ", ".join(f"{count} {what}" for what, count in calls if not what.startswith(FC2)),
        "dataset": f"{made.labelled} labelled structures given" if made.labelled else "label them",
        "surrogate": by,
        "displacements": cells,
        "forces": f"{made.evaluations} supercells by {by}"
        + "".join(f", {count} {what}, by the reference" for what, count in calls if what.startswith(FC2)),
        "force_constants": "fc2 and fc3",
        "bte": "κ(T)",
        "results": "training.json, report.html, potential/, dataset.extxyz"
        if source == "none"
        else "kappa.json, report.html, files for phono3py",
    }
    rounds: dict[str, int] = {}
    for name in made.tasks:
        stage = Task.named(name).stage
        rounds[stage] = rounds.get(stage, 0) + 1
    return [
        (stage, said[stage] + (f" (at most {rounds[stage]} times)" if rounds.get(stage, 0) > 1 else ""))
        if stage in rounds
        else (f"[dim]{stage}[/dim]", "[dim]not needed[/dim]")
        for stage in said
    ]


def _cost(made: Plan) -> list[tuple[str, str]]:
    rows = [(f"reference calls, {what}", str(count)) for what, count in made.reference_calls.items()]
    if made.relaxation:
        rows.append(("reference calls, relaxation of the conventional cell", "not known yet"))
    most = "at most" if any("at most" in what for what in made.reference_calls) else "expected"
    rows.append((f"reference calls {most}", str(made.calls) + (" + relaxation" if made.relaxation else "")))
    if made.members > 1 and made.evaluations:
        work = f"{made.evaluations} supercells × {made.members} members"
        rows.append((f"surrogate evaluations, {work}", str(made.evaluations * made.members)))
    if made.linewidths is not None:
        from kappa_flow.results.task_graph import duration

        seconds, tasks = made.linewidths
        rows.append(
            ("BTE, finest mesh, one thread", f"about {duration(seconds)}, {tasks} task{'s' * (tasks > 1)}")
        )
    return rows


def size(count: int) -> str:
    """Return bytes as people say them."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} GiB"
