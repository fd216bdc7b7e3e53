"""One session that loads parts of a dump: as a file where the server can read its rows so, else as statements."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.bulk import load_statement
from devenv.database.layout import CHUNK, chunks, size_of
from devenv.database.server import quoted
from devenv.database.statements import SEMICOLON
from devenv.errors import OperationError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from devenv.database.layout import Item, Task
    from devenv.database.statements import Script
    from devenv.database.stream import Clients, Failure

FILE = "devenv-import-{}"
IN_BULK_FROM = 1 << 18
"""Bytes from which on a file is worth the three calls that it takes."""
PIECE = 1 << 20


@dataclass(frozen=True)
class Work:
    """What all connections of one import share.

    `folder` is where the server reads files and `charset` what their rows are in: None where it reads none.
    `is_plain` tells whether rows mean the same in a file, `loaded` hears how many bytes of the dump went in, and whether as a file.
    """

    clients: Clients
    script: Script
    session: Task
    folder: str | None
    charset: str | None
    is_plain: Callable[[Task], bool]
    loaded: Callable[[int, bool], None]
    stopped: threading.Event


class Connection:
    """A client with the session's settings; `number` tells it from the others."""

    def __init__(self, work: Work, number: int) -> None:
        self._work = work
        self._path = f"{work.folder}/{FILE.format(number)}"
        self._wrote = False
        self._reads_files = None not in {work.folder, work.charset}
        self._connect()

    def close(self) -> None:
        """Leave nothing of its files."""
        if self._wrote:
            with suppress(OperationError):  # where the server is gone its files are too
                self._work.clients.server.put_file(self._path, (), 0)

    def load(self, tasks: Iterator[Task]) -> Failure | None:
        """Load tasks until there are no more or somebody stops; all of it has run. The reason if one failed."""
        for task in tasks:
            for part in chunks(task, CHUNK):
                if self._work.stopped.is_set():
                    return None
                if not self._as_file(part) and not self._as_statements(part):
                    return self._failure()
        return self._failure() if self._stream.ask("COMMIT") is None else None

    def _failure(self) -> Failure:
        self._work.stopped.set()
        return self._stream.failure()

    def _connect(self) -> None:
        self._database: str | None = None
        self._stream = self._work.clients.stream()
        for item in self._work.session:
            self._send(item)

    def _as_file(self, part: Task) -> bool:
        """Let the server read rows; False, and nothing is changed, where it cannot or has something to remark."""
        table, names, size = part[0].table, self._work.charset, size_of(part)
        if not self._reads_files or table is None or names is None or size < IN_BULK_FROM:
            return False
        if not self._work.is_plain(part):
            return False
        try:
            self._wrote = True
            self._work.clients.server.put_file(self._path, self._pieces(part), size)
        except OperationError:
            self._reads_files = False
            return False
        answer = self._stream.ask(f"{load_statement(self._path, table, names)}; SHOW COUNT(*) WARNINGS")
        if answer == ["0"]:
            self._stream.send(b"COMMIT", part[0].line)
            self._work.loaded(size, True)
            return True
        if answer is None:
            # As statements they fail too, and then it is known at which line; or they go in.
            self._connect()
        else:
            self._stream.send(b"ROLLBACK", part[0].line)
        return False

    def _pieces(self, part: Task) -> Iterator[bytes]:
        for item in part:
            for start in range(item.start, item.end, PIECE):
                yield self._work.script[start : min(start + PIECE, item.end)]

    def _as_statements(self, part: Task) -> bool:
        """Send statements; False where one failed."""
        for item in part:
            if self._work.stopped.is_set():
                return True
            if not self._send(item):
                return False
            if item.is_data:
                self._stream.send(b"COMMIT", item.line)
                self._work.loaded(item.end - item.start, False)
        return True

    def _send(self, item: Item) -> bool:
        before = b""
        if item.database is not None and item.database != self._database:
            self._database = item.database
            before = f"USE {quoted(item.database)};\n".encode()
        after = b";\n"
        if item.delimiter != SEMICOLON:
            before += b"DELIMITER " + item.delimiter + b"\n"
            after = b"\n" + item.delimiter + b"\nDELIMITER ;\n"
        body = self._work.script[item.start : item.end] if item.text is None else item.text
        return self._stream.send(body, item.line, before=before, after=after)
