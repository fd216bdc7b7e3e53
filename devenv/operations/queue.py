"""What the workers have to do: the reference's queue, or whatever `taskrunner.queue` says how to read."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.server import Server, quoted
from devenv.errors import OperationError
from devenv.operations.drain import (
    Reading,
    UnreadableQueueError,
    counts_of_json,
    counts_of_rows,
    pace,
    reading_of,
)
from devenv.operations.inside import running_container
from devenv.services import mysql, taskrunner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devenv.engine.observed import ExecResult
    from devenv.operations.session import Session

INTERVAL = 1.0
REMEMBERED = 600
"""Readings that a watch keeps to draw."""
NEVER = "9999-01-01"
"""Where django-tasks-db says that a job was not put off."""
DJANGO_TASKS = f"""\
SELECT CASE WHEN status = 'READY' AND run_after > UTC_TIMESTAMP(6) AND run_after < '{NEVER}' THEN 'put off'
            ELSE status END, COUNT(*)
FROM django_tasks_database_dbtaskresult GROUP BY 1
UNION ALL SELECT 'SUCCESSFUL', 0
UNION ALL
(SELECT 'last_error', CONCAT(task_path, ': ', SUBSTRING_INDEX(TRIM(TRAILING CHAR(10) FROM traceback), CHAR(10), -1))
 FROM django_tasks_database_dbtaskresult WHERE status = 'FAILED' ORDER BY finished_at DESC LIMIT 1)"""
"""The queue of the reference, and of every application with django-tasks-db."""


@dataclass(frozen=True)
class QueueReport:
    """The queue now: numbers of jobs, running workers, jobs per second, and seconds until nothing is left."""

    backlog: int
    running: int
    failed: int
    done: int | None
    last_error: str | None
    other: Mapping[str, int]
    workers: int
    rate: float | None
    drain_seconds: float | None


@dataclass(frozen=True)
class Glance:
    """One look at the queue, and how many jobs were left at every look so far, oldest first."""

    report: QueueReport
    left: tuple[int, ...]


def queue(session: Session) -> QueueReport:
    """The queue now; two readings, one second apart, give the rate.

    Raises OperationError where the queue cannot be read.
    """
    looks = watch(session)
    next(looks)
    return next(looks).report


def watch(session: Session) -> Iterator[Glance]:
    """The queue, again and again, `INTERVAL` seconds apart."""
    readings: deque[Reading] = deque(maxlen=REMEMBERED)
    while True:
        readings.append(_read(session))
        yield Glance(_report(session, tuple(readings)), tuple(reading.left for reading in readings))
        time.sleep(INTERVAL)


def _report(session: Session, readings: tuple[Reading, ...]) -> QueueReport:
    last, now = readings[-1], pace(readings)
    return QueueReport(
        backlog=last.backlog,
        running=last.running,
        failed=last.failed,
        done=last.done,
        last_error=last.last_error,
        other=last.other,
        workers=sum(one.is_running for one in session.observe().of(taskrunner.NAME)),
        rate=now.rate,
        drain_seconds=now.drain_seconds,
    )


def _read(session: Session) -> Reading:
    settings = session.settings.taskrunner.queue
    command = settings.command if settings else None
    if settings is None or command is None:
        result = _query(session, (settings.query if settings else None) or DJANGO_TASKS)
    else:
        words = ("sh", "-c", command) if isinstance(command, str) else command
        container = running_container(session, settings.service)
        result = session.engine.execute(container.id, words)
    if result.exit_status != 0:
        raise _unreadable(session, "the queue cannot be read", tuple(result.output.strip().splitlines()[-5:]))
    try:
        counts = counts_of_rows(result.output) if command is None else counts_of_json(result.output)
        return reading_of(counts, time.monotonic())
    except UnreadableQueueError as error:
        raise _unreadable(session, str(error), ()) from error


def _query(session: Session, sql: str) -> ExecResult:
    container = running_container(session, mysql.NAME)
    database = session.settings.database
    server = Server(session.engine, container.id, database.root_password)
    return server.query(f"USE {quoted(database.databases[0])}; {sql}")


def _unreadable(session: Session, message: str, evidence: tuple[str, ...]) -> OperationError:
    path = ("taskrunner", "queue")
    where = str(session.document.position_of(path)) if session.document.holds(path) else None
    hint = (
        "mend what taskrunner.queue says"
        if where
        else "say in devenv.yaml how to read your queue: `taskrunner: {queue: {query: ...}}` or `{command: ...}`"
    )
    return OperationError(message, code="queue_unreadable", where=where, hint=hint, evidence=evidence)
