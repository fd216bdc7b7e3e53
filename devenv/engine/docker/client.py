"""Commands inside containers; the `docker` client brings terminal and pipes along where they need one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING

from devenv.engine.docker.connection import START_HINT, Connected, translated
from devenv.engine.observed import ExecResult
from devenv.engine.transport import ApiError, unframed
from devenv.errors import EngineUnavailableError, OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from devenv.engine.api import Conversation

PIECE = 1 << 20
FAILED = 1
"""The exit status of a command that did not run, or whose container went away under it."""


class Inside(Connected):
    """Commands inside containers: by the engine's own interface, or `docker exec` where they read something."""

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
        if stdin is None:
            return self._execute(container_id, command, environment or {}, user)
        argv = _exec(container_id, command, environment or {}, user, interactive=True)
        # A file, not a pipe: while we are writing to the command nobody would read a pipe empty.
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
            assert process.stdin is not None
            try:
                _feed(process.stdin, stdin)
                status = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                with suppress(BrokenPipeError):
                    process.stdin.close()
                raise
            output.seek(0)
            result = ExecResult(status, output.read().decode(errors="replace"))
            _raise_if_gone(result)
            return result

    def _execute(
        self, container_id: str, command: Sequence[str], environment: Mapping[str, str], user: str | None
    ) -> ExecResult:
        """Without the client, which takes longer to start than most commands take."""
        body = {
            "Cmd": list(command),
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "User": user or "",
            "AttachStdout": True,
            "AttachStderr": True,
        }
        with translated(f"run {command[0]} in {container_id[:12]}"):
            try:
                identity = self._api.call("POST", f"/containers/{container_id}/exec", body=body)["Id"]
                frames = self._api.read("POST", f"/exec/{identity}/start", body={"Tty": False})
                status = self._api.call("GET", f"/exec/{identity}/json")["ExitCode"]
            except ApiError as error:
                # The container does not run, or has no such command: the client says it in the same way.
                return ExecResult(FAILED, error.message)
        return ExecResult(FAILED if status is None else status, unframed(frames).decode(errors="replace"))

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

    @contextmanager
    def converse(
        self, container_id: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> Iterator[Conversation]:
        """Run a command inside a running container and talk with it; it is killed at the end of the block."""
        argv = _exec(container_id, command, environment or {}, None, interactive=True)
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        conversation = _Conversation(process)
        try:
            yield conversation
        finally:
            process.kill()
            conversation.end()

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


class _Conversation:
    """Reads in a thread of its own: a command whose output nobody reads stops reading its input."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def write(self, piece: bytes) -> bool:
        """Hand it some more; whether it still reads."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(piece)
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):  # it ended; or we ended it
            return False
        return True

    def read_line(self) -> str | None:
        """Wait for the next line that it writes; None once it has ended."""
        line = self._lines.get()
        if line is None:
            self._lines.put(None)
        return line

    def end(self) -> ExecResult:
        """Tell it that nothing more comes, and wait for its end."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        lines = iter(self.read_line, None)
        text = "".join(f"{line}\n" for line in lines)
        self._reader.join()
        return ExecResult(self._process.wait(), text)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._lines.put(line.decode(errors="replace").removesuffix("\n"))
        self._lines.put(None)


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


def _raise_if_gone(result: ExecResult) -> None:
    """A client that finds no engine ends as a command does that failed: only its last line tells."""
    if result.exit_status == 0:
        return
    from devenv.engine.docker.refusals import GONE

    last = (result.output.strip().splitlines() or [""])[-1]
    if GONE.search(last):
        raise EngineUnavailableError(
            "the Docker engine stopped answering: cannot run a command", hint=START_HINT, evidence=(last,)
        )


def _feed(entrance: IO[bytes], stdin: Iterable[bytes]) -> None:
    """Write all of it; a command that ends early says why by its exit status."""
    try:
        for piece in stdin:
            entrance.write(piece)
        entrance.close()
    except BrokenPipeError:
        with suppress(BrokenPipeError):
            entrance.close()
