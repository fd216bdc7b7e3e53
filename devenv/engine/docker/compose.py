"""Compose, by the client itself, which is on the way of every start; and buildx, by python-on-whales."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from devenv.engine.observed import ExecResult
from devenv.errors import EngineUnavailableError, OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from devenv.engine.api import BuildRequest, ComposeProject, LineSink
    from devenv.errors import DevenvError

EVIDENCE_LINES = 20
HOLD_SCRIPT = 'read -r _ && exec "$@"'
"""Waits for a line; where the input ends without one, the command never runs."""
END_SECONDS = 10
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LAYER = re.compile(r"[0-9a-f]{12} ")
"""How Compose begins a line on a layer that it pulls: they come by the hundred, and explain no failure."""


class Compose:
    """Docker Compose on one generated file at a time, and buildx."""

    def create(
        self,
        project: ComposeProject,
        services: Sequence[str] | None,
        on_line: LineSink,
        *,
        build: bool = False,
    ) -> None:
        """Let Compose create what is missing and recreate what diverged, without starting it.

        The image of a user's own service is pulled or built where it is missing; with `build` built anew.
        """
        # Our own images are here by now; a user's own service says by `pull_policy` what it wants.
        words = ("up", "--no-start", "--remove-orphans", *(["--build"] if build else []), *(services or ()))
        _compose(project, words, "create the containers", on_line)

    def run_once(
        self,
        project: ComposeProject,
        service: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        name: str,
    ) -> ExecResult:
        """Run a command in a new container of the service, called `name`, and remove it.

        Its dependencies are left alone. A killed devenv leaves it running, under that name.
        """
        words = (*_run_words(environment, name), service, *command)
        lines: list[str] = []
        status = _client(project, words, f"run a command in {service}", lines.append)
        return ExecResult(status, "\n".join(lines))

    @contextmanager
    def hold_once(
        self,
        project: ComposeProject,
        service: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        name: str,
    ) -> Iterator[_Held]:
        """Make the container of `run_once` already, in which the command waits until it is released.

        `command` comes in place of the image's entry point: what that does would not wait. The image has a
        shell. Not released it never runs; its container goes with the block. It goes with a killed devenv too,
        unless that was killed before it started: then it is left, under that name.
        """
        hold = ("--entrypoint", "sh", service, "-c", HOLD_SCRIPT, "sh")
        words = (*_run_words(environment, name), *hold, *command)
        with _started(project, words, f"run a command in {service}", subprocess.PIPE) as process:
            held = _Held(process)
            try:
                yield held
            finally:
                held.end()

    def build(self, request: BuildRequest, on_line: LineSink) -> None:
        """Build an image; raises ImageError `build_failed` or `disk_full` with the last lines as evidence."""
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
            from devenv.engine.docker.translate import build_error

            raise build_error(request.tag, request.context, tuple(tail)) from error


class _Held:
    """The client that holds a command; what it writes waits in the pipe."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def release(self) -> ExecResult | None:
        """Let it run to its end; None where its container is gone already, and it never ran."""
        assert self._process.stdin is not None
        if self._process.poll() is not None:
            return None
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.close()
        except BrokenPipeError:
            return None
        lines: list[str] = []
        _read_lines(self._process, lines.append)
        return ExecResult(self._process.wait(), "\n".join(lines))

    def end(self) -> None:
        """Not released it reads the end of its input, and ends; released and not at its end yet it is killed."""
        assert self._process.stdin is not None
        patience = 0 if self._process.stdin.closed else END_SECONDS
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _run_words(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    variables = [word for one in environment.items() for word in ("--env", "=".join(one))]
    return ("run", "--rm", "--no-deps", "--no-TTY", "--name", name, *variables)


def _compose(project: ComposeProject, words: Sequence[str], doing: str, on_line: LineSink) -> None:
    tail: deque[str] = deque(maxlen=EVIDENCE_LINES)

    def said(line: str) -> None:
        line = ANSI.sub("", line).strip()
        if line:
            on_line(line)
        if line and not LAYER.match(line):
            tail.append(line)

    if _client(project, words, doing, said) != 0:
        raise _failed(doing, tuple(tail))


def _client(project: ComposeProject, words: Sequence[str], doing: str, on_line: LineSink) -> int:
    """Run Compose to its end; the exit status."""
    with _started(project, words, doing, subprocess.DEVNULL) as process:
        _read_lines(process, on_line)
    return process.returncode


def _started(
    project: ComposeProject, words: Sequence[str], doing: str, stdin: int
) -> subprocess.Popen[bytes]:
    """Start Compose by itself: python-on-whales would run the same line, and takes 250 ms to import."""
    docker = shutil.which("docker")
    if docker is None:
        raise _no_client(doing)
    # The name too: one of the user's own in COMPOSE_PROJECT_NAME, in `.env` perhaps, would win over that in the file.
    ours = ("--project-name", project.name, "--project-directory", str(project.folder))
    argv = [docker, "compose", *ours, "--file", str(project.file), *words]
    return subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _read_lines(process: subprocess.Popen[bytes], on_line: LineSink) -> None:
    assert process.stdout is not None
    for raw in process.stdout:
        on_line(raw.decode(errors="replace").rstrip())


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
