"""Commands on the pool: make it, show it, remove it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.context import Context
from devenv.cli.lifecycle import ask
from devenv.cli.snapshots import size_text
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.operations.pool import PoolReport

SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[MGT])i?B?", re.IGNORECASE)
UNITS = {"M": 2**20, "G": 2**30, "T": 2**40}

pool = typer.Typer(
    name="pool",
    help="A file system with reflinks inside the engine, where its own disk has none (ext4).",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@pool.command()
def create(
    ctx: typer.Context,
    size: Annotated[str, typer.Option(metavar="SIZE", help="How large it may grow: 20G.")] = "20G",
) -> None:
    """Make the pool; new snapshots and branches live in it from then on."""
    from devenv.operations.pool import create_pool

    context: Context = ctx.obj
    with context.output.progress() as events:
        report = create_pool(context.session(events), size_of(size))

    def human() -> None:
        if not report.created:
            context.output.print("the pool was there already")
        show_report(context.output, report)

    context.output.result("devenv.db-pool/1", report, human)


@pool.command()
def show(ctx: typer.Context) -> None:
    """Show how full the pool is, and what lives in it."""
    from devenv.operations.pool import show_pool

    context: Context = ctx.obj
    report = show_pool(context.session())
    context.output.result("devenv.db-pool/1", report, lambda: show_report(context.output, report))


@pool.command()
def remove(ctx: typer.Context) -> None:
    """Remove the pool with the snapshots in it; refused while a branch lives in it."""
    from devenv.operations.pool import remove_pool

    context: Context = ctx.obj
    with context.output.progress() as events:
        result = remove_pool(context.session(events), lambda question: context.assume_yes or ask(question))

    def human() -> None:
        context.output.print(f"the pool {result.name} is gone")
        if result.snapshots:
            context.output.print(f"with it these snapshots: {', '.join(result.snapshots)}")

    context.output.result("devenv.db-pool-remove/1", result, human)


def size_of(text: str) -> int:
    """The bytes that a size such as 20G or 500MB means; raises UsageError."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--size: expected a size such as 20G or 500MB, got {text}")
    return int(float(match["number"]) * UNITS[match["unit"].upper()])


def show_report(output: Output, report: PoolReport) -> None:
    """How full it is and who lives in it, or how to get one."""
    if report.name is None:
        output.print("there is no pool: `devenv db pool create --size 20G` makes one")
        return
    if report.used is None or report.free is None:
        output.print(f"{report.name}: {size_text(report.size)}, not mounted: `devenv up` puts it back")
    else:
        output.print(
            f"{report.name}: {size_text(report.size)}, {size_text(report.used)} used, {size_text(report.free)} free"
        )
    output.print(f"branches: {', '.join(report.branches) or 'none'}")
    output.print(f"snapshots: {', '.join(report.snapshots) or 'none'}")
