"""Commands on snapshots: named states of the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.context import Context
from devenv.cli.lifecycle import ask

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.database.artifact import Reference
    from devenv.operations.snapshots import RestoreResult, SnapshotRow

UNITS = ((2**30, "GB"), (2**20, "MB"), (2**10, "kB"))
AGES = ((86400, "d"), (3600, "h"), (60, "min"))

PLACE = "oci://HOST[:PORT]/REPOSITORY[:TAG] in a registry"

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, or its key.")]

snapshots = typer.Typer(
    name="snapshot",
    help="Named states of the data: save, restore, share.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@snapshots.command()
def save(ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Save the data as they are, under a name."""
    from devenv.operations.save import save as operation

    context: Context = ctx.obj
    with context.output.progress() as events:
        result = operation(context.session(events), name)

    def human() -> None:
        saved = result.snapshot
        stopped = f"; the database was stopped for {result.stopped_seconds:.1f} s"
        context.output.print(
            f"{saved.name} saved: {size_text(saved.bytes)}, key {saved.key}, after {result.seconds:.1f} s"
            + (stopped if result.stopped_seconds else "")
        )

    context.output.result("devenv.snapshot-save/1", result, human)


@snapshots.command("list")
def list_(ctx: typer.Context) -> None:
    """List the snapshots on this engine, with what uses them."""
    from devenv.operations.snapshots import list_snapshots

    context: Context = ctx.obj
    rows = list_snapshots(context.session())
    context.output.result("devenv.snapshot-list/1", rows, lambda: show_list(context.output, rows))


@snapshots.command()
def restore(ctx: typer.Context, name: Name) -> None:
    """Bring the data back as they were saved; `devenv undo` takes it back."""
    from devenv.operations.snapshots import restore as operation

    context: Context = ctx.obj
    with context.output.progress() as events:
        result = operation(context.session(events), name)
    context.output.result("devenv.snapshot-restore/1", result, lambda: show_restore(context.output, result))


@snapshots.command()
def delete(ctx: typer.Context, name: Name) -> None:
    """Delete a snapshot that nothing uses."""
    from devenv.operations.snapshots import delete as operation

    context: Context = ctx.obj
    result = operation(context.session(), name, lambda question: context.assume_yes or ask(question))
    text = f"{result.name or result.key} deleted, {size_text(result.bytes)} free"
    context.output.result("devenv.snapshot-delete/1", result, lambda: context.output.print(text))


@snapshots.command()
def push(
    ctx: typer.Context,
    name: Name,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help=f"A file, or {PLACE}; without TAG, the snapshot's name is the tag."
        ),
    ],
) -> None:
    """Write a snapshot into one compressed, checksummed file, or put it into an OCI registry."""
    context: Context = ctx.obj

    def confirm(question: str) -> bool:
        return context.assume_yes or ask(question)

    with context.output.progress() as events:
        place = _place(target)
        if isinstance(place, Path):
            from devenv.operations.transfer import push as to_file

            result = to_file(context.session(events), name, place, confirm)
        else:
            from devenv.operations.registry_transfer import push as to_registry

            result = to_registry(context.session(events), name, place, confirm, context.wiring.logins)
    text = f"{result.reference or result.file}: {size_text(result.file_bytes)} for {size_text(result.bytes)}"
    if result.digest is not None:
        text += f", {'sent' if result.sent_bytes else 'there already'} as {result.digest}"
    text += f", after {result.seconds:.1f} s"
    context.output.result("devenv.snapshot-push/1", result, lambda: context.output.print(text))


@snapshots.command()
def pull(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help=f"A file, or {PLACE} (or @DIGEST in place of :TAG).")
    ],
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Call it so.")] = None,
) -> None:
    """Make the snapshot that a file or an OCI registry holds; every byte is checked before it counts."""
    context: Context = ctx.obj
    with context.output.progress() as events:
        place = _place(source)
        if isinstance(place, Path):
            from devenv.operations.transfer import pull as from_file

            result = from_file(context.session(events), place, name)
        else:
            from devenv.operations.registry_transfer import pull as from_registry

            result = from_registry(context.session(events), place, name, context.wiring.logins)
    what = f"{result.name or 'the seed'} ({result.key})"
    if result.present:
        text = f"{what} is here already"
    else:
        came = (
            f" from {result.reference}, {size_text(result.received_bytes or 0)}" if result.reference else ""
        )
        text = f"{what} pulled{came}: {size_text(result.bytes)}, after {result.seconds:.1f} s"
    context.output.result("devenv.snapshot-pull/1", result, lambda: context.output.print(text))


def _place(text: str) -> Path | Reference:
    """Where a snapshot is kept outside the engine; raises UsageError for an address of another kind."""
    if "://" not in text:
        return Path(text)
    from devenv.database.artifact import Reference

    return Reference.parse(text)


def show_list(output: Output, rows: tuple[SnapshotRow, ...]) -> None:
    """A row per snapshot."""
    if not rows:
        output.print("no snapshots yet: `devenv snapshot save NAME` makes one")
        return
    output.table(
        ("NAME", "KEY", "SIZE", "AGE", "SERVER", "ORIGIN", "OF", "USED BY"),
        [
            (
                row.name or "-",
                row.key,
                size_text(row.bytes),
                age_text(row.age_seconds),
                row.server,
                row.origin,
                row.project or "all",
                _users(row),
            )
            for row in rows
        ],
    )


def show_restore(output: Output, result: RestoreResult) -> None:
    """What is there now, and what was put aside."""
    name = result.name or result.key
    output.print(f"the data of {name} are back, after {result.seconds:.2f} s (driver: {result.driver})")
    if result.upgraded_from is not None:
        output.print(f"upgraded from MySQL {result.upgraded_from}; the snapshot itself is as it was")
    if result.discarded is not None:
        output.print(f"put aside: {result.discarded.volume}; `devenv undo` brings it back")
    if not result.running:
        output.print("the database does not run: `devenv up` starts it")


def size_text(size: int) -> str:
    """Bytes in the largest unit that leaves a number above one."""
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"


def age_text(seconds: float | None) -> str:
    """How long ago, in the largest unit that fits."""
    if seconds is None:
        return "?"
    for unit, name in AGES:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def _users(row: SnapshotRow) -> str:
    """The branches of a snapshot, in a line's room."""
    if not row.used_by:
        return "-"
    more = f" and {len(row.used_by) - 1} more" if len(row.used_by) > 1 else ""
    return f"{row.used_by[0]}{more}"
