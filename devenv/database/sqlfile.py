"""SQL files, compressed or not, as a stream of bytes; and the statement at a line of one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import zstandard

from devenv.errors import SeedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 1 << 20
COMPRESSED_CHUNK = 1 << 17
EXCERPT = 300
ERROR_LINE = re.compile(rb"^ERROR (\d+) \((\w+)\) at line (\d+)[^:]*: (.*)", re.MULTILINE)


class _Zstd(io.RawIOBase):
    """A .zst file's content; unlike the library's own reader it has lines, and notices a file that ends early."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._pieces = self._decompressed()
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()

    def _decompressed(self) -> Iterator[bytes]:
        """The content of one frame after the other."""
        frame = None
        while data := self._file.read(COMPRESSED_CHUNK):
            while data:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                yield frame.decompress(data)
                data = b""
                if frame.eof:
                    data, frame = frame.unused_data, None
        if frame is not None:
            raise EOFError("it ends early")


OPENERS: dict[str, Callable[[Path, str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": lambda path, _: io.BufferedReader(_Zstd(path), CHUNK),
}
"""How to open a file by its ending; any other is plain SQL."""

BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's SQL as bytes; raises SeedError for a damaged or unreadable file."""
    try:
        with OPENERS.get(path.suffix, Path.open)(path, "rb") as stream:
            yield stream
    except BROKEN as error:
        raise SeedError(
            f"cannot read {path.name}: {error}",
            hint="fetch the file again; `git lfs pull` if it is kept there",
        ) from error


def chunks(path: Path) -> Iterator[bytes]:
    """The file's SQL, a piece at a time."""
    with opened(path) as stream:
        while piece := stream.read(CHUNK):
            yield piece


def statement_at(path: Path, line: int) -> str:
    """The beginning of the text at a line (from 1), which is where MySQL says that a statement failed."""
    with opened(path) as stream:
        for number, text in enumerate(stream, start=1):
            if number == line:
                return _shortened(text.decode(errors="replace").strip())
    return ""


def first_error(output: str) -> tuple[int, str] | None:
    """Line and message of the error that ended the `mysql` client, out of what it printed."""
    found = ERROR_LINE.search(output.encode())
    if found is None:
        return None
    number, state, line, message = (part.decode() for part in found.groups())
    return int(line), f"ERROR {number} ({state}): {message}"


def _shortened(text: str) -> str:
    return text if len(text) <= EXCERPT else text[:EXCERPT] + " ..."
