r"""A snapshot as one file: a header that says what it is, the data directory as zstd-compressed tar, a seal.

    magic      16 bytes   "devenv-snapshot\n"
    version     4 bytes   of this format, big-endian
    length      4 bytes   of the manifest
    manifest              JSON: key, server, size, and every file with its sha256
    checksum   32 bytes   sha256 of all before it
    body                  one zstd frame with a tar of the data directory
    end         8 bytes   "the-end\n"
    length      8 bytes   of the whole file
    checksum   32 bytes   sha256 of all before it

Nothing is trusted before the last checksum has been compared, and both directions need a few MB of memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any

import zstandard

from devenv.database.atomic import replacing
from devenv.errors import OperationError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

MAGIC = b"devenv-snapshot\n"
FORMAT = 1
END = b"the-end\n"
START = struct.Struct(">16sII")
TRAILER = struct.Struct(">8sQ32s")
DIGEST_BYTES = 32
LONGEST_MANIFEST = 256 << 20
PIECE = 1 << 20
LEVEL = 3
KEY = re.compile(r"[0-9a-f]{16}")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """What an archive holds; `files` is the sha256 of every file by its path below the data directory."""

    key: str
    bytes: int
    server: str
    created: str
    origin: str
    name: str | None
    inputs: Mapping[str, str]
    files: Mapping[str, str]

    @classmethod
    def of(cls, raw: Any) -> Manifest:
        """Out of JSON; raises ValueError for what no archive of ours says."""
        if not isinstance(raw, dict) or set(raw) != set(cls.__dataclass_fields__):
            raise ValueError("its fields are others")
        texts = [raw["key"], raw["server"], raw["created"], raw["origin"], raw["name"] or ""]
        if not all(isinstance(text, str) for text in texts) or not KEY.fullmatch(raw["key"]):
            raise ValueError("its key or its texts are none")
        if type(raw["bytes"]) is not int or raw["bytes"] < 0:
            raise ValueError("its size is no number")
        for field in ("inputs", "files"):
            if not isinstance(raw[field], dict) or not all(
                isinstance(one, str) for one in raw[field].values()
            ):
                raise ValueError(f"its {field} are no list of texts")
        if not raw["files"] or not all(SHA256.fullmatch(digest) for digest in raw["files"].values()):
            raise ValueError("its files have no checksums")
        return cls(**raw)


@dataclass(frozen=True)
class Archive:
    """A file that was found whole: what it holds, and where its body lies."""

    path: Path
    manifest: Manifest
    offset: int
    length: int


def write_archive(path: Path, manifest: Manifest, tar: Iterable[bytes]) -> int:
    """Write an archive, whole or not at all; its size. What was at `path` is replaced at the end."""
    header = json.dumps(asdict(manifest), sort_keys=True).encode()
    with replacing(path, "archive_unwritable") as file:
        digest = hashlib.sha256()

        def put(piece: bytes) -> None:
            digest.update(piece)
            file.write(piece)

        put(START.pack(MAGIC, FORMAT, len(header)) + header)
        put(digest.digest())
        compressor = zstandard.ZstdCompressor(level=LEVEL, threads=-1).compressobj()
        for piece in tar:
            put(compressor.compress(piece))
        put(compressor.flush())
        put(END + struct.pack(">Q", file.tell() + TRAILER.size))
        file.write(digest.digest())
        return file.tell()


def open_archive(path: Path) -> Archive:
    """Read the manifest once the whole file was compared with its checksum.

    Raises OperationError `archive_damaged`, or RefusedError `archive_foreign` for another version's.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            manifest, digest = _read_header(path, file)
            offset = file.tell()
            length = size - offset - TRAILER.size
            _check_body(path, file, digest, length)
    except OSError as error:
        raise OperationError(
            f"cannot read {path}: {error.strerror}", code="archive_unreadable", where=str(path)
        ) from error
    return Archive(path, manifest, offset, length)


def body(archive: Archive) -> Iterator[bytes]:
    """The tar stream; raises OperationError `archive_damaged` where it breaks off or goes on too long."""
    with archive.path.open("rb") as file:
        file.seek(archive.offset)
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        left = archive.length
        try:
            while left and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield decompressor.decompress(piece)
        except zstandard.ZstdError as error:
            raise damaged(archive.path, f"its data cannot be decompressed: {error}") from error
        if left or not decompressor.eof or decompressor.unused_data:
            raise damaged(archive.path, "its data do not end where they should")


def damaged(path: Path, reason: str) -> OperationError:
    """The error for an archive that is not as it was written."""
    return OperationError(
        f"{path.name} is damaged: {reason}",
        code="archive_damaged",
        where=str(path),
        hint="fetch the file again, or make it anew: `devenv snapshot push NAME FILE`",
    )


def difference(expected: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """In one phrase how the files found differ from those expected; None where they do not."""
    missing = sorted(expected.keys() - found.keys())
    added = sorted(found.keys() - expected.keys())
    other = sorted(path for path in expected.keys() & found.keys() if expected[path] != found[path])
    parts = [
        f"{len(paths)} {word}: {', '.join(paths[:3])}{' ...' if len(paths) > 3 else ''}"
        for word, paths in (("files missing", missing), ("files too many", added), ("files changed", other))
        if paths
    ]
    return "; ".join(parts) or None


def _read_header(path: Path, file: IO[bytes]) -> tuple[Manifest, Any]:
    start = file.read(START.size)
    if len(start) < START.size or not start.startswith(MAGIC):
        raise RefusedError(
            f"{path.name} is no snapshot of devenv's, or its beginning is damaged",
            code="archive_foreign",
            where=str(path),
            hint="expected a file that `devenv snapshot push` made",
        )
    _, version, length = START.unpack(start)
    if version != FORMAT:
        raise RefusedError(
            f"{path.name} has version {version} of the format; this devenv reads version {FORMAT}",
            code="archive_foreign",
            where=str(path),
            hint="use the same devenv on both sides",
        )
    if length > LONGEST_MANIFEST:
        raise damaged(path, f"its manifest would be {length} bytes long")
    header = file.read(length)
    digest = hashlib.sha256(start + header)
    checksum = file.read(DIGEST_BYTES)
    if checksum != digest.digest():
        raise damaged(path, "its manifest is not what its checksum says")
    digest.update(checksum)
    try:
        return Manifest.of(json.loads(header)), digest
    except ValueError as error:
        raise damaged(path, f"its manifest cannot be used: {error}") from error


def _check_body(path: Path, file: IO[bytes], digest: Any, length: int) -> None:
    left = length
    while left > 0 and (piece := file.read(min(PIECE, left))):
        left -= len(piece)
        digest.update(piece)
    trailer = file.read()
    if left != 0 or len(trailer) != TRAILER.size:
        raise damaged(path, "it is cut off")
    end, size, checksum = TRAILER.unpack(trailer)
    if end != END or size != file.tell():
        raise damaged(path, "it is cut off, or its end is another's")
    digest.update(trailer[:-DIGEST_BYTES])
    if checksum != digest.digest():
        raise damaged(path, "it is not what its checksum says")
