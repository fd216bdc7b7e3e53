"""Commands inside containers through the `docker` client, which brings terminal and pipes along."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from devenv.engine.observed import ExecResult
from devenv.errors import EngineUnavailableError, OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PIECE = 1 << 20


class ClientProcess:
    """`docker exec`, with this process's terminal or with a stream as its standard input."""

    def execute(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: Iterable[bytes] | None = None,
        user: str | None = None,
    ) -> ExecResult:
        """Run a command inside a running container; `stdin` is written to it as it comes."""
        argv = _exec(container_id, command, environment or {}, user, interactive=stdin is not None)
        # A file, not a pipe: while we are writing to the command nobody would read a pipe empty.
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                if process.stdin is not None:
                    _feed(process, stdin or ())
                status = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                if process.stdin is not None:
                    with suppress(BrokenPipeError):
                        process.stdin.close()
                raise
            output.seek(0)
            return ExecResult(status, output.read().decode(errors="replace"))

    def execute_stream(
        self, container_id: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> Iterator[bytes]:
        """Run a command inside a running container; its standard output as it comes."""
        argv = _exec(container_id, command, environment or {}, None, interactive=False)
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, bufsize=0
            )
            assert process.stdout is not None
            try:
                while piece := process.stdout.read(PIECE):
                    yield piece
                status = process.wait()
            finally:
                process.kill()
                process.stdout.close()
                process.wait()
            if status != 0:
                errors.seek(0)
                raise OperationError(
                    f"{command[0]} ended with exit status {status} in {container_id[:12]}",
                    code="command_failed",
                    evidence=tuple(errors.read().decode(errors="replace").strip().splitlines()[-20:]),
                )

    def attach(self, container_id: str, command: Sequence[str], *, tty: bool, user: str | None = None) -> int:
        """Run a command with this process's own input and output; its exit status."""
        argv = _exec(container_id, command, {}, user, interactive=True)
        if tty:
            argv.insert(2, "--tty")
        with subprocess.Popen(argv) as process:
            while True:
                # Ctrl-C belongs to the command inside, which got it from the terminal too.
                with suppress(KeyboardInterrupt):
                    return process.wait()


def _exec(
    container_id: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    user: str | None,
    *,
    interactive: bool,
) -> list[str]:
    docker = shutil.which("docker")
    if docker is None:
        raise EngineUnavailableError("the `docker` client is not on PATH", hint="run `devenv setup`")
    argv = [docker, "exec"]
    if interactive:
        argv.append("--interactive")
    if user is not None:
        argv += ["--user", user]
    for name, value in environment.items():
        argv += ["--env", f"{name}={value}"]
    return [*argv, container_id, *command]


def _feed(process: subprocess.Popen[bytes], stdin: Iterable[bytes]) -> None:
    """Write all of it; a command that ends early says why by its exit status."""
    assert process.stdin is not None
    try:
        for piece in stdin:
            process.stdin.write(piece)
        process.stdin.close()
    except BrokenPipeError:
        with suppress(BrokenPipeError):
            process.stdin.close()
