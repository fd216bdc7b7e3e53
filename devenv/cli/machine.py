"""Commands about this machine: setup, doctor and onboard."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import lifecycle, observe
from devenv.cli.context import Context
from devenv.cli.showing import show_up
from devenv.errors import RefusedError

if TYPE_CHECKING:
    from devenv.operations.doctor import Diagnosis


def setup(ctx: typer.Context) -> None:
    """Make this machine able to run an environment: find or install an engine, Compose and buildx."""
    context: Context = ctx.obj
    done = run_setup(context)
    report = context.wiring.setup().report()

    def human() -> None:
        for name, value in report.items():
            context.output.print(f"{name:<10} {value}")
        context.output.print("this machine is ready" if done else "this machine is ready: nothing to do")

    context.output.result("devenv.setup/1", {"done": list(done), **report}, human)


def run_setup(context: Context, command: str = "setup") -> tuple[str, ...]:
    """Say what is missing, ask, and do it; the titles of the steps that were done."""
    installer = context.wiring.setup()
    steps = installer.plan()
    if not steps:
        return ()
    for number, step in enumerate(steps, start=1):
        context.output.note(f"[{number}] {step}")
    if not context.assume_yes and not lifecycle.ask("Do these steps?"):
        raise RefusedError(
            "nothing was changed on this machine"
            if sys.stdin.isatty()
            else "these steps change this machine",
            code="confirmation_needed",
            hint=f"say `devenv {command} --yes` to do them",
        )
    for warning in installer.execute(steps, lambda step: context.output.note(f"=> {step.title}", "cyan")):
        context.output.note(f"!! {warning}", "yellow")
    return tuple(step.title for step in steps)


def doctor(ctx: typer.Context) -> int:
    """Check engine, Compose, buildx, disk, memory, ports and file ownership, with causes and fixes."""
    from devenv.operations.doctor import examine

    context: Context = ctx.obj
    found = examine(context.wiring.engine(), context.wiring.setup, context.session)
    ok = all(one.verdict != "failed" for one in found)
    context.output.result("devenv.doctor/1", {"checks": found}, lambda: _show(context, found), ok=ok)
    return 0 if ok else 1


def _show(context: Context, found: tuple[Diagnosis, ...]) -> None:
    context.output.table(("", "CHECK", "SEEN"), [(one.verdict, one.name, one.text) for one in found])
    for one in found:
        if one.fix:
            context.output.print(f"hint: {one.name}: {one.fix}", "yellow")


def onboard(
    ctx: typer.Context,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until healthy.")] = 180.0,
) -> int:
    """Setup, up and check, then what to do next; safe to repeat."""
    from devenv.operations.up import UpOptions
    from devenv.operations.up import up as operation

    context: Context = ctx.obj
    done = run_setup(context, "onboard")
    with context.output.progress() as events:
        session = context.session(events)
        result = operation(session, UpOptions(timeout=timeout))
    # The chain is walked from outside, where the ports are published.
    report = observe.run_check(context) if session.engine.is_here else None
    is_ok = report is None or report.ok

    def human() -> None:
        show_up(context.output, result)
        context.output.print()
        if report is None:
            context.output.print("not checked from here: run `devenv check` on the engine's machine")
        else:
            observe.show_check(context.output, report)
        context.output.print()
        for line in NEXT_STEPS:
            context.output.print(line)

    data = {"setup": list(done), "up": result, "check": report}
    context.output.result("devenv.onboard/1", data, human, ok=is_ok)
    return 0 if is_ok else 1


NEXT_STEPS = (
    "Next:",
    "  devenv status          what runs, and where it is reached",
    "  devenv logs -f backend what the backend says",
    "  devenv reset-db        the database as it was seeded",
    "  devenv shell backend   a shell beside the code",
    "  devenv down            take it down; the data stay",
)
