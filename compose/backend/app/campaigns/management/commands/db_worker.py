"""The task runner: the worker of django-tasks-db, made fit for a container.

It adds three things. A heartbeat file shows from outside whether the worker is alive. A database
that goes away is waited for. And changed code is taken up between two jobs, never within one.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django_tasks.base import TaskResultStatus
from django_tasks_db.management.commands import db_worker
from django_tasks_db.models import DBTaskResult

logger = logging.getLogger("campaigns.worker")

BEAT_INTERVAL = 1.0


class Worker(db_worker.Worker):
    def __init__(self, *, reload: bool, **options):
        super().__init__(**options)
        self.code = Code(settings.BASE_DIR) if reload else None
        self.cut_short: list[DBTaskResult] = []

    def run(self) -> None:
        # An idle worker asks for work at each turn of its loop, so a statement is a sign of life.
        with connection.execute_wrapper(self.on_statement):
            while True:
                try:
                    super().run()
                except (DatabaseError, InterfaceError) as error:
                    self.wait_for_database(error)
                else:
                    if not self.take_up_code():
                        return

    def shutdown(self, signum, frame) -> None:
        self.code = None  # whatever changed meanwhile: this process is to end
        super().shutdown(signum, frame)

    def on_statement(self, execute, sql, params, many, context):
        beat()
        if self.code and self.code.changed:
            self.running = False  # ends the loop once the job at hand, if any, is done
        return execute(sql, params, many, context)

    def run_task(self, db_task_result) -> None:
        done = threading.Event()
        threading.Thread(target=beat_until, args=(done, settings.TASK_TIMEOUT), daemon=True).start()
        try:
            super().run_task(db_task_result)
        except (DatabaseError, InterfaceError):
            # A job that fails is recorded as failed. Here even that was not possible.
            self.cut_short.append(db_task_result)
            raise
        finally:
            done.set()

    def wait_for_database(self, error: Exception) -> None:
        logger.warning("The database does not answer, waiting for it: %s", error.args[-1])
        self.startup_delay = False
        while self.running:
            beat()
            connection.close()
            time.sleep(self.interval)
            with suppress(DatabaseError, InterfaceError):
                DBTaskResult.objects.exists()
                logger.info("The database answers again")
                self.queue_again()
                return

    def queue_again(self) -> None:
        """Jobs that lost the database run once more, so a job has to bear being run twice."""
        jobs = DBTaskResult.objects.running().filter(pk__in=[job.pk for job in self.cut_short])
        if number := jobs.update(status=TaskResultStatus.READY):
            logger.warning("Jobs that lost the database, queued again: %d", number)
        self.cut_short.clear()

    def take_up_code(self) -> bool:
        """Start over with the changed code. If that would fail, go on with the old code and say so."""
        if not (self.code and self.code.changed):
            return False
        if subprocess.run([sys.executable, sys.argv[0], "check"], stdout=subprocess.DEVNULL).returncode:
            logger.error("The changed code fails, see above: going on with the old code")
            self.code.accept()
            self.running = True
            self.startup_delay = False
            return True
        logger.info("The code changed: starting over")
        connection.close()
        os.execv(sys.executable, [sys.executable, *sys.argv])


class Code:
    """The application's own modules, and whether one of them was changed, added or removed."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.accept()

    def accept(self) -> None:
        self.accepted = self._look()

    @property
    def changed(self) -> bool:
        return self._look() != self.accepted

    def _look(self) -> dict[Path, int]:
        times = {}
        for path in self.folder.glob("[!.]*/**/*.py"):
            with suppress(FileNotFoundError):  # editors replace files
                times[path] = path.stat().st_mtime_ns
        return times


def beat() -> None:
    settings.HEARTBEAT_FILE.touch()


def beat_until(done: threading.Event, timeout: float) -> None:
    """Keep the heart beating while a job runs, but not for one that hangs."""
    deadline = time.monotonic() + timeout
    while not done.wait(BEAT_INTERVAL) and time.monotonic() < deadline:
        beat()


class Command(db_worker.Command):
    def add_arguments(self, parser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(interval=0.5, reload=settings.RELOAD)

    def handle(self, *, verbosity, queue_name, exclude_queues, **options) -> None:
        self.configure_logging(verbosity)
        names = ("interval", "batch", "backend_name", "startup_delay", "max_tasks", "worker_id", "reload")
        worker = Worker(
            queue_names=queue_name.split(","),
            excluded_queue_names=exclude_queues.split(",") if exclude_queues else [],
            **{name: options[name] for name in names},
        )
        worker.configure_signals()
        beat()
        worker.run()
