"""Changed code: the worker takes it up between two jobs, never within one."""

import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import connection

logger = logging.getLogger("campaigns.worker")

LOOK_INTERVAL = 0.5


class Code:
    """The application's own modules, and whether one of them was changed, added or removed."""

    def __init__(self, folder: Path = settings.BASE_DIR):
        self.folder = folder
        self.accept()

    def accept(self) -> None:
        self.accepted = self._look()
        self.looked_at = time.monotonic()

    @property
    def changed(self) -> bool:
        if time.monotonic() - self.looked_at < LOOK_INTERVAL:
            return False  # a look costs as much as a small job
        self.looked_at = time.monotonic()
        return self._look() != self.accepted

    def take_up(self) -> None:
        """Start over with the changed code. If that would fail, go on with the old code and say so."""
        if subprocess.run([sys.executable, sys.argv[0], "check"], stdout=subprocess.DEVNULL).returncode:
            logger.error("The changed code fails, see above: going on with the old code")
            self.accept()
            return
        logger.info("The code changed: starting over")
        connection.close()
        os.execv(sys.executable, [sys.executable, *sys.argv])

    def _look(self) -> dict[Path, int]:
        times = {}
        for path in self.folder.glob("[!.]*/**/*.py"):
            with suppress(FileNotFoundError):  # editors replace files
                times[path] = path.stat().st_mtime_ns
        return times
