"""The queue, and what it promises: django-tasks' table in MySQL, with leases.

1. No job is lost. A worker that takes a job holds a lease on it, which it renews while it works, but for no
   longer than `TASK_TIMEOUT`: then the job hangs. If the worker is killed, the lease expires, and whoever looks
   next gives the job back. If it is stopped, it finishes the job, or gives it back itself.
2. One worker at a time has a job: the claim locks its row, and others skip locked rows.
3. One outcome is recorded: only who still holds the lease can record one. Who lost it, since its machine was
   paused or the network was gone, has worked for nothing.
4. A job marked `@once` has its effects on the database once, since they are committed together with its
   outcome or not at all. Any other effect (a mail, a file) happens at least once: between it and the record of
   it the worker can be killed. Such a job has to bear being run twice.
5. A job that kills its workers is not tried for ever: after `TASK_ATTEMPTS` of them it counts as failed. That
   a worker was stopped does not count.

The lease is in `run_after`, the time from which a job may be run. Nobody else reads that of a running job, it
is in the index, and the clock is the database's, so that those of the workers' machines may differ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from traceback import format_exception
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult, get_date_max


class LeaseLost(Exception):
    """Another worker may have the job by now."""


class WorkerLost(Exception):
    """A job's last worker ended without a word."""


class Now(models.Func):
    """The database's clock."""

    template = "UTC_TIMESTAMP(6)"
    output_field = models.DateTimeField()


def once(function: Callable) -> Callable:
    """Below `@task()`: what the job does to the database is committed with its outcome, or not at all."""
    function.once = True
    return function


@dataclass(frozen=True)
class Lease:
    """A worker's right to a job; `job.started_at` tells it from every other lease on the same job."""

    job: DBTaskResult

    def renew(self) -> None:
        self._update(run_after=expiry())

    def succeed(self, value: Any) -> None:
        self._finish(status=TaskResultStatus.SUCCESSFUL, return_value=value)

    def fail(self, error: BaseException) -> None:
        self._finish(**failure(error))

    def give_back(self) -> None:
        """The job is the next to be taken, and this attempt does not count."""
        workers = self.job.worker_ids[:-1]
        self._update(status=TaskResultStatus.READY, run_after=Now(), started_at=None, worker_ids=workers)

    def retry(self, error: Exception) -> None:
        """Give it back after an error that may not be its own; the last attempt fails with that error."""
        if len(self.job.worker_ids) < settings.TASK_ATTEMPTS:
            self._update(status=TaskResultStatus.READY, run_after=Now(), started_at=None)
        else:
            self.fail(error)

    def _finish(self, **outcome: Any) -> None:
        outcome["finished_at"] = timezone.now()
        self._update(**outcome)
        for name, value in outcome.items():
            setattr(self.job, name, value)

    def _update(self, **values: Any) -> None:
        mine = DBTaskResult.objects.running().filter(pk=self.job.pk, started_at=self.job.started_at)
        if not mine.update(**values):
            raise LeaseLost(f"the lease on job {self.job.pk} has expired")


def claim(worker_id: str, backend: str, queues: list[str] | None, excluded: list[str]) -> Lease | None:
    """A lease on the job that is next, None where there is none; `queues` None means all."""
    with transaction.atomic():
        job = first_ready(backend, queues, excluded)
        if job is None:
            return None
        job.status = TaskResultStatus.RUNNING
        job.started_at = timezone.now()
        job.worker_ids = [*job.worker_ids, worker_id]
        DBTaskResult.objects.filter(pk=job.pk).update(
            status=job.status, started_at=job.started_at, worker_ids=job.worker_ids, run_after=expiry()
        )
    return Lease(job)


def first_ready(backend: str, queues: list[str] | None, excluded: list[str]) -> DBTaskResult | None:
    """The next job that nobody else is about to take, locked."""
    conditions, values = ["status = %s", "backend_name = %s"], [TaskResultStatus.READY, backend]
    conditions.append("(run_after = %s OR run_after <= UTC_TIMESTAMP(6))")
    values.append(get_date_max())
    for names, word in ((queues, "IN"), (excluded, "NOT IN")):
        if names:
            conditions.append(f"queue_name {word} ({', '.join(['%s'] * len(names))})")
            values += names
    # The index is the order. Left to choose, the server may sort instead, and then locks every job there is:
    # the other workers skip them all and find nothing to do.
    statement = (
        f"SELECT * FROM {DBTaskResult._meta.db_table} FORCE INDEX ({DBTaskResult._meta.indexes[0].name})"
        f" WHERE {' AND '.join(conditions)}"
        " ORDER BY priority DESC, run_after, enqueued_at LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    return next(iter(DBTaskResult.objects.raw(statement, values)), None)


def give_back_expired() -> int:
    """Jobs whose worker no longer renews its lease are ready again, or have failed for good; how many."""
    expired = DBTaskResult.objects.running().filter(run_after__lt=Now())
    number = 0
    for job in expired:
        still = expired.filter(pk=job.pk, started_at=job.started_at)
        if len(job.worker_ids) < settings.TASK_ATTEMPTS:
            number += still.update(status=TaskResultStatus.READY)
        else:
            error = WorkerLost(f"{len(job.worker_ids)} workers ended while they did this job")
            number += still.update(**failure(error), finished_at=timezone.now())
    return number


def expiry() -> models.Expression:
    """When a lease that begins now ends."""
    return models.ExpressionWrapper(
        Now() + timedelta(seconds=settings.TASK_LEASE), output_field=models.DateTimeField()
    )


def failure(error: BaseException) -> dict[str, Any]:
    return {
        "status": TaskResultStatus.FAILED,
        "exception_class_path": f"{type(error).__module__}.{type(error).__qualname__}",
        "traceback": "".join(format_exception(error)),
    }
