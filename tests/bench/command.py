"""Processes that are timed from their start to their end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.harness import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEVENV = (sys.executable, "-m", "devenv")


class Command:
    """A process that was started; `begun` and `ended` are times of the monotonic clock.

    It works in that folder, with these environment variables; with ours where there are none.
    """

    def __init__(
        self, *argv: str, folder: Path = REPOSITORY, variables: Mapping[str, str] | None = None
    ) -> None:
        self.argv = argv
        self.begun = time.monotonic()
        self._process = subprocess.Popen(
            argv,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.ended = self.begun
        self._out, self._err = "", ""
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.begun

    def finish(self) -> str:
        """Wait for its end; its standard output. Raises RuntimeError with all that it said if it fails."""
        self._thread.join()
        if self._process.returncode != 0:
            said = f"{self._out}{self._err}"
            raise RuntimeError(f"{' '.join(self.argv)} ended with {self._process.returncode}:\n{said}")
        return self._out

    def interrupt(self) -> None:
        """End it as Ctrl-C would, if it still runs, and wait until it has cleaned up."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._thread.join()

    def _collect(self) -> None:
        self._out, self._err = self._process.communicate()
        self.ended = time.monotonic()


@contextmanager
def started(
    *argv: str, folder: Path = REPOSITORY, variables: Mapping[str, str] | None = None
) -> Iterator[Command]:
    """A process for the time of the block, which is interrupted at its end if it still runs then."""
    command = Command(*argv, folder=folder, variables=variables)
    try:
        yield command
    finally:
        command.interrupt()


def run(*argv: str, folder: Path = REPOSITORY, variables: Mapping[str, str] | None = None) -> Command:
    """A process that ended well."""
    with started(*argv, folder=folder, variables=variables) as command:
        command.finish()
    return command


def output(*argv: str) -> str:
    """What a process that ended well printed."""
    with started(*argv) as command:
        return command.finish().strip()
