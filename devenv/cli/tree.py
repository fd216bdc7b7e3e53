"""The command tree, as typer knows it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from devenv import __version__
from devenv.cli import configuration, data, lifecycle, machine, observe, production, workers
from devenv.cli.context import Context
from devenv.cli.database import database
from devenv.cli.mail import mail
from devenv.cli.output import Output
from devenv.cli.parity import parity
from devenv.cli.snapshots import snapshots
from devenv.errors import UsageError


def build_app() -> typer.Typer:
    """The command tree; every command imports what it needs when it runs."""
    app = typer.Typer(
        name="devenv",
        help="Production's containers on a laptop: one command brings up the stack, seeded and healthy.\n\n"
        "Global options may stand anywhere on the line.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_global_options)
    for name, command in (
        ("setup", machine.setup),
        ("up", lifecycle.up),
        ("down", lifecycle.down),
        ("stop", lifecycle.stop),
        ("restart", lifecycle.restart),
        ("status", lifecycle.status),
        ("logs", observe.logs),
        ("exec", observe.execute),
        ("shell", observe.shell),
        ("check", observe.check),
        ("scale", workers.scale),
        ("queue", workers.queue),
        ("wait", observe.wait),
        ("reset-db", data.reset_db),
        ("undo", data.undo),
        ("gc", data.gc),
        ("parity", parity),
        ("config", configuration.config),
        ("schema", configuration.schema),
        ("export", production.export),
        ("doctor", machine.doctor),
        ("onboard", machine.onboard),
    ):
        app.command(name)(command)
    app.add_typer(snapshots)
    app.add_typer(database)
    app.add_typer(mail)
    return app


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"devenv {__version__}")
        raise typer.Exit


def _global_options(
    ctx: typer.Context,
    folder: Annotated[Path | None, typer.Option("-C", metavar="DIR", help="Work on this folder.")] = None,
    env: Annotated[
        str | None, typer.Option("--env", metavar="NAME", help="Another environment of it.")
    ] = None,
    as_production: Annotated[
        bool, typer.Option("--production", help="The environment of production's shape, beside this one.")
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(
            "--on", metavar="swarm|CONTEXT", help="On a Docker Swarm: this engine's, or a context's."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Results and errors as JSON.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Yes to every question.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what tools print.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR does the same.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version
    context: Context = ctx.obj
    if folder is not None and not folder.is_dir():
        raise UsageError(f"-C: expected a folder, got {folder}")
    context.folder = folder or context.folder
    context.environment = env
    context.production = as_production
    context.on = on
    context.assume_yes = yes
    color = False if no_color or os.environ.get("NO_COLOR") else None
    context.output = Output(as_json=as_json, color=color, verbose=verbose)


def run(arguments: Sequence[str], context: Context) -> Any:
    """Run one command line; what the command ended with. Raises UsageError for one that fits no command."""
    click_error: Any = typer.BadParameter.__mro__[
        2
    ]  # typer carries its own click and exports only this of it
    try:
        return build_app()(args=list(arguments), obj=context, standalone_mode=False, prog_name="devenv")
    except click_error as error:
        raise UsageError(error.format_message(), hint="`devenv --help` lists commands and options") from error
