"""The task runner's loop: takes a job, does it, and ends when it is told to without leaving one behind."""

import logging
import signal
import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, InterfaceError, close_old_connections, connection, transaction
from django_tasks.base import Task, TaskContext, TaskResult
from django_tasks.signals import task_finished, task_started
from django_tasks.utils import normalize_json
from django_tasks_db.models import DBTaskResult

from campaigns.queue import Lease, LeaseLost, claim, give_back_expired
from campaigns.reload import Code

logger = logging.getLogger("campaigns.worker")

BEAT_INTERVAL = 1.0
MARGIN = 3.0
"""Seconds of the grace that are kept for giving a job back."""


class OutOfTime(BaseException):
    """The job at hand takes longer than there is time. No job's `except Exception` catches it."""


@dataclass
class Worker:
    worker_id: str
    backend: str
    queues: list[str] | None
    excluded: list[str]
    interval: float
    batch: bool = False
    max_tasks: int | None = None
    code: Code | None = None

    running: bool = field(default=True, init=False)
    lease: Lease | None = field(default=None, init=False)
    calling: bool = field(default=False, init=False)
    may_exit: bool = field(default=False, init=False)
    tasks_run: int = field(default=0, init=False)
    looked_for_expired: float = field(default=float("-inf"), init=False)

    def run(self) -> None:
        logger.info("Worker %s starts", self.worker_id)
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGALRM, self.run_out_of_time)
        threading.Thread(target=self.keep_alive, daemon=True).start()
        while self.running:
            try:
                self.turn()
            except (DatabaseError, InterfaceError) as error:
                self.wait_for_database(error)
        logger.info("Worker %s ends after %d jobs", self.worker_id, self.tasks_run)

    def turn(self) -> None:
        """One job, or a rest where there is none."""
        beat()
        close_old_connections()
        if self.code and self.code.changed:
            with self.exit_at_once():
                self.code.take_up()
        self.give_back_expired()
        self.lease = claim(self.worker_id, self.backend, self.queues, self.excluded)
        if self.lease:
            self.work(self.lease)
            self.lease = None
            self.tasks_run += 1
            self.running = self.running and self.tasks_run != self.max_tasks
        elif self.batch:
            self.running = False
        elif self.running:
            with self.exit_at_once():
                time.sleep(self.interval)

    def work(self, lease: Lease) -> None:
        """Do the job and record how it ended; a database that fails meanwhile is the caller's concern."""
        try:
            self.do(lease)
        except LeaseLost as error:
            logger.warning("%s: what was done does not count", error)
        except OutOfTime:
            with suppress(LeaseLost):
                lease.give_back()
                logger.warning("Job %s takes longer than there is time to stop: given back", lease.job.pk)

    def do(self, lease: Lease) -> None:
        done = False
        try:
            task = lease.job.task
            with transaction.atomic() if getattr(task.func, "once", False) else nullcontext():
                value = self.call(task, lease.job.task_result)
                done = True
                lease.succeed(value)
        except OutOfTime:
            raise
        except BaseException as error:
            if done:
                raise  # the job did not fail, but the record of it
            lease.fail(error)
            announce_end(lease.job)
        else:
            announce_end(lease.job)

    def call(self, task: Task, result: TaskResult) -> Any:
        task_started.send(sender=task.get_backend(), task_result=result)
        context = [TaskContext(task_result=result)] if task.takes_context else []
        self.calling = True
        try:
            return normalize_json(task.call(*context, *result.args, **result.kwargs))
        finally:
            self.calling = False

    def stop(self, signum, frame) -> None:
        """Finish the job at hand, if it takes no longer than there is time; told twice, give it back at once."""
        if self.may_exit:
            sys.exit(0)
        left = max(settings.STOP_GRACE - MARGIN, 0.1) if self.running else 0.001
        logger.info("%s: the job at hand, if any, has %.1f s to end", signal.strsignal(signum), left)
        self.running = False
        signal.setitimer(signal.ITIMER_REAL, left)

    def run_out_of_time(self, signum, frame) -> None:
        if self.calling:
            raise OutOfTime

    @contextmanager
    def exit_at_once(self):
        """Nothing is at hand here that would have to be finished."""
        self.may_exit = True
        try:
            if not self.running:  # told to stop just before
                sys.exit(0)
            yield
        finally:
            self.may_exit = False

    def give_back_expired(self) -> None:
        if time.monotonic() - self.looked_for_expired > settings.TASK_LEASE / 4:
            self.looked_for_expired = time.monotonic()
            if number := give_back_expired():
                logger.warning("Jobs that lost their worker, given back: %d", number)

    def keep_alive(self) -> None:
        """While a job runs, but not for one that hangs, keep the heart beating and the lease from expiring."""
        held, since, renewed = None, 0.0, 0.0
        while True:
            time.sleep(BEAT_INTERVAL)
            now = time.monotonic()
            if self.lease is not held:
                held, since, renewed = self.lease, now, now
            if held is None or now - since > settings.TASK_TIMEOUT:
                continue
            beat()
            if now - renewed > settings.TASK_LEASE / 3:
                with suppress(DatabaseError, InterfaceError, LeaseLost):  # work() will find it out
                    close_old_connections()
                    held.renew()
                    renewed = now

    def wait_for_database(self, error: Exception) -> None:
        logger.warning("The database failed, waiting for it: %s", error.args[-1])
        while self.running:
            beat()
            connection.close()
            time.sleep(self.interval)
            with suppress(DatabaseError, InterfaceError):
                DBTaskResult.objects.exists()
                logger.info("The database answers again")
                if self.lease:
                    # Unless its outcome was recorded nevertheless: then there is nothing to try again.
                    with suppress(LeaseLost):
                        self.lease.retry(error)
                        logger.warning("Job %s lost the database: to be tried again", self.lease.job.pk)
                    self.lease = None
                return


def announce_end(job: DBTaskResult) -> None:
    try:
        task_finished.send(sender=type(job.task.get_backend()), task_result=job.task_result)
    except (ImportError, SuspiciousOperation):
        logger.error("Job %s is no task: %s", job.pk, job.task_path)


def beat() -> None:
    settings.HEARTBEAT_FILE.touch()
