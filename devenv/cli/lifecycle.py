"""Commands that start, stop and show the environment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.context import Context

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.operations.status import StatusReport
    from devenv.operations.up import UpResult

Services = Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Only these services.")]


def up(
    ctx: typer.Context,
    services: Services = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and why.")] = False,
    build: Annotated[bool, typer.Option("--build", help="Build the images anew.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until healthy.")] = 180.0,
) -> None:
    """Bring the environment up, seeded and healthy."""
    from devenv.operations import up as operation

    context: Context = ctx.obj
    options = operation.UpOptions(tuple(services or ()), build, timeout)
    if dry_run:
        plan = operation.dry_run(context.session(), options)
        context.output.result("devenv.plan/1", plan, lambda: context.output.print(str(plan)))
        return
    with context.output.progress() as events:
        result = operation.up(context.session(events), options)
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


def restart(ctx: typer.Context, services: Annotated[list[str], typer.Argument(metavar="SERVICE...")]) -> None:
    """Restart services, and wait until they are healthy."""
    from devenv.operations import lifecycle

    context: Context = ctx.obj
    with context.output.progress() as events:
        result = lifecycle.restart(context.session(events), tuple(services))
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
    session = context.session()
    for report in changes(session) if watch else (operation(session),):
        if watch:
            context.output.clear()
        context.output.result("devenv.status/1", report, partial(show_status, context.output, report))


def ask(question: str) -> bool:
    """Ask at a terminal; without one the answer is no, and the caller names the flag that says yes."""
    import sys

    return sys.stdin.isatty() and typer.confirm(question, default=False, err=True)


def show_up(output: Output, result: UpResult) -> None:
    """What was done, in one line, and what runs."""
    done = "nothing to do" if not result.plan.steps else f"{len(result.plan.steps)} steps"
    show_status(output, result.status)
    output.print()
    output.print(f"{result.status.project} is {result.status.state} after {result.seconds:.1f} s ({done})")


def show_status(output: Output, report: StatusReport) -> None:
    """A row per service."""
    rows = [
        (
            row.name if row.replicas <= 1 else f"{row.name} x{row.replicas}",
            row.health or row.state,
            "  ".join(port.url or f"127.0.0.1:{port.published}" for port in row.ports) or "-",
            f"{row.image} ({row.image_source})" if row.image else "-",
        )
        for row in report.services
    ]
    output.table(("SERVICE", "STATE", "REACHED AT", "IMAGE"), rows)
    if report.database.branch:
        data = report.database
        output.print(
            f"data: volume {data.branch}, branch of snapshot {data.snapshot or 'unknown'} ({data.driver})"
        )
