"""init: a commented run config to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT = "si-sevennet"


def init(
    template: Annotated[str | None, typer.Argument(help="Name of a template; see --list.")] = None,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where to write; ./TEMPLATE by default.")
    ] = None,
    *,
    show_list: Annotated[bool, typer.Option("--list", help="Name the templates and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write a commented run config (and its structure) to start from.

    Without a name it writes si-sevennet. `fireworks` writes launchpad, worker and queue files.
    """
    from kappa_flow import assets
    from kappa_flow.cli.places import writing
    from kappa_flow.errors import InputError
    from kappa_flow.settings import nearest

    root = assets.folder("templates")
    names = sorted(path.name for path in root.iterdir() if path.is_dir())
    if show_list:
        for name in names:
            typer.echo(f"{name:16}{_about(root / name)}")
        return
    chosen = template or DEFAULT
    if chosen not in names:
        raise InputError(
            f"template {chosen!r}", f"there is none of that name; {nearest(chosen, names)}", "See --list"
        )
    target = folder or Path(chosen)
    _refuse_to_replace(root / chosen, target, force=force)
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        for source in sorted((root / chosen).iterdir()):
            (target / source.name).write_bytes(source.read_bytes())
            typer.echo(f"wrote {target / source.name}")
    if (target / "kappa.yaml").exists():
        typer.echo(f"next: kappa-flow check {target / 'kappa.yaml'}")


def _refuse_to_replace(source: Path, target: Path, *, force: bool) -> None:
    from kappa_flow.errors import InputError

    if target.exists() and not target.is_dir():
        raise InputError(str(target), "it is a file", "Give a folder")
    there = [path.name for path in sorted(source.iterdir()) if (target / path.name).exists()]
    if there and not force:
        raise InputError(
            str(target / there[0]), "it is there already", "Choose another folder, or replace it with --force"
        )


def _about(folder: Path) -> str:
    """Return the first comment line of the template's config."""
    config = folder / "kappa.yaml"
    if not config.exists():
        return "launchpad, worker and queue-adapter files of FireWorks"
    return config.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").rstrip(".")
