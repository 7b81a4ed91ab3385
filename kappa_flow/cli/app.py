"""app: the command `kappa-flow`, put together from one module per command."""

from __future__ import annotations

import sys
from typing import Annotated, Any, NoReturn

import typer

from kappa_flow.cli import (
    cancel,
    check,
    diff,
    doctor,
    evaluate,
    export,
    init,
    query,
    repair,
    report,
    rerun,
    run,
    show,
    status,
    submit,
    train,
    worker,
)
from kappa_flow.errors import KappaFlowError

app = typer.Typer(
    name="kappa-flow",
    help="Lattice thermal conductivity κ(T) with an error bar, from few reference calculations.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: kappa-flow init si-sevennet si, then kappa-flow check and run si/kappa.yaml",
)
UsageError = typer.BadParameter.__mro__[2]
"""ClickException, from wherever this Typer has its click."""

INTERRUPTED = 130
START, WORK, RESULT = "Calculate", "Mend and watch", "Results"
POTENTIAL = "Potentials alone"
for command, panel in (
    (init.init, START),
    (check.check, START),
    (run.run, START),
    (submit.submit, START),
    (worker.worker, START),
    (train.train, POTENTIAL),
    (evaluate.evaluate, POTENTIAL),
    (status.status, WORK),
    (rerun.rerun, WORK),
    (repair.repair, WORK),
    (cancel.cancel, WORK),
    (doctor.doctor, WORK),
    (query.query, RESULT),
    (show.show, RESULT),
    (report.report, RESULT),
    (export.export, RESULT),
    (diff.diff, RESULT),
):
    app.command(rich_help_panel=panel)(command)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
) -> None:
    """Lattice thermal conductivity κ(T) with an error bar, from few reference calculations."""
    del debug  # read in main, so that it may stand anywhere on the line
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("kappa-flow"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an error is one line on stderr and its exit code: 2 bad input, 1 failed work."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        code = app(
            [word for word in words if word != "--debug"], prog_name="kappa-flow", standalone_mode=False
        )
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if debug and not isinstance(error, UsageError):
            raise
        _leave(*_said(error))
    if code == INTERRUPTED:  # Typer makes an exit of Ctrl-C
        _leave("stopped; what is finished is kept, and the same command goes on with it", INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _said(error: Exception) -> tuple[str, int]:
    """Return an error's one line and its exit code."""
    if isinstance(error, KappaFlowError):
        return f"error: {error}", error.exit_code
    if isinstance(error, UsageError):
        text = " ".join(_usage_message(error).split()).replace("Value error, ", "").rstrip(".")
        return f"error: {text}. `kappa-flow --help` and `kappa-flow COMMAND --help` show what there is.", 2
    first_line = str(error).strip().partition("\n")[0]
    kind = type(error).__name__
    return f"error: {kind}: {first_line}. This is a fault of kappa_flow; --debug shows where.", 1


def _usage_message(error: Any) -> str:
    return str(error.format_message())


def _leave(line: str, code: int) -> NoReturn:
    typer.echo(line, err=True)
    sys.exit(code)
