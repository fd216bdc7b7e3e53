"""Commands on the workers: how many there are, and what they have to do."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import swarm
from devenv.cli.context import Context
from devenv.cli.plot import plot
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.operations.queue import Glance, QueueReport
    from devenv.operations.scale import ScaleReport

MOST = 100
COUNT = re.compile(r"(?P<service>[^=]+)=(?P<count>[0-9]{1,3})")


def scale(
    ctx: typer.Context,
    counts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE=N]...", help="Without any: show the present numbers."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until healthy.")] = 180.0,
) -> None:
    """Run N of a service, healthy, now and after every `up`; a worker that goes finishes its job or gives it back."""
    from devenv.operations import scale as operation

    context: Context = ctx.obj
    wanted = dict(count_of(text) for text in counts or ())
    if context.on is not None:
        swarm.scale(context, wanted, timeout)
        return
    if not wanted:
        report = operation.scales(context.session())
    else:
        with context.output.progress() as events:
            report = operation.scale(context.session(events), wanted, timeout)
    context.output.result("devenv.scale/1", report, lambda: show_scale(context.output, report))


def queue(
    ctx: typer.Context,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on, with a plot of the drain, until Ctrl-C.")
    ] = False,
) -> None:
    """Show the workers' queue: backlog, failures with the last error, rate and time to drain."""
    from devenv.operations import queue as operation

    context: Context = ctx.obj
    output = context.output
    if not watch:
        report = operation.queue(context.session())
        output.result("devenv.queue/1", report, lambda: show_queue(output, report))
        return
    for glance in operation.watch(context.session()):
        output.clear()
        output.result("devenv.queue/1", glance.report, partial(show_drain, output, glance))


def count_of(text: str) -> tuple[str, int]:
    """Service and number of `taskrunner=10`."""
    match = COUNT.fullmatch(text)
    if match is None or int(match["count"]) > MOST:
        raise UsageError(f'expected SERVICE=N with N of 0-{MOST}, such as taskrunner=10, got "{text}"')
    return match["service"], int(match["count"])


def show_scale(output: Output, report: ScaleReport) -> None:
    """A row per service that can be scaled."""
    rows = [(row.name, str(row.running), str(row.wanted), row.origin) for row in report.services]
    output.table(("SERVICE", "RUNNING", "WANTED", "SAID BY"), rows)
    if report.seconds is not None:
        output.print(f"{report.project} is scaled after {report.seconds:.1f} s")


def show_queue(output: Output, report: QueueReport) -> None:
    """One row, and the last error below it."""
    columns = {
        "BACKLOG": str(report.backlog),
        "RUNNING": str(report.running),
        "FAILED": str(report.failed),
        "DONE": "-" if report.done is None else str(report.done),
        **{name.upper(): str(count) for name, count in report.other.items()},
        "WORKERS": str(report.workers),
        "RATE": "-" if report.rate is None else f"{report.rate:.1f}/s",
        "DRAINED IN": drain_text(report),
    }
    output.table(tuple(columns), [tuple(columns.values())])
    if report.last_error:
        output.print(f"last error: {report.last_error}", "red")


def show_drain(output: Output, glance: Glance) -> None:
    """The row, and jobs left over time."""
    show_queue(output, glance.report)
    for line in plot(glance.left):
        output.print(line)


def drain_text(report: QueueReport) -> str:
    """When nothing will be left, at the present pace."""
    if report.drain_seconds is None:
        return "never, at this pace" if report.rate is not None else "-"
    seconds = round(report.drain_seconds)
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
