"""A project in a folder, and devenv run on it: in this process, or as a process of its own that gets signals."""

from __future__ import annotations

import io
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from devenv.cli.app import main
from devenv.cli.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devenv.cli.context import Wiring
    from devenv.events import EventSink
    from devenv.operations.session import Session

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Outcome:
    """How one command line ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[Any]:
        """Standard output as JSON, one document per line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def json(self) -> Any:
        """The one document that `--json` promises."""
        documents = self.documents
        assert len(documents) == 1, f"expected one document, got:\n{self.out}\n{self.err}"
        return documents[0]

    @property
    def data(self) -> Any:
        """What the document is about."""
        return self.json["data"]

    @property
    def error(self) -> Any:
        """The document's only error."""
        errors = self.json["errors"]
        assert len(errors) == 1, f"expected one error, got: {errors}"
        return errors[0]

    def ok(self) -> Self:
        """Itself, where the command ended 0; else the test fails with all that was said."""
        assert self.code == 0, f"exit status {self.code}\n{self.out}\n{self.err}"
        return self


class Terminal(io.StringIO):
    """A standard input at which somebody sits and types these answers."""

    def isatty(self) -> bool:
        return True


class DevenvProject:
    """A folder with these files in it; `devenv.yaml` is empty where none is given.

    `run` calls devenv's own `main` with `wiring` (None is the real engine), `spawn` starts a process.
    """

    def __init__(
        self, root: Path, files: Mapping[str, str | bytes] | None = None, wiring: Wiring | None = None
    ) -> None:
        self.root = root
        self.wiring = wiring
        for name, content in {"devenv.yaml": "", **(files or {})}.items():
            self.write(name, content)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the project; its folder is made where it is missing."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def read(self, name: str) -> str:
        """The text of a file of the project."""
        return (self.root / name).read_text(encoding="utf-8")

    @property
    def memory(self) -> Any:
        """What the environment remembers."""
        return json.loads(self.read(".devenv/environment.json"))

    def run(self, *arguments: str, wiring: Wiring | None = None, typed: str | None = None) -> Outcome:
        """Run one command line in this process; `typed` is what somebody types at a terminal, None if nobody sits there.

        An exception that `main` lets out is a defect of devenv, and leaves here too.
        """
        out, err = _capture(), _capture()
        stdin, sys.stdin = sys.stdin, io.StringIO() if typed is None else Terminal(typed)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = main(["-C", str(self.root), *arguments], wiring or self.wiring)
        finally:
            sys.stdin = stdin
        return Outcome(code, _text(out), _text(err))

    def session(self, events: EventSink | None = None, environment: str | None = None) -> Session:
        """What operations work on, as a command gets it."""
        return self.context(environment).session(events)

    def context(self, environment: str | None = None) -> Context:
        """What a command gets."""
        assert self.wiring is not None
        return Context(self.wiring, folder=self.root, environment=environment)

    def production_session(
        self, events: EventSink | None = None, *, pods: int | None = None, tls: bool | None = None
    ) -> Session:
        """What operations work on with `--production`."""
        assert self.wiring is not None
        return Context(self.wiring, folder=self.root, production=True).session(events, pods=pods, tls=tls)

    @contextmanager
    def spawn(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Spawned]:
        """Start `python -m devenv` in a process group of its own, which is killed at the end of the block."""
        argv = [sys.executable, "-m", "devenv", "-C", str(self.root), *arguments]
        with _interruptible():
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **(environment or {})},
                process_group=0,
            )
        spawned = Spawned(process)
        try:
            yield spawned
        finally:
            spawned.kill()


@dataclass
class Spawned:
    """A devenv that runs as a process of its own; what it writes is read as it comes."""

    process: subprocess.Popen[bytes]
    out: _Reader = field(init=False)
    err: _Reader = field(init=False)

    def __post_init__(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.out = _Reader(self.process.stdout)
        self.err = _Reader(self.process.stderr)

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal sends it: to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End the whole process group, and what is left of its output."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.out.finish()
        self.err.finish()

    def wait(self, timeout: float = 120) -> Outcome:
        """Wait for the end; fails, with all that was said, where it takes longer than `timeout` seconds."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{shlex.join(map(str, self.process.args))} did not end within {timeout:g} s\n"  # type: ignore[arg-type]
                f"{self.out.text}\n{self.err.text}"
            ) from None
        return Outcome(code, self.out.finish(), self.err.finish())


class _Reader:
    """Reads a stream to its end, so that its writer never waits; `until` looks at what has come."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._seen: list[str] = []
        self._ended = False
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def _pump(self) -> None:
        with self._stream:
            for raw in self._stream:
                self._lines.put(raw.decode(errors="replace"))
        self._lines.put(None)

    @property
    def text(self) -> str:
        """All that has come."""
        while not self._ended and not self._lines.empty():
            self._take(0)
        return "".join(self._seen)

    def until(self, part: str, timeout: float = 60) -> str:
        """The first line, from where the last call ended, with `part` in it; fails where none comes in time."""
        deadline = time.monotonic() + timeout
        while not self._ended:
            line = self._take(deadline - time.monotonic())
            if line is not None and part in line:
                return line
        raise AssertionError(f"nothing with {part!r} in it was written:\n{self.text}")

    def finish(self) -> str:
        """The whole text, once the stream has ended."""
        self._thread.join()
        return self.text

    def _take(self, timeout: float) -> str | None:
        try:
            line = self._lines.get(timeout=max(timeout, 0.001))
        except queue.Empty:
            raise AssertionError(f"nothing more was written in time:\n{''.join(self._seen)}") from None
        if line is None:
            self._ended = True
        else:
            self._seen.append(line)
        return line


@contextmanager
def _interruptible() -> Iterator[None]:
    """A child takes over that SIGINT is ignored, as it is where a shell started us in the background."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _capture() -> io.TextIOWrapper:
    # With a buffer of bytes below, as the real streams have.
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True, newline="")


def _text(stream: io.TextIOWrapper) -> str:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
