"""Rows are looked at before they are wanted: while the server starts nothing else needs the processors."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from devenv.database.bulk import is_plain
from devenv.database.dump import Kind
from devenv.database.layout import Item

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.database.dump import Dump
    from devenv.database.statements import Script


class Lookahead:
    """Finds out in a thread of its own, for the time of the block, which rows the server may read from a file."""

    def __init__(self, script: Script, dump: Dump) -> None:
        self.script = script
        self._dump = dump
        self._known: dict[int, bool] = {}
        """Whether the piece that begins there is plain."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        if self._dump.serial is None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the rest to those who ask: they have begun, and need the processors."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def is_plain(self, items: Iterable[Item]) -> bool:
        """Whether a file of these rows means what the statements mean."""
        return all(self._is_plain(item) for item in items)

    def _is_plain(self, item: Item) -> bool:
        known = self._known.get(item.start)
        return is_plain(self.script, (item,)) if known is None else known

    def _look(self) -> None:
        for piece in self._dump.pieces:
            if self._stop.is_set():
                return
            if piece.kind is Kind.DATA:
                start, end = piece.statement.start, piece.statement.end
                self._known[start] = is_plain(self.script, (Item(1, None, start, end),))
