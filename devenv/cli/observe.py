"""Commands that look into the environment: logs, exec, shell and check."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import swarm
from devenv.cli.context import Context
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.operations.check import CheckReport

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
User = Annotated[str | None, typer.Option("--user", "-u", help="Another user than the service's.")]


def logs(
    ctx: typer.Context,
    services: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    since: Annotated[str | None, typer.Option(help="Only lines younger than this: 30s, 10m, 2h, 1d.")] = None,
    tail: Annotated[
        int | None, typer.Option("--tail", "-n", min=0, help="Last lines of each container.")
    ] = None,
    grep: Annotated[str | None, typer.Option(help="Only lines that match a regular expression.")] = None,
) -> None:
    """Show what the services wrote, merged by time."""
    from devenv.operations.inside import LogOptions
    from devenv.operations.inside import logs as operation

    context: Context = ctx.obj
    options = LogOptions(tuple(services or ()), tail, _since(since), grep, follow)
    if context.on is not None:
        swarm.logs(context, options)
        return
    lines = operation(context.session(), options)
    if context.output.as_json:
        for line in lines:
            context.output.document("devenv.log/1", line)
        return
    write = context.output.log_writer()
    for line in lines:
        write(line.service, line.text)


def execute(
    ctx: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE")],
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...")],
    user: User = None,
) -> int:
    """Run a command in a service's container; its exit status is passed through."""
    from devenv.operations.inside import execute as operation

    context: Context = ctx.obj
    return operation(context.session(), service, tuple(command), tty=_is_terminal(), user=user)


def shell(
    ctx: typer.Context, service: Annotated[str, typer.Argument(metavar="SERVICE")], user: User = None
) -> int:
    """Open a shell in a service's container."""
    from devenv.operations.inside import shell as operation

    context: Context = ctx.obj
    return operation(context.session(), service, tty=_is_terminal(), user=user)


def check(ctx: typer.Context) -> int:
    """Prove the whole chain: page, job, static file, row and mail."""
    context: Context = ctx.obj
    report = run_check(context)
    context.output.result("devenv.check/1", report, lambda: show_check(context.output, report), ok=report.ok)
    return 0 if report.ok else 1


def wait(
    ctx: typer.Context,
    conditions: Annotated[
        list[str],
        typer.Option("--for", metavar="SERVICE=healthy", help="Or =running, =stopped; may be repeated."),
    ],
    timeout: Annotated[float, typer.Option(min=0, help="Seconds; then it ends with status 4.")] = 180.0,
) -> None:
    """Wait until services are as a script needs them; starts nothing."""
    from devenv.operations.wait_for import wait_for as operation

    context: Context = ctx.obj
    wanted = dict(_condition(text) for text in conditions)
    with context.output.progress() as events:
        result = operation(context.session(events), wanted, timeout)
    said = ", ".join(f"{name} is {condition}" for name, condition in result.services.items())
    context.output.result(
        "devenv.wait/1", result, lambda: context.output.print(f"{said} after {result.seconds:.1f} s")
    )


def _condition(text: str) -> tuple[str, str]:
    from devenv.operations.wait_for import CONDITIONS

    name, _, condition = text.partition("=")
    if not name or condition not in CONDITIONS:
        raise UsageError(f'--for: expected SERVICE={"|".join(CONDITIONS)}, got "{text}"')
    return name, condition


def run_check(context: Context) -> CheckReport:
    """The check, with its progress shown only in verbose mode: the findings say it all again."""
    from devenv.events import NullSink
    from devenv.operations.check import check as operation

    return operation(context.session(None if context.output.verbose else NullSink()))


def show_check(output: Output, report: CheckReport) -> None:
    """A row per link of the chain."""
    rows = [
        ("ok" if finding.ok else "failed", finding.name, f"{finding.seconds:.2f} s", finding.text)
        for finding in report.findings
    ]
    output.table(("", "LINK", "TIME", "SEEN"), rows)
    if not report.ok:
        output.note("hint: `devenv logs` shows what the services say; `devenv status` how they are", "yellow")


def _since(text: str | None) -> int | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise UsageError(f'--since: expected a time such as 30s, 10m, 2h or 1d, got "{text}"')
    return int(time.time()) - int(match[1]) * UNITS[match[2]]


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
