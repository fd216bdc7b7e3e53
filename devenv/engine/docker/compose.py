"""Compose, by the client itself, which is on the way of every start; and buildx, by python-on-whales."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import deque
from typing import TYPE_CHECKING, Any

from devenv.engine.observed import ExecResult
from devenv.errors import EngineUnavailableError, ImageError, OperationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from devenv.engine.api import BuildRequest, LineSink
    from devenv.errors import DevenvError

EVIDENCE_LINES = 20
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Compose:
    """Docker Compose on one generated file at a time, and buildx."""

    def create(self, compose_file: Path, services: Sequence[str] | None, on_line: LineSink) -> None:
        """Let Compose create what is missing and recreate what diverged, without starting it.

        The image of a user's own service is pulled or built where it is missing.
        """
        # Our own images are here by now; a user's own service says by `pull_policy` what it wants.
        words = ("up", "--no-start", "--remove-orphans", *(services or ()))
        _compose(compose_file, words, "create the containers", on_line)

    def run_once(
        self,
        compose_file: Path,
        service: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        name: str,
    ) -> ExecResult:
        """Run a command in a new container of the service, called `name`, and remove it.

        Its dependencies are left alone. A killed devenv leaves it running, under that name.
        """
        variables = [word for one in environment.items() for word in ("--env", "=".join(one))]
        words = ("run", "--rm", "--no-deps", "--no-TTY", "--name", name, *variables, service, *command)
        lines: list[str] = []
        status = _client(compose_file, words, f"run a command in {service}", lines.append)
        return ExecResult(status, "\n".join(lines))

    def build(self, request: BuildRequest, on_line: LineSink) -> None:
        """Build an image; raises ImageError `build_failed` with the last lines as evidence."""
        import python_on_whales
        from python_on_whales.exceptions import DockerException

        tail: deque[str] = deque(maxlen=EVIDENCE_LINES)
        try:
            stream: Any = python_on_whales.DockerClient().buildx.build(
                request.context,
                tags=[request.tag],
                build_args=dict(request.build_args),
                secrets=[f"id={name},src={path}" for name, path in request.secrets.items()],
                labels=dict(request.labels),
                cache=request.use_cache,
                load=True,
                progress="plain",
                stream_logs=True,
            )
            for raw in stream:
                line = ANSI.sub("", str(raw)).rstrip()
                if line:
                    tail.append(line)
                    on_line(line)
        except DockerException as error:
            raise ImageError(
                f"building {request.tag} from {request.context} failed",
                code="build_failed",
                evidence=tuple(tail),
                hint="mend what the last lines name, then run `devenv up` again",
            ) from error


def _compose(compose_file: Path, words: Sequence[str], doing: str, on_line: LineSink) -> None:
    tail: deque[str] = deque(maxlen=EVIDENCE_LINES)

    def said(line: str) -> None:
        line = ANSI.sub("", line).strip()
        if line:
            tail.append(line)
            on_line(line)

    if _client(compose_file, words, doing, said) != 0:
        raise _failed(doing, tuple(tail))


def _client(compose_file: Path, words: Sequence[str], doing: str, on_line: LineSink) -> int:
    """Run Compose by itself: python-on-whales would run the same line, and takes 250 ms to import; the exit status."""
    docker = shutil.which("docker")
    if docker is None:
        raise _no_client(doing)
    folder = compose_file.parent.parent
    argv = [docker, "compose", "--file", str(compose_file), "--project-directory", str(folder), *words]
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            on_line(raw.decode(errors="replace").rstrip())
    return process.returncode


def _no_client(doing: str) -> EngineUnavailableError:
    return EngineUnavailableError(
        f"the `docker` client is not on PATH: cannot {doing}", hint="run `devenv setup`"
    )


def _failed(doing: str, evidence: tuple[str, ...]) -> DevenvError:
    """Why Compose failed, told from its last lines."""
    if any("is not a docker command" in line for line in evidence):
        return EngineUnavailableError(
            f"Docker Compose is missing: cannot {doing}", hint="run `devenv setup`", evidence=evidence
        )
    from devenv.engine.docker.translate import operation_error

    return operation_error(doing, evidence, evidence) or OperationError(
        f"Compose could not {doing}", code="compose_failed", evidence=evidence
    )
