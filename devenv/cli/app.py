"""The program: global options, wiring, and the one boundary where errors become exit statuses."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devenv import __version__
from devenv.cli import configuration, data, lifecycle, machine, observe
from devenv.cli.context import Context, Wiring
from devenv.cli.database import database
from devenv.cli.output import Output
from devenv.cli.snapshots import snapshots
from devenv.errors import DevenvError, UsageError

if TYPE_CHECKING:
    from devenv.cli.context import Setup
    from devenv.engine.api import Engine
    from devenv.engine.setup_plan import SetupStep
    from devenv.model import Login

INTERRUPTED = 130
FLAGS = frozenset({"--json", "--yes", "-y", "--verbose", "--no-color"})
WITH_VALUE = frozenset({"-C", "--env"})
PASSES_ON = frozenset({"exec"})
"""Commands whose words behind the service belong to another program."""


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
        ("reset-db", data.reset_db),
        ("undo", data.undo),
        ("gc", data.gc),
        ("config", configuration.config),
        ("schema", configuration.schema),
        ("doctor", machine.doctor),
        ("onboard", machine.onboard),
    ):
        app.command(name)(command)
    app.add_typer(snapshots)
    app.add_typer(database)
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
    context.assume_yes = yes
    color = False if no_color or os.environ.get("NO_COLOR") else None
    context.output = Output(as_json=as_json, color=color, verbose=verbose)


def hoist(arguments: Sequence[str]) -> list[str]:
    """Global options to the front, so that `devenv status --json` and `devenv --json status` are the same.

    What stands behind `--`, or behind the service of `exec`, is another program's.
    """
    front: list[str] = []
    rest: list[str] = []
    words = 0
    queue = list(arguments)
    while queue:
        word = queue.pop(0)
        if word == "--" or (words == 2 and rest[0] in PASSES_ON):
            return [*front, *rest, *([] if word == "--" else ["--"]), word, *queue]
        if word in FLAGS or word.startswith("--env="):
            front.append(word)
        elif word in WITH_VALUE and queue:
            front += [word, queue.pop(0)]
        else:
            words += not word.startswith("-")
            rest.append(word)
    return front + rest


def main(argv: Sequence[str] | None = None, wiring: Wiring | None = None) -> int:
    """Run one command line; its exit status. Only defects of ours leave as exceptions."""
    arguments = hoist(sys.argv[1:] if argv is None else argv) or ["--help"]
    context = Context(wiring or default_wiring())
    # Known before typer parsed anything: an error in the parsing is to be JSON as well.
    context.output = Output(
        as_json="--json" in arguments[: arguments.index("--") if "--" in arguments else None]
    )
    click_error: Any = typer.BadParameter.__mro__[
        2
    ]  # typer carries its own click and exports only this of it
    try:
        status = build_app()(args=arguments, obj=context, standalone_mode=False, prog_name="devenv")
    except DevenvError as error:
        context.output.error(error)
        return error.exit_status
    except click_error as error:
        context.output.error(
            UsageError(error.format_message(), hint="`devenv --help` lists commands and options")
        )
        return UsageError.exit_status
    except SystemExit as end:
        # typer ends so, with status 1, when nobody reads our output any more: who read it has seen enough.
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        # Nothing may be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if status == INTERRUPTED:
        context.output.note(
            "interrupted: what runs is left as it is; `devenv up` goes on, `devenv down` ends it"
        )
    return status if isinstance(status, int) else 0


def default_wiring() -> Wiring:
    """Docker and its logins, the packages of this machine's distribution, and mmdebstrap."""
    return Wiring(engine=_docker_engine, bootstrap=_debian, setup=_setup, logins=_docker_login)


def _docker_engine() -> Engine:
    from devenv.engine.docker import DockerEngine

    return DockerEngine()


def _docker_login(host: str) -> Login | None:
    from devenv.engine.docker.logins import login_of

    return login_of(host)


def _debian(suite: str) -> Any:
    from devenv.engine.bootstrap import root_file_system

    return root_file_system(suite)


def _setup() -> Setup:
    return _PackageSetup()


class _PackageSetup:
    """Setup by this machine's own package manager."""

    def plan(self) -> tuple[SetupStep, ...]:
        from devenv.engine.install import inspect_machine, plan_setup

        return plan_setup(inspect_machine())

    def execute(self, steps: tuple[SetupStep, ...], on_step: Callable[[SetupStep], None]) -> tuple[str, ...]:
        from devenv.engine.install import execute

        return execute(steps, on_step)

    def report(self) -> dict[str, str]:
        from devenv.engine.install import inspect_machine, setup_report

        return asdict(setup_report(inspect_machine()))


def console() -> None:
    """Entry point of the `devenv` script."""
    sys.exit(main())
