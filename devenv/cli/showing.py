"""What `up` and `status` say to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.operations.report import ServiceRow, StatusReport, UpResult


def show_up(output: Output, result: UpResult) -> None:
    """What was done, in one line, and what runs."""
    done = "nothing to do" if not result.plan.steps else f"{len(result.plan.steps)} steps"
    show_status(output, result.status)
    output.print()
    output.print(f"{result.status.project} is {result.status.state} after {result.seconds:.1f} s ({done})")
    if result.profile is not None:
        output.print()
        output.print(str(result.profile))


def _state(row: ServiceRow) -> str:
    """Its health or its state, and how often it came back by itself."""
    word = row.health or row.state
    if not row.restarts:
        return word
    return f"{word} ({row.restarts} restart{'s' if row.restarts > 1 else ''})"


def show_status(output: Output, report: StatusReport) -> None:
    """A row per service."""
    rows = [
        (
            row.name if row.replicas <= 1 else f"{row.name} x{row.replicas}",
            _state(row),
            "  ".join(port.url or f"127.0.0.1:{port.published}" for port in row.ports) or "-",
            f"{row.image} ({row.image_source})" if row.image else "-",
        )
        for row in report.services
    ]
    output.table(("SERVICE", "STATE", "REACHED AT", "IMAGE"), rows)
    if report.database.branch:
        data = report.database
        # Why by this driver: what the better ones said when they were tried.
        refused = data.reason.removesuffix(f"{data.driver} works here").rstrip("; ")
        made = f"{data.driver}, as {refused}" if refused else data.driver
        output.print(f"data: volume {data.branch}, branch of snapshot {data.snapshot or 'unknown'} ({made})")
    if report.authority:
        output.print(f"https: signed by {report.authority}, which browsers and `curl --cacert` are to trust")
