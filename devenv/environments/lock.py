"""A lock between processes: whoever holds it loses it with its process, however that ends."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from devenv.environments.access import accessing
from devenv.environments.caller import hand_over

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if sys.platform == "win32":
    from filelock import FileLock, Timeout

    @contextmanager
    def try_lock(file: Path) -> Iterator[bool]:
        """Whether the lock was free; if so the block holds it."""
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        with lock:
            lock.release()
            yield True

    @contextmanager
    def wait_lock(file: Path) -> Iterator[None]:
        """Wait for the lock, however long; the block holds it."""
        with FileLock(file):
            yield

else:
    # filelock does the same, but imports asyncio for it: 45 ms in every command.
    import fcntl

    @contextmanager
    def try_lock(file: Path) -> Iterator[bool]:
        """Whether the lock was free; if so the block holds it."""
        with _opened(file) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    @contextmanager
    def wait_lock(file: Path) -> Iterator[None]:
        """Wait for the lock, however long; the block holds it."""
        with _opened(file) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _opened(file: Path) -> Iterator[int]:
        # No child of ours may keep it open, and with it the lock; Python's descriptors are not inherited.
        with accessing(file, file.parent):
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            hand_over(file)
            yield descriptor
        finally:
            os.close(descriptor)
