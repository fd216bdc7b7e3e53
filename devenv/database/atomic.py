"""A file that takes the place of another once all of it is written out."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path, code: str) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path` if the block ends well; else what was there stays.

    Raises OperationError `disk_full`, or of that code where it cannot be written for another reason.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OperationError(
            f"cannot write {path}: {error.strerror or error}",
            code="disk_full" if error.errno == errno.ENOSPC else code,
            where=str(path),
            hint="choose a folder that is there, is yours and has room",
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()
