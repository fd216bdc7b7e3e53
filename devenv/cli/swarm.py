"""What `--on` makes of up, status, logs, scale and down: the same, on a Docker Swarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.cli.context import Context
    from devenv.cli.output import Output
    from devenv.operations.inside import LogOptions
    from devenv.operations.swarm import SwarmReport
    from devenv.operations.up import UpOptions


def up(context: Context, options: UpOptions) -> None:
    """Deploy the environment, and wait until it is healthy."""
    from devenv.operations import swarm

    with context.output.progress() as events:
        report = swarm.up(*context.swarm_session(events), options)

    def human() -> None:
        show_report(context.output, report)
        context.output.print()
        context.output.print(
            f"{report.project} is {report.state} on {_nodes(report)} after {report.seconds:.1f} s"
        )

    context.output.result("devenv.up/1", {"status": report, "seconds": report.seconds}, human)


def status(context: Context) -> None:
    """Show the services, on which nodes they run, and what the swarm says where they do not."""
    from devenv.operations import swarm

    report = swarm.status(*context.swarm_session())
    context.output.result("devenv.status/1", report, lambda: show_report(context.output, report))


def logs(context: Context, options: LogOptions) -> None:
    """Show what the tasks wrote on all nodes, merged by time."""
    from devenv.operations import swarm

    lines = swarm.logs(*context.swarm_session(), options)
    write = context.output.log_writer()
    for line in lines:
        if context.output.as_json:
            context.output.document("devenv.log/1", line)
        else:
            write(line.service, line.text)


def down(context: Context, *, volumes: bool, confirmed: bool) -> None:
    """Remove the stack."""
    from devenv.operations import swarm

    with context.output.progress() as events:
        result = swarm.down(*context.swarm_session(events), volumes=volumes, confirmed=confirmed)
    kept = f"the data are put aside in {result.put_aside}" if result.put_aside else "the data are kept"
    text = f"{result.project}: {len(result.services)} services removed from the swarm; {kept}"
    context.output.result("devenv.down/1", result, lambda: context.output.print(text))


def scale(context: Context, counts: Mapping[str, int], timeout: float) -> None:
    """Run N of a service, spread over the nodes, and wait until they are healthy; without any show what runs."""
    from devenv.operations import swarm

    if not counts:
        status(context)
        return
    with context.output.progress() as events:
        report = swarm.scale(*context.swarm_session(events), counts, timeout)
    context.output.result("devenv.scale/1", report, lambda: show_report(context.output, report))


def show_report(output: Output, report: SwarmReport) -> None:
    """A row per service."""
    rows = [
        (
            row.name,
            row.health or row.state,
            f"{row.replicas}/{row.desired}",
            "  ".join(name if count == 1 else f"{name} x{count}" for name, count in row.nodes.items()) or "-",
            "  ".join(f"*:{port}" for port in row.ports) or "-",
            row.error or row.image,
        )
        for row in report.services
    ]
    output.table(("SERVICE", "STATE", "RUNNING", "NODES", "PUBLISHED", "IMAGE"), rows)


def _nodes(report: SwarmReport) -> str:
    return "1 node" if report.nodes == 1 else f"{report.nodes} nodes"
