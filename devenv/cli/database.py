"""Commands on the database itself: dumps in and out, a prompt, its branches."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.context import Context
from devenv.cli.pool import pool
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.operations.db_import import ImportResult

database = typer.Typer(
    name="db",
    help="Dumps in and out, a MySQL prompt, the branches of the data, and the pool for them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
database.add_typer(pool)


@database.command("import")
def import_(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE|-|URL", help="A dump, plain or gz, bz2, xz, zst.")],
    name: Annotated[
        str | None,
        typer.Option("--database", metavar="NAME", help="Into this database, whatever the dump calls it."),
    ] = None,
) -> None:
    """Replace the data by a dump's; `devenv undo` brings the old back."""
    from devenv.operations.db_import import db_import

    context: Context = ctx.obj
    with context.output.progress() as events:
        result = db_import(context.session(events), source, name)
    context.output.result("devenv.db-import/1", result, lambda: show_import(context.output, result))


@database.command("export")
def export(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]", help="Compressed by its ending: zst, gz, xz, bz2; - is standard output."
        ),
    ] = "-",
    name: Annotated[
        str | None, typer.Option("--database", metavar="NAME", help="Only this one; else all of them.")
    ] = None,
    no_data: Annotated[bool, typer.Option("--no-data", help="Only the structure.")] = False,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="TABLE", help="Without this table; may be given again.")
    ] = None,
) -> None:
    """Write the data as a dump, as of one moment."""
    from devenv.operations.db_export import ExportOptions, db_export, export_to

    context: Context = ctx.obj
    options = ExportOptions(name, no_data, tuple(exclude or ()))
    if file == "-":
        if context.output.as_json or sys.stdout.isatty():
            raise UsageError(
                "FILE: expected a file, or standard output that is neither a terminal nor JSON",
                hint="`devenv db export dump.sql.zst`",
            )
        with context.output.progress() as events:
            export_to(context.session(events), sys.stdout.buffer, "plain", options)
        return
    with context.output.progress() as events:
        result = db_export(context.session(events), Path(file), options)

    def human() -> None:
        context.output.print(
            f"{result.file}: {', '.join(result.databases)}, {result.bytes / 1e6:.1f} MB of SQL "
            f"in {result.written / 1e6:.1f} MB, after {result.seconds:.1f} s"
        )

    context.output.result("devenv.db-export/1", result, human)


@database.command("shell")
def shell(
    ctx: typer.Context,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- ARGUMENTS...]", help="For the mysql client.")
    ] = None,
) -> int:
    """Open a MySQL prompt in the first database; its exit status is passed through."""
    from devenv.operations.db_branches import prompt

    context: Context = ctx.obj
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    return prompt(context.session(), tuple(arguments or ()), tty=tty)


@database.command("branches")
def branches(ctx: typer.Context) -> None:
    """The branches of this environment's data: the current one and those kept for `devenv undo`."""
    from devenv.operations.db_branches import branches as operation

    context: Context = ctx.obj
    rows = operation(context.session())

    def human() -> None:
        context.output.table(
            ("STATE", "VOLUME", "SNAPSHOT", "DRIVER", "OWN SIZE", "CREATED"),
            (
                (
                    row.state,
                    row.volume,
                    row.snapshot or "-",
                    row.driver or "-",
                    "-" if row.bytes is None else f"{row.bytes / 2**20:.0f} MB",
                    age_of(row.created),
                )
                for row in rows
            ),
        )

    context.output.result("devenv.db-branches/1", {"branches": rows}, human)


def age_of(created: str) -> str:
    """How long ago, in one unit; `-` where it is not known."""
    try:
        seconds = int((datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds())
    except ValueError:
        return "-"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def show_import(output: Output, result: ImportResult) -> None:
    """What is there now, what was changed on the way, and what was put aside."""
    rate = result.bytes / 1e6 / max(result.seconds, 0.01)
    how = (
        f"over {result.connections} connections"
        if result.serial is None
        else f"over one connection: {result.serial}"
    )
    output.print(
        f"{result.source}: {result.bytes / 1e6:.1f} MB into {', '.join(result.databases)} "
        f"after {result.seconds:.1f} s ({rate:.1f} MB/s, {how})"
    )
    for what, count in result.changes.items():
        output.print(f"  {what}: {count} times")
    for what, count in result.left_out.items():
        output.print(f"  left out: {what} ({count})")
    if result.carried_over:
        output.print(f"carried over: {', '.join(result.carried_over)}")
    if result.discarded is not None:
        old = result.discarded
        size = "" if old.tables is None else f"{old.tables} tables, {(old.bytes or 0) / 2**20:.1f} MB, "
        output.print(f"before: {size}put aside in {old.volume}; `devenv undo` brings it back")
    if not result.running:
        output.print("the database does not run: `devenv up` starts it")
