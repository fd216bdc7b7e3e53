"""The hashes of large files, so that a dump of gigabytes is read once and not at every reset."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from devenv.environments.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORTH_BYTES = 1 << 20
"""A smaller file is hashed in less time than it takes to write down its hash."""
SETTLED_NS = 2_000_000_000
"""A file written to this shortly ago may change once more within one tick of its file system's clock."""


class ContentHashes:
    """Remembers a file's hash for as long as its size, its times and its inode stay the same."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory

    def of(self, path: Path, compute: Callable[[Path], str]) -> str:
        """The hash of the file's content, by `compute` unless it is known."""
        stat = path.stat()
        if stat.st_size < WORTH_BYTES:
            return compute(path)
        identity = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        known = self._known()
        match known.get(str(path)):
            case [found, str(content)] if found == identity:
                return content
        content = compute(path)
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > SETTLED_NS:
            with suppress(OSError):  # only a memory: without it the file is read once more
                write_atomically(self._memory, json.dumps({**known, str(path): [identity, content]}))
        return content

    def _known(self) -> dict[str, Any]:
        try:
            found = json.loads(self._memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
