"""Commands on the database's data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from devenv.cli.context import Context

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.operations.reset_db import ResetResult


def reset_db(ctx: typer.Context) -> None:
    """Bring the database back to the state in which it was seeded."""
    from devenv.operations.reset_db import reset_db as operation

    context: Context = ctx.obj
    with context.output.progress() as events:
        result = operation(context.session(events))
    context.output.result("devenv.reset-db/1", result, lambda: show_reset(context.output, result))


def show_reset(output: Output, result: ResetResult) -> None:
    """What is there now, and what was discarded."""
    output.print(f"the database is as it was seeded, after {result.seconds:.1f} s:")
    for step in result.seed_steps:
        output.print(f"  {step}")
    if result.discarded is not None:
        old = result.discarded
        size = "" if old.tables is None else f"{old.tables} tables, {(old.bytes or 0) / 2**20:.1f} MB, "
        output.print(f"discarded: {size}kept in volume {old.volume} until the next reset")
    if not result.running:
        output.print("the database does not run: `devenv up` starts it")
