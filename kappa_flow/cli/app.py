"""app: the command `kappa-flow`, put together from one module per command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from kappa_flow.cli import (
    cancel,
    check,
    doctor,
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
    worker,
)
from kappa_flow.errors import KappaFlowError

app = typer.Typer(
    name="kappa-flow",
    help="Lattice thermal conductivity κ(T) with an error bar, from few reference calculations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: kappa-flow init si-sevennet si, then kappa-flow check and run si/kappa.yaml",
)
START, WORK, RESULT = "Calculate", "Mend and watch", "Results"
for command, panel in (
    (init.init, START),
    (check.check, START),
    (run.run, START),
    (submit.submit, START),
    (worker.worker, START),
    (status.status, WORK),
    (rerun.rerun, WORK),
    (repair.repair, WORK),
    (cancel.cancel, WORK),
    (doctor.doctor, WORK),
    (query.query, RESULT),
    (show.show, RESULT),
    (report.report, RESULT),
    (export.export, RESULT),
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
        app([word for word in words if word != "--debug"], prog_name="kappa-flow")
    except KappaFlowError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        first_line = str(error).strip().partition("\n")[0]
        typer.echo(
            f"error: {type(error).__name__}: {first_line}. This is a fault of kappa_flow; --debug shows it.",
            err=True,
        )
        sys.exit(1)
