"""Commands on the database's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.context import Context
from devenv.cli.lifecycle import ask
from devenv.cli.snapshots import size_text

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.operations.gc import GcResult
    from devenv.operations.reset_db import ResetResult


def reset_db(
    ctx: typer.Context,
    spare: Annotated[
        bool,
        typer.Option(
            "--spare", help="Then start a second server on fresh data: the next reset only switches."
        ),
    ] = False,
) -> None:
    """Bring the database back to the state in which it was seeded."""
    from devenv.operations.reset_db import reset_db as operation

    context: Context = ctx.obj
    with context.output.progress() as events:
        result = operation(context.session(events), spare=spare)
    context.output.result("devenv.reset-db/1", result, lambda: show_reset(context.output, result))


def undo(ctx: typer.Context) -> None:
    """Take back the last reset-db, import, restore or `down --volumes`."""
    from devenv.operations.reset_db import undo as operation

    context: Context = ctx.obj
    with context.output.progress() as events:
        result = operation(context.session(events))

    def human() -> None:
        context.output.print(f"the data of {result.volume} are back, after {result.seconds:.1f} s")
        if result.put_aside is not None:
            context.output.print(f"put aside: {result.put_aside}; `devenv undo` takes this back too")
        if not result.running:
            context.output.print("the database does not run: `devenv up` starts it")

    context.output.result("devenv.undo/1", result, human)


def gc(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what can go.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what `devenv undo` would bring back.")
    ] = False,
) -> None:
    """Free the disk of data that nothing needs any more."""
    from devenv.operations.gc import gc as operation

    context: Context = ctx.obj
    with context.output.progress() as events:
        result = operation(
            context.session(events),
            lambda question: context.assume_yes or ask(question),
            dry_run=dry_run,
            undo_too=everything,
        )
    context.output.result("devenv.gc/1", result, lambda: show_gc(context.output, result))


def show_gc(output: Output, result: GcResult) -> None:
    """What can go or is gone, and how much that is."""
    if not result.items:
        output.print("nothing to free")
        return
    output.table(
        ("WHAT", "NAME", "SIZE", "WHY"),
        [
            (item.kind, item.name, "?" if item.bytes is None else size_text(item.bytes), item.reason)
            for item in result.items
        ],
    )
    output.print(f"{size_text(result.bytes)} {'freed' if result.freed else 'can be freed: `devenv gc`'}")


def show_reset(output: Output, result: ResetResult) -> None:
    """What is there now, and what was discarded."""
    spare = ", the spare" if result.from_spare else ""
    how = (
        "seeded anew"
        if result.seeded
        else f"a branch of snapshot {result.snapshot}, by {result.driver}{spare}"
    )
    output.print(f"the database is as it was seeded, after {result.seconds:.2f} s ({how}):")
    for step in result.seed_steps:
        output.print(f"  {step}")
    if result.discarded is not None:
        old = result.discarded
        size = "" if old.tables is None else f"{old.tables} tables, {(old.bytes or 0) / 2**20:.1f} MB, "
        output.print(f"discarded: {size}put aside in {old.volume}; `devenv undo` brings it back")
    if not result.running:
        output.print("the database does not run: `devenv up` starts it")
