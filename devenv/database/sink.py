"""Compress a stream while it is written, as the name of its file says."""

from __future__ import annotations

import bz2
import gzip
import lzma
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PLAIN = "plain"
# ruff: noqa: SIM115 - who asks for a writer closes it
WRITERS: dict[str, Callable[[IO[bytes]], Any]] = {
    # Without the name and the time in its header, the same data give the same file.
    "gz": lambda stream: gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=stream, mtime=0),
    "bz2": lambda stream: bz2.BZ2File(stream, "wb"),
    "xz": lambda stream: lzma.LZMAFile(stream, "wb"),
    "zst": lambda stream: zstandard.ZstdCompressor(threads=-1, write_checksum=True).stream_writer(
        stream, closefd=False
    ),
}


def kind_of(file: Path) -> str:
    """The compression that a file's ending asks for."""
    ending = file.suffix.removeprefix(".")
    return ending if ending in WRITERS else PLAIN


@contextmanager
def compressed(stream: IO[bytes], kind: str) -> Iterator[Any]:
    """What is written in the block comes out compressed; the stream stays open."""
    if kind == PLAIN:
        yield stream
        stream.flush()
        return
    with WRITERS[kind](stream) as writer:
        yield writer
