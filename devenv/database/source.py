"""Where a dump comes from: a file, standard input or a URL; compressed or not, told by its content."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import mmap
import os
import sys
import tempfile
import urllib.request
from base64 import b64encode
from contextlib import ExitStack, contextmanager
from http.client import HTTPException, HTTPResponse
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit, urlunsplit

import zstandard

from devenv.database.progress import Progress
from devenv.errors import OperationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHUNK = 1 << 20
HEAD = 512
URL_SECONDS = 60
OPENERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": lambda stream: _Zstd(stream),  # noqa: PLW0108 - defined below
}
"""How to read what begins with these bytes."""
OTHERS = {
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"SQLite format 3": "an SQLite database",
    b"version https://git-lfs": "a Git LFS pointer: run `git lfs pull`",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
}
BROKEN = (OSError, EOFError, lzma.LZMAError, zstandard.ZstdError, HTTPException, ValueError)


@contextmanager
def opened_dump(source: str, folder: Path, root: Path, told: Callable[[str], None]) -> Iterator[mmap.mmap]:
    """The dump's plain bytes, mapped; what is not a plain file is kept in an unnamed one in `folder` meanwhile.

    `told` hears now and then how much has been read. Raises OperationError for what is missing, empty, damaged or no SQL.
    """
    with ExitStack() as stack:
        raw = stack.enter_context(_raw(source, root))
        size = _size(raw)
        head = _head(raw)
        _check(head, source)
        is_plain = not any(head.startswith(magic) for magic in OPENERS)
        if is_plain and not _is_remote(source):
            file = raw
        else:
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            _unpack(_Counted(head, raw), size, file, source, told)
        yield stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def shown_name(source: str) -> str:
    """How messages call the dump: never with a password in it."""
    if source == "-":
        return "standard input"
    parts = urlsplit(source)
    if parts.scheme in {"http", "https"}:
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    return source


def _is_remote(source: str) -> bool:
    return source == "-" or urlsplit(source).scheme in {"http", "https"}


@contextmanager
def _raw(source: str, root: Path) -> Iterator[IO[bytes]]:
    if source == "-":
        if sys.stdin.isatty():
            raise UsageError("-: expected a dump on standard input, found a terminal")
        yield sys.stdin.buffer
        return
    try:
        if _is_remote(source):
            stream = cast("IO[bytes]", urllib.request.urlopen(_request(source), timeout=URL_SECONDS))  # noqa: S310
        else:
            stream = (root / source).open("rb")
    except (OSError, ValueError, HTTPException) as error:
        raise OperationError(
            f"cannot read {shown_name(source)}: {error or type(error).__name__}",
            code="dump_unreadable",
            where=shown_name(source),
            hint="give a file, `-` for standard input, or an http or https URL",
        ) from error
    with stream:
        yield stream


def _request(url: str) -> urllib.request.Request:
    """Ask for what is at a URL, of which a name and a password become a header: errors repeat what is before the host."""
    parts = urlsplit(url)
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = urllib.request.Request(address)  # noqa: S310 - http or https
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        # Not for whom that server may redirect to.
        request.add_unredirected_header("Authorization", f"Basic {b64encode(login.encode()).decode()}")
    return request


def _size(raw: IO[bytes]) -> int | None:
    """How many bytes are to come, as the disk or the answering server says; None where that shows at the end only."""
    if raw.seekable():
        return os.fstat(raw.fileno()).st_size - raw.tell()
    return raw.length if isinstance(raw, HTTPResponse) else None


def _head(raw: IO[bytes]) -> bytes:
    try:
        return raw.read(HEAD)
    except (OSError, HTTPException) as error:
        raise OperationError(
            f"cannot read the dump: {error or type(error).__name__}", code="dump_unreadable"
        ) from error


def _check(head: bytes, source: str) -> None:
    if not head.strip():
        raise OperationError(
            "the dump is empty", code="dump_empty", where=shown_name(source), hint="look at how it was made"
        )
    found = next((text for magic, text in OTHERS.items() if head.startswith(magic)), None)
    if found is None and head[257:262] == b"ustar":
        found = "a tar archive: unpack it first"
    if found is not None:
        raise OperationError(
            f"expected SQL, plain or compressed with gz, bz2, xz or zst, found {found}",
            code="dump_no_sql",
            where=shown_name(source),
        )


def _unpack(
    raw: _Counted, total: int | None, file: IO[bytes], source: str, told: Callable[[str], None]
) -> None:
    """Write the plain bytes into the file; raises OperationError unless all `total` bytes of the source came."""
    stream = cast("IO[bytes]", io.BufferedReader(raw, CHUNK))
    opener = next((opener for magic, opener in OPENERS.items() if raw.head.startswith(magic)), None)
    progress = Progress(total)
    size = 0
    try:
        reader = opener(stream) if opener else stream
        while piece := reader.read(CHUNK):
            file.write(piece)
            size += len(piece)
            text = progress.reach(raw.count)
            if text is not None:
                told(text)
        file.flush()
        while stream.read(CHUNK):
            pass  # behind the end of what is packed there may be more
        if total is not None and raw.count < total:
            raise EOFError(f"it ended after {raw.count} of {total} bytes")
    except BROKEN as error:
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        raise OperationError(
            f"the dump could not be read beyond {size / 1e6:.1f} MB: {error or type(error).__name__}",
            code="disk_full" if full else "dump_damaged",
            where=shown_name(source),
            hint="free some room: `devenv gc` shows where"
            if full
            else "make or fetch it again, and compare its size with the original's",
        ) from error
    if size == 0:
        raise OperationError("the dump is empty", code="dump_empty", where=shown_name(source))


class _Counted(io.RawIOBase):
    """A stream from its first bytes on, which were read already, and how many have been taken from it."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self.head = head
        self.count = 0
        self._left = head
        self._rest = rest

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The head, then the rest."""
        piece = self._left[: len(buffer)] or self._rest.read(len(buffer))
        self._left = self._left[len(piece) :]
        self.count += len(piece)
        buffer[: len(piece)] = piece
        return len(piece)


class _Zstd:
    """Reads frames behind each other; the library's own reader takes a cut frame for a whole one."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._left = b""

    def read(self, size: int) -> bytes:
        """Some more, b"" at the end of the last frame; raises EOFError inside of one."""
        while True:
            piece = self._left or self._stream.read(size)
            if not piece:
                if not self._frame.eof:
                    raise EOFError("it ends in the middle of a zstd frame")
                return b""
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            text = self._frame.decompress(piece)
            self._left = self._frame.unused_data
            if text:
                return text
