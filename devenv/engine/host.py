"""Runs commands on the host machine: the one place that starts host processes other than docker itself."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator

EVIDENCE_LINES = 20
GRACE_SECONDS = 10.0
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True)
class HostCommand:
    """A command for the host, not yet run; it prints itself as the shell line that does the same.

    `root` asks for root's rights. It prints as `sudo`; who is root already runs it without.
    """

    argv: tuple[str, ...]
    stdin: bytes | None = None
    root: bool = False

    def __str__(self) -> str:
        return ("sudo " if self.root else "") + shlex.join(self.argv)


@dataclass(frozen=True)
class HostResult:
    """How a command ended: its exit status and what it wrote, standard output and error as one text."""

    status: int
    output: str

    @property
    def evidence(self) -> tuple[str, ...]:
        """The last lines of the output, for an error."""
        return tail(self.output)


def tail(text: str, lines: int = EVIDENCE_LINES) -> tuple[str, ...]:
    """The last non-empty lines of a text."""
    return tuple([line.rstrip() for line in text.splitlines() if line.strip()][-lines:])


def am_root() -> bool:
    """True where this process has root's rights; never true on Windows."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def find_program(name: str) -> str | None:
    """Where a program lies, None if nowhere.

    The system folders count even where a user's PATH leaves them out, as Debian's does.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS])
    return shutil.which(name, path=path)


def run(command: HostCommand, *, check: bool = True, timeout: float | None = None) -> HostResult:
    """Runs a command to its end, without a terminal to ask on.

    Raises:
        OperationError: it cannot be started, takes longer than `timeout` seconds or, with `check`, fails.
            The evidence is the end of its output, and `detail["command"]` its shell line.
    """
    argv = _resolve(command)
    try:
        # Never our own standard input: a command that reads must see the end, not wait for a person.
        done = subprocess.run(
            argv,
            input=command.stdin or b"",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        output = (exc.output or b"").decode(errors="replace")
        raise _failure(
            command, f"did not end within {timeout:g} s", output, code="host_command_timeout"
        ) from exc
    except OSError as exc:
        raise _failure(command, f"cannot be started: {exc}", "") from exc
    result = HostResult(done.returncode, done.stdout.decode(errors="replace"))
    if check and result.status != 0:
        _refuse_sudo(argv, command, result.output)
        raise _failure(command, f"ended with exit status {result.status}", result.output)
    return result


@contextmanager
def stream(command: HostCommand | tuple[str, ...]) -> Iterator[IO[bytes]]:
    """Gives a command's standard output, to be read while it runs.

    Leaving the block waits for the command; leaving it by an exception ends the command first.

    Raises:
        OperationError: it cannot be started or it failed. Where it failed, that is raised in place of whatever
            the reader made of the truncated output. The evidence is the end of its standard error.
    """
    wanted = command if isinstance(command, HostCommand) else HostCommand(command)
    argv = _resolve(wanted)
    # A file, because a pipe that nobody reads while we read the other one fills up and stops the command.
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        except OSError as exc:
            raise _failure(wanted, f"cannot be started: {exc}", "") from exc
        if process.stdout is None:  # pragma: no cover - PIPE was asked for
            raise AssertionError
        cause: Exception | None = None
        finished = False
        try:
            yield process.stdout
            finished = True
        except Exception as exc:
            # A failed command is often noticed first by its reader: give it a moment to say so itself.
            cause = exc
            if _status_soon(process) in (None, 0):
                raise
        finally:
            process.stdout.close()
            if not finished:
                _end(process)
            process.wait()
        if process.returncode != 0:
            errors.seek(0)
            output = errors.read().decode(errors="replace")
            _refuse_sudo(argv, wanted, output)
            raise _failure(wanted, f"ended with exit status {process.returncode}", output) from cause


def _status_soon(process: subprocess.Popen[bytes]) -> int | None:
    """The exit status of a process that is about to end, None if it goes on."""
    try:
        return process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process, politely first: mmdebstrap removes its temporary folder on SIGTERM."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _resolve(command: HostCommand) -> list[str]:
    """The arguments to start: the program must exist, and root's rights be at hand if they are asked for."""
    program = find_program(command.argv[0])
    if program is None:
        raise OperationError(
            f"the program {command.argv[0]} is not on this machine",
            code="program_missing",
            hint=f"install {command.argv[0]}, or put it on the PATH",
            detail={"command": str(command)},
        )
    if not command.root or am_root():
        return [program, *command.argv[1:]]
    if find_program("sudo") is None:
        raise OperationError(
            f"root's rights are needed for: {command}",
            code="need_root",
            hint="there is no sudo on this machine: run the same command as root",
            detail={"command": str(command)},
        )
    # sudo asks on the terminal itself, whatever its standard input; where there is none it must not hang.
    asks = sys.stdin is not None and sys.stdin.isatty()
    return ["sudo", *([] if asks else ["-n"]), program, *command.argv[1:]]


def _refuse_sudo(argv: list[str], command: HostCommand, output: str) -> None:
    """Tells a refusal by sudo from a failure of the command it was to run."""
    last = tail(output, 1)
    if argv[0] == "sudo" and last and last[0].startswith("sudo:"):
        raise OperationError(
            f"sudo refused: {last[0].removeprefix('sudo:').strip()}",
            code="need_root",
            hint="run `sudo -v` in this terminal first, or run the same command as root",
            detail={"command": str(command)},
            evidence=tail(output),
        )


def _failure(
    command: HostCommand, what: str, output: str, *, code: str = "host_command_failed"
) -> OperationError:
    return OperationError(
        f"{command.argv[0]} {what}",
        code=code,
        detail={"command": str(command)},
        evidence=tail(output),
    )
