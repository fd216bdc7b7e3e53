"""The command that compares with production."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.context import Context
from devenv.errors import DriftError, RefusedError

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.operations.parity import ParityReport
    from devenv.operations.parity_fix import ParityFix
    from devenv.operations.session import Session
    from devenv.production.rows import Report, Row

HINT = (
    "`devenv parity --fix` writes what it can into devenv.yaml; "
    "what is meant to be goes into production.allow with a reason"
)
WIDEST = 40


def parity(
    ctx: typer.Context,
    short: Annotated[bool, typer.Option("--short", help="One line per drift, for a CI job.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write parameters and image tags into devenv.yaml, shown first.")
    ] = False,
) -> int:
    """Compare what runs here with production's manifest; ends 5 on drift."""
    from devenv.operations.parity import parity as operation

    context: Context = ctx.obj
    session = context.session()
    result = operation(session)
    report, output = result.report, context.output
    change = _fix(context, session, report) if fix else None
    written = change.rows if change else ()
    left = tuple(row for row in report.drift if row not in written)
    error = DriftError(_told(len(left)), hint=None if fix else HINT) if left else None
    if output.as_json:
        output.document(
            "devenv.parity/1", _data(result, change), ok=error is None, errors=_rows(error) if error else ()
        )
        return error.exit_status if error else 0
    if short:
        for row in left:
            output.print(f"drift {row}")
    elif not fix:
        show(output, result, everything=everything)
    if error:
        raise error
    return 0


def show(output: Output, result: ParityReport, *, everything: bool = False) -> None:
    """A row per difference, the drift last, where it is seen; and how many things were compared."""
    report = result.report
    order = {"same": 0, "expected": 1, "drift": 2}
    rows = sorted(report.rows, key=lambda row: order[row.verdict])
    cells = [
        (row.verdict.value, row.what, _cell(row.production), _cell(row.here), row.reason or row.where)
        for row in rows
        if everything or row.verdict != "same"
    ]
    if cells:
        output.table(("VERDICT", "WHAT", "PRODUCTION", "HERE", "WHY, OR WHERE"), cells)
        output.print()
    counts = ", ".join(f"{sum(row.verdict == name for row in rows)} {name}" for name in order)
    output.print(f"{result.project} against {', '.join(result.sources)}: {counts}")


def _cell(side: str | None) -> str:
    """A side so that a row stays readable; --json has all of it."""
    text = side or "-"
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def _fix(context: Context, session: Session, report: Report) -> ParityFix | None:
    """Show the change and write it, once it is confirmed."""
    from devenv.cli.lifecycle import ask
    from devenv.operations.parity_fix import work_out, write

    change = work_out(session, report)
    for text in change.left:
        context.output.note(f"not written: {text}", "yellow")
    if not change.rows:
        context.output.note("nothing that can be written into devenv.yaml")
        return None
    if not context.output.as_json:
        context.output.raw(change.diff)
    if not context.assume_yes and not ask("Write this into devenv.yaml?"):
        raise RefusedError(
            "devenv.yaml is left as it is",
            code="confirmation_needed",
            hint="say `devenv parity --fix --yes` if you mean it",
            detail={"diff": change.diff},
        )
    write(session, change)
    context.output.note("devenv.yaml is written; `devenv up` brings what runs in line with it", "green")
    return change


def _told(count: int) -> str:
    return f"{count} difference{'' if count == 1 else 's'} from production"


def _data(result: ParityReport, change: ParityFix | None) -> dict[str, object]:
    report = result.report
    return {
        "project": result.project,
        "sources": result.sources,
        "counts": {
            name: sum(row.verdict == name for row in report.rows) for name in ("same", "expected", "drift")
        },
        "rows": [_row(row) for row in report.rows],
        "fix": {"diff": change.diff, "written": [row.what for row in change.rows]} if change else None,
    }


def _row(row: Row) -> dict[str, object]:
    return {
        "what": row.what,
        "production": row.production,
        "here": row.here,
        "verdict": row.verdict,
        "reason": row.reason or None,
        "where": row.where or None,
        "can_be_fixed": row.fix is not None,
    }


def _rows(error: DriftError) -> list[dict[str, object]]:
    from devenv.cli.output import error_rows

    return error_rows(error)
