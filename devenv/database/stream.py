"""`mysql` clients in the server's container that are sent statements, and tell what became of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from devenv.database.sqlfile import first_error
from devenv.engine.api import last_words
from devenv.errors import OperationError

if TYPE_CHECKING:
    from devenv.database.server import Server
    from devenv.engine.api import Conversation

LOG_LINES = 20
TOLD = "devenv: told"
"""A row that no answer has, which ends each."""


@dataclass(frozen=True)
class Failure:
    """Why a client ended before it was told to: the line of the dump if it is known, else 0."""

    line: int
    message: str


class LineMap:
    """Which line of the dump a line of a stream comes from."""

    def __init__(self) -> None:
        self._sent: list[int] = []
        self._original: list[int] = []
        self.line = 1

    def add(self, before: bytes, body: bytes, original: int) -> None:
        """`body`, which begins at line `original` of the dump, is sent behind `before`."""
        self.line += before.count(b"\n")
        self._sent.append(self.line)
        self._original.append(original)
        self.line += body.count(b"\n")

    def original(self, line: int) -> int:
        """The dump's line."""
        at = bisect_right(self._sent, line) - 1
        return self._original[at] + line - self._sent[at] if at >= 0 else line


class Stream:
    """One client and its session; the first statement that fails ends it."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._lines = LineMap()
        self._said: list[str] = []
        """What came in place of an answer."""

    def send(self, text: bytes, line: int = 0, *, before: bytes = b"", after: bytes = b";\n") -> bool:
        """Send a statement that stands at that line of the dump; False where the client has ended.

        It may not have run yet: nothing says so but the answer to a later question.
        """
        self._lines.add(before, text, line)
        self._lines.line += after.count(b"\n")
        # One piece where that costs no copying of much.
        if len(text) < 1 << 16:
            return self._conversation.write(before + text + after)
        return all(self._conversation.write(piece) for piece in (before, text, after) if piece)

    def ask(self, sql: str) -> list[str] | None:
        """Run statements; the lines that they gave, columns separated by tabs. None where one failed."""
        self.send(f"{sql};\nSELECT '{TOLD}'".encode())
        answer: list[str] = []
        while (line := self._conversation.read_line()) != TOLD:
            if line is None:
                self._said = answer
                return None
            answer.append(line)
        return answer

    def failure(self) -> Failure:
        """Why the client ended."""
        result = self._conversation.end()
        output = "\n".join([*self._said, result.output])
        error = first_error(output)
        if error is None:
            return Failure(0, (output.strip().splitlines() or ["the client ended"])[-1])
        return Failure(max(self._lines.original(error[0]), 0), error[1])


class Clients:
    """The clients of one server, until the end of the block.

    Starting one takes a good part of a second, so some can be started ahead: while the server itself starts.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self._started: deque[Conversation] = deque()
        self._stack = ExitStack()
        self._has_answered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, count: int) -> None:
        """Start some ahead; they connect when they are wanted."""
        for _ in range(count):
            self._started.append(self._new())

    def stream(self) -> Stream:
        """One that is connected; raises OperationError `database_failed` where the server does not answer."""
        try:
            conversation = self._started.popleft()
        except IndexError:
            conversation = self._new()
        conversation.write(b"\n" if self._has_answered else b"wait\n")
        stream = Stream(conversation)
        if stream.ask("DO 1") is None:
            raise OperationError(
                "the database server does not answer",
                code="database_failed",
                evidence=last_words(self.server.engine, self.server.container, LOG_LINES),
                hint="look at the last lines of its log above",
            )
        self._has_answered = True
        return stream

    def _new(self) -> Conversation:
        return self._stack.enter_context(self.server.converse())
