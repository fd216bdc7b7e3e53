"""Commands that start, stop and show the environment."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from devenv.cli import swarm
from devenv.cli.context import Context
from devenv.cli.profiling import profiled
from devenv.cli.showing import show_status, show_up
from devenv.errors import UsageError

Services = Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Only these services.")]


def up(
    ctx: typer.Context,
    services: Services = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and why.")] = False,
    build: Annotated[bool, typer.Option("--build", help="Build the images anew.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until healthy.")] = 180.0,
    pods: Annotated[
        int | None,
        typer.Option(min=1, max=20, help="With --production: that many pods, kept until others are wanted."),
    ] = None,
    tls: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="With --production: HTTPS, and HTTP leads there.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="[=FILE.html]", help="Show where the time goes, and write it as a page."),
    ] = None,
) -> None:
    """Bring the environment up, seeded and healthy."""
    from devenv.operations import up as operation

    context: Context = ctx.obj
    options = operation.UpOptions(tuple(services or ()), build, timeout)
    if context.on is not None and not dry_run:
        swarm.up(context, options)
        return
    if dry_run:
        plan = operation.dry_run(context.session(pods=pods, tls=tls), options)
        context.output.result("devenv.plan/1", plan, lambda: context.output.print(str(plan)))
        return
    with profiled(context, profile) as recorder, context.output.progress() as events:
        result = operation.up(context.session(events, pods=pods, tls=tls), options, recorder)
    if profile is not None:
        result = replace(result, profile=recorder.waterfall)
    context.output.result("devenv.up/1", result, lambda: show_up(context.output, result))


def down(
    ctx: typer.Context,
    volumes: Annotated[
        bool, typer.Option("--volumes", help="The data too, which `devenv undo` brings back.")
    ] = False,
) -> None:
    """Remove the containers; the data stay."""
    from devenv.operations import lifecycle

    context: Context = ctx.obj
    confirmed = context.assume_yes
    if volumes and not confirmed:
        confirmed = ask(
            "Remove the generated files, and put the database's data aside (`devenv undo` has them)?"
        )
    if context.on is not None:
        swarm.down(context, volumes=volumes, confirmed=confirmed)
        return
    with context.output.progress() as events:
        result = lifecycle.down(context.session(events), volumes=volumes, confirmed=confirmed)
    text = f"{result.project}: {len(result.containers)} containers removed"
    if not volumes:
        text += "; the data are kept"
    if result.volumes:
        text += f", and {', '.join(result.volumes)}"
    if result.put_aside:
        text += f"; the data are put aside in {result.put_aside}: `devenv undo` brings them back, `devenv gc --all` frees them"
    context.output.result("devenv.down/1", result, lambda: context.output.print(text))


def stop(ctx: typer.Context, services: Services = None) -> None:
    """Stop the services; `up` starts them again."""
    from devenv.operations import lifecycle

    context: Context = ctx.obj
    with context.output.progress() as events:
        result = lifecycle.stop(context.session(events), tuple(services or ()))
    text = f"{result.project}: {', '.join(result.services) or 'nothing'} stopped"
    context.output.result("devenv.stop/1", result, lambda: context.output.print(text))


def restart(
    ctx: typer.Context,
    services: Services = None,
    rolling: Annotated[
        bool, typer.Option("--rolling", help="With --production: one pod after another; no request is lost.")
    ] = False,
) -> None:
    """Restart services, and wait until they are healthy."""
    from devenv.operations import lifecycle

    context: Context = ctx.obj
    with context.output.progress() as events:
        if rolling:
            result = lifecycle.restart_rolling(context.session(events), tuple(services or ()))
        elif services:
            result = lifecycle.restart(context.session(events), tuple(services))
        else:
            raise UsageError(
                "Missing argument 'SERVICE...'.", hint="`devenv --help` lists commands and options"
            )
    text = f"{result.project}: {', '.join(result.services)} restarted and healthy"
    context.output.result("devenv.restart/1", result, lambda: context.output.print(text))


def status(
    ctx: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, until Ctrl-C.")] = False,
) -> None:
    """Show services, health, image source, ports, URLs and the database's data."""
    from devenv.operations.status import changes
    from devenv.operations.status import status as operation

    context: Context = ctx.obj
    if context.on is not None:
        swarm.status(context)
        return
    session = context.session()
    for report in changes(session) if watch else (operation(session),):
        if watch:
            context.output.clear()
        context.output.result("devenv.status/1", report, partial(show_status, context.output, report))


def ask(question: str) -> bool:
    """Ask at a terminal; without one the answer is no, and the caller names the flag that says yes."""
    import sys

    try:
        return sys.stdin.isatty() and typer.confirm(question, default=False, err=True)
    except typer.Abort as abort:
        typer.echo(err=True)  # what is said next begins a line
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        return False  # the end of the input, as Ctrl-D
