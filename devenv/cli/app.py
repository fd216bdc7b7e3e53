"""The program: global options, wiring, and the one boundary where errors become exit statuses."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO, cast

from devenv.cli.context import Context, Wiring
from devenv.cli.output import Output
from devenv.cli.quick import FLAGS, WITH_VALUE, answer
from devenv.cli.unread import Unread
from devenv.errors import DevenvError

if TYPE_CHECKING:
    from devenv.cli.context import Setup
    from devenv.engine.api import Engine
    from devenv.engine.setup_plan import SetupStep
    from devenv.engine.swarm_api import Swarm
    from devenv.model import Login

INTERRUPTED = 130
CURRENT = "swarm"
"""What `--on` calls the swarm of the engine that is used anyway."""
VALUE_OPTIONAL = frozenset({"--profile"})
"""Options that may stand alone: as typer takes the next word for a value that is missing, they get an empty one."""
PASSES_ON = frozenset({"exec"})
"""Commands whose words behind the service belong to another program."""


def hoist(arguments: Sequence[str]) -> list[str]:
    """Global options to the front, so that `devenv status --json` and `devenv --json status` are the same.

    What stands behind `--`, or behind the service of `exec`, is another program's.
    """
    front: list[str] = []
    rest: list[str] = []
    words = 0
    queue = list(arguments)
    while queue:
        word = queue.pop(0)
        if word == "--" or (words == 2 and rest[0] in PASSES_ON):
            return [*front, *rest, *([] if word == "--" else ["--"]), word, *queue]
        if word in FLAGS or word.startswith(("--env=", "--on=")):
            front.append(word)
        elif word in WITH_VALUE and queue:
            front += [word, queue.pop(0)]
        else:
            words += not word.startswith("-")
            rest.append(f"{word}=" if word in VALUE_OPTIONAL else word)
    return front + rest


def main(argv: Sequence[str] | None = None, wiring: Wiring | None = None) -> int:
    """Run one command line; its exit status. Only defects of ours leave as exceptions.

    Who stops reading results has seen enough, which is no error; progress need not be read at all.
    """
    with redirect_stderr(cast("TextIO", Unread(sys.stderr))):
        return _main(argv, wiring)


def _main(argv: Sequence[str] | None, wiring: Wiring | None) -> int:
    arguments = hoist(sys.argv[1:] if argv is None else argv) or ["--help"]
    context = Context(wiring or default_wiring())
    # Known before typer parsed anything: an error in the parsing is to be JSON as well.
    context.output = Output(
        as_json="--json" in arguments[: arguments.index("--") if "--" in arguments else None]
    )
    try:
        status = answer(arguments, context)
        if status is None:
            from devenv.cli.tree import run

            status = run(arguments, context)
    except DevenvError as error:
        context.output.error(error)
        return error.exit_status
    except KeyboardInterrupt:  # in what is answered without typer, which makes a status of it
        status = INTERRUPTED
    except BrokenPipeError:
        return _read_enough()
    except SystemExit as end:
        # typer ends so, with status 1, when nobody reads our output any more.
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        return _read_enough()
    if status == INTERRUPTED:
        context.output.note(
            "interrupted: what runs is left as it is; `devenv up` goes on, `devenv down` ends it"
        )
    return status if isinstance(status, int) else 0


def _read_enough() -> int:
    """Who read our output and left has seen enough; nothing may be flushed into the closed pipe at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def default_wiring() -> Wiring:
    """Docker and its logins, the packages of this machine's distribution, and mmdebstrap."""
    return Wiring(
        engine=_docker_engine, bootstrap=_debian, setup=_setup, logins=_docker_login, swarm=_docker_swarm
    )


def _docker_engine() -> Engine:
    from devenv.engine.docker import DockerEngine

    return DockerEngine()


def _docker_swarm(where: str) -> Swarm:
    """The swarm of the present engine, or of a Docker context, which then is where everything is asked for."""
    from devenv.engine.docker.swarm import DockerSwarm

    if where != CURRENT:
        os.environ.pop("DOCKER_HOST", None)
        os.environ["DOCKER_CONTEXT"] = where
    return DockerSwarm()


def _docker_login(host: str) -> Login | None:
    from devenv.engine.docker.logins import login_of

    return login_of(host)


def _debian(suite: str) -> Any:
    from devenv.engine.bootstrap import root_file_system

    return root_file_system(suite)


def _setup() -> Setup:
    return _PackageSetup()


class _PackageSetup:
    """Setup by this machine's own package manager."""

    def plan(self) -> tuple[SetupStep, ...]:
        from devenv.engine.install import inspect_machine, plan_setup

        return plan_setup(inspect_machine())

    def execute(self, steps: tuple[SetupStep, ...], on_step: Callable[[SetupStep], None]) -> tuple[str, ...]:
        from devenv.engine.install import execute

        return execute(steps, on_step)

    def report(self) -> dict[str, str]:
        from devenv.engine.install import inspect_machine, setup_report

        return asdict(setup_report(inspect_machine()))
