"""Files in containers, by the archives in which the engine takes and gives them."""

from __future__ import annotations

import base64
import json
import tarfile
import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from devenv.engine.docker.connection import Connected, translated
from devenv.engine.transport import NOT_FOUND, ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EVERYBODY_READS = 0o644
FACTS = "x-docker-container-path-stat"
"""The field in which the engine says what it knows of a path, as JSON in base64."""


class Files(Connected):
    """Files of the engine's containers."""

    def put_file(self, container_id: str, path: str, pieces: Iterable[bytes], size: int) -> None:
        """Write a file of so many bytes into a container, for everybody to read."""
        target = PurePosixPath(path)
        with translated(f"write {path}"):
            self._client.api.put_archive(
                container_id, str(target.parent), _archive(target.name, pieces, size)
            )

    def modified(self, container_id: str, path: str) -> float | None:
        """When a file in a container was last changed, by the engine's clock; None where there is none."""
        from datetime import datetime

        with translated(f"look at {path}"):
            try:
                fields = self._api.head(f"/containers/{container_id}/archive", query={"path": path})
            except ApiError as error:
                if error.status == NOT_FOUND:
                    return None
                raise
        facts = json.loads(base64.b64decode(fields[FACTS]))
        return datetime.fromisoformat(facts["mtime"]).timestamp()


def _archive(name: str, pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """A tar archive of one file; what the file holds is handed on as it comes."""
    head = tarfile.TarInfo(name)
    head.size, head.mode, head.mtime = size, EVERYBODY_READS, int(time.time())
    yield head.tobuf(tarfile.GNU_FORMAT)
    yield from pieces
    yield tarfile.NUL * (-size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)
