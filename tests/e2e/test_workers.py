"""Workers that come, go and are killed: the queue keeps what it promises."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support import LIVE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.support import Stack

SEED = int(os.environ.get("DEVENV_TEST_SEED") or random.randrange(10**6))
"""Set it to the number that a failure names, and the same workers are killed again."""
SHARES = {10: 2000, 5: 1500, 2: 1000, 1: 500}
"""Jobs by number of workers: 5,000 in all."""
KILLS = {10: 5, 5: 3, 2: 2, 1: 2}
LEASE = 3
GRACE = 5
JOBS = "django_tasks_database_dbtaskresult"
TABLES = (
    "CREATE TABLE done (id INT AUTO_INCREMENT PRIMARY KEY, number INT NOT NULL) ENGINE=InnoDB; "
    # Without transactions: what is written there stays, whatever becomes of the job.
    "CREATE TABLE begun (id INT AUTO_INCREMENT PRIMARY KEY, number INT NOT NULL) ENGINE=MyISAM; "
    "CREATE TABLE gate (id INT AUTO_INCREMENT PRIMARY KEY)"
)
DRILL = '''\
"""Jobs that keep a ledger in which nothing prevents a second line."""

import time

from campaigns.queue import once
from django.db import connection
from django_tasks import task
from django_tasks_db.models import DBTaskResult, get_date_max


@task()
@once
def stamp(number, seconds):
    for table in ("begun", "done"):
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} (number) VALUES (%s)", [number])
    time.sleep(seconds)


@task()
@once
def hold(number, seconds):
    """The first to do it waits at the gate."""
    stamp.func(number, 0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM begun WHERE number = %s", [number])
        waits = cursor.fetchone()[0] == 1
        while waits and not cursor.execute("SELECT id FROM gate"):
            time.sleep(0.1)


@task()
def fail(number, seconds):
    raise ValueError(f"no {number} today")


def fill(job, first, count, seconds):
    arguments = ([number, seconds] for number in range(first, first + count))
    DBTaskResult.objects.bulk_create(
        DBTaskResult(
            args_kwargs={"args": each, "kwargs": {}},
            task_path=job.module_path,
            backend_name="default",
            run_after=get_date_max(),
        )
        for each in arguments
    )
'''


@pytest.fixture(scope="module")
def crew(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """Database, backend and no worker yet."""
    stack = new_stack()
    stack.write("compose/backend/app/campaigns/drill.py", DRILL)
    configure(stack)
    stack.up("backend")
    stack.engine.mysql(TABLES)
    yield stack
    stack.remove()
    LIVE.remove(stack)


def configure(stack: Stack, **taskrunner: Any) -> None:
    """Short times, and no worker that nobody asked for."""
    environment = {"TASK_LEASE": LEASE, "RELOAD": ""}
    stack.configure(
        database={"seed": [{"run": "python manage.py migrate"}]},
        taskrunner={"replicas": 0, "grace": f"{GRACE}s", "environment": environment, **taskrunner},
    )


@pytest.fixture
def stack(crew: Stack) -> Stack:
    """The same, with an empty queue, empty ledgers and as many workers as the test before left."""
    crew.engine.mysql(f"DELETE FROM {JOBS}; DELETE FROM begun; DELETE FROM done")
    return crew


def fill(stack: Stack, job: str, first: int, count: int, seconds: float = 0) -> None:
    """Queue jobs."""
    code = f"from campaigns.drill import *; fill({job}, {first}, {count}, {seconds})"
    backend = stack.engine.service("backend")["Id"]
    status, output = stack.engine.execute(backend, "python", "manage.py", "shell", "-c", code)
    assert status == 0, output


def scale(stack: Stack, count: int) -> Any:
    """That many workers, healthy; the row that the command gives."""
    data = stack.run("scale", f"taskrunner={count}", "--json").ok().data
    return next(row for row in data["services"] if row["name"] == "taskrunner")


def workers(stack: Stack) -> list[str]:
    """The containers of the workers that run."""
    found = (
        raw
        for raw in stack.engine.containers()
        if raw["Config"]["Labels"]["com.docker.compose.service"] == "taskrunner"
    )
    return [raw["Id"] for raw in found if raw["State"]["Running"]]


def send(stack: Stack, container: str, signal: str) -> None:
    """Signal the worker itself, which is neither the container's first process nor the shell that looks for it."""
    script = (
        "for p in /proc/[0-9]*; do n=${p#/proc/}; "
        f"[ $n -gt 1 ] && [ $n -ne $$ ] && grep -qs db_worker $p/cmdline && kill -{signal} $n; done; true"
    )
    status, output = stack.engine.execute(container, "sh", "-c", script)
    assert status == 0, output


def number(stack: Stack, sql: str) -> int:
    """The one number that a statement gives."""
    return int(stack.engine.mysql(sql)[0][0])


def left(stack: Stack) -> int:
    """Jobs that have not ended."""
    return number(stack, f"SELECT COUNT(*) FROM {JOBS} WHERE status IN ('READY', 'RUNNING')")


def await_done(stack: Stack, jobs: int, where: str) -> None:
    """Return once so many jobs are done."""
    until(lambda: stack.engine.count("done") >= jobs, f"{jobs} jobs done: {where}")


def states(stack: Stack) -> dict[str, str]:
    """The state of every job, by its number."""
    rows = stack.engine.mysql(f"SELECT args_kwargs->>'$.args[0]', status FROM {JOBS}")
    return {row[0]: row[1] for row in rows}


def test_5000_jobs_are_each_done_once_by_workers_that_are_killed(stack: Stack) -> None:
    chance = random.Random(SEED)
    first = 0
    for count, jobs in SHARES.items():
        where = f"seed {SEED}, {count} workers"
        before = set(workers(stack))
        scale(stack, count)
        assert len(workers(stack)) == count, where
        assert not before or set(workers(stack)) < before, "those that stay are left alone"
        fill(stack, "stamp", first, jobs, 0.003)
        for kill in range(KILLS[count]):
            reached = first + jobs * (kill + 1) // (KILLS[count] + 2)
            await_done(stack, reached, where)
            stack.engine.api.kill(chance.choice(workers(stack)))
            if not workers(stack):
                scale(stack, count)
        scale(stack, count)
        until(lambda: left(stack) == 0, f"all jobs done: {where}")
        first += jobs

    total = sum(SHARES.values())
    assert (first, total) == (5000, 5000)
    assert stack.engine.mysql(f"SELECT status, COUNT(*) FROM {JOBS} GROUP BY 1") == [["SUCCESSFUL", "5000"]]
    assert stack.engine.mysql("SELECT COUNT(*), COUNT(DISTINCT number) FROM done") == [["5000", "5000"]]
    # The kills did hit: jobs had been begun whose first worker never ended them.
    again = number(stack, f"SELECT COUNT(*) FROM {JOBS} WHERE JSON_LENGTH(worker_ids) > 1")
    assert again > 0, f"seed {SEED}"
    assert stack.engine.count("begun") > total, f"seed {SEED}"


def test_a_worker_that_goes_finishes_its_job_or_gives_it_back(stack: Stack) -> None:
    scale(stack, 2)
    fill(stack, "stamp", 1, 1, 0.5)
    fill(stack, "stamp", 2, 1, 600)
    until(lambda: stack.engine.mysql("SELECT number FROM begun WHERE number = 2"), "the long job begun")
    fill(stack, "stamp", 3, 1, 1.0)
    until(lambda: stack.engine.mysql("SELECT number FROM begun WHERE number = 3"), "the short job begun")

    row = scale(stack, 0)

    assert (row["running"], row["wanted"]) == (0, 0)
    assert workers(stack) == []
    assert states(stack) == {"1": "SUCCESSFUL", "2": "READY", "3": "SUCCESSFUL"}
    assert stack.engine.mysql("SELECT number FROM done ORDER BY number") == [["1"], ["3"]]
    assert stack.engine.mysql(f"SELECT worker_ids FROM {JOBS} WHERE status = 'READY'") == [["[]"]]


def test_a_worker_that_lost_its_lease_has_worked_for_nothing(stack: Stack) -> None:
    scale(stack, 1)
    fill(stack, "hold", 1, 1)
    until(lambda: stack.engine.count("begun"), "the job begun")
    paused = workers(stack)[0]
    send(stack, paused, "STOP")
    try:
        # A worker of which devenv knows nothing, since it would mend the one that hangs.
        worker = stack.engine.service("taskrunner")["Config"]
        other = stack.engine.run_beside(
            worker["Image"],
            environment=[*worker["Env"], "HEARTBEAT_FILE=/tmp/other"],
            user=worker["User"],
            volumes=["/opt/app"],
            host_config=stack.engine.api.create_host_config(
                binds=[f"{stack.root}/compose/backend/app:/opt/app"]
            ),
        )
        until(lambda: states(stack) == {"1": "SUCCESSFUL"}, "the job done by the other worker")
        stack.engine.mysql("INSERT INTO gate VALUES ()")
    finally:
        send(stack, paused, "CONT")
    stack.engine.api.remove_container(other, force=True, v=True)

    until(lambda: "what was done does not count" in stack.engine.log("taskrunner"), "the first worker's end")
    assert stack.engine.mysql("SELECT number FROM done") == [["1"]]
    assert stack.engine.count("begun") == 2


def test_the_queue_is_read_in_each_of_the_three_ways(stack: Stack) -> None:
    scale(stack, 1)
    fill(stack, "fail", 5, 3)
    until(lambda: left(stack) == 0, "the jobs failed")
    scale(stack, 0)
    fill(stack, "stamp", 1, 7)

    found = stack.run("queue", "--json").ok().data
    configure(stack, queue={"query": f"SELECT status, COUNT(*) FROM {JOBS} GROUP BY status"})
    queried = stack.run("queue", "--json").ok().data
    configure(stack, queue={"command": "printf '{\"queued\": %d}' $(ls /opt/app/campaigns/drill.py | wc -l)"})
    commanded = stack.run("queue", "--json").ok().data

    assert (found["backlog"], found["running"], found["failed"], found["done"]) == (7, 0, 3, 0)
    assert found["last_error"].startswith("campaigns.drill.fail: ValueError: no ")
    assert (found["workers"], found["rate"], found["drain_seconds"]) == (0, 0, None)
    assert (queried["backlog"], queried["failed"]) == (7, 3)
    assert commanded["backlog"] == 1
