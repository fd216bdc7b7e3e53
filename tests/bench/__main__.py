"""Times `devenv up`, `down` and `status` beside plain Compose on the same generated file, and devservices, in turn.

`make bench` works on an environment of its own, which it removes; the raw figures go to `artifacts/bench.json`.
Nothing passes or fails here: machines are noisy, and ratios are for reading.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import devservices
from tests.bench.devservices import Devservices
from tests.bench.figures import Bar, median, ratio, table
from tests.bench.first import first_start, seeded
from tests.bench.lifecycle import Rounds
from tests.bench.machine import engine, machine
from tests.e2e.support import client
from tests.harness import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import docker

    from tests.bench.environment import Environment
    from tests.bench.lifecycle import Times

ROUNDS = 7
FIRST_ROUNDS = 3
DOWNS = 3
"""Rounds of `down` for one of all else."""
PAIRS = (
    ("no-op up / compose up -d --wait", "no-op", "compose no-op --wait", 0.35, 0.15),
    ("no-op up / compose up -d", "no-op", "compose no-op", 1.0, 0.5),
    ("up after down / compose up -d --wait", "warm up", "compose warm up", 0.8, 0.6),
    ("watched up / critical path", "watched up", "critical path", 1.25, 1.1),
    ("first up with its seed / compose", "first up", "compose first up", 0.5, 0.25),
    ("the same, with a server to initialise", "first up, new server", "compose first up", 0.5, 0.25),
    ("down / compose down", "down", "compose down", 1.0, None),
    ("--version / python -c pass", "version", "python", 3.0, 2.0),
    ("status / compose ps", "status", "compose ps", 2.5, 1.5),
    ("up, 10 workers / 1 worker", "up, 10 workers", "up, 1 worker", 1.6, 1.3),
)
"""What is compared: name, the one, the other, what the ratio must not exceed, and what it aims at."""
LEGEND = """\
A ratio is the median of those of the rounds. The critical path is from the engine's first container made to the
first answer of the last service; lag is from an independent prober's first answer to devenv's line `healthy`.
"""


def bars(times: Times) -> list[Bar]:
    """Every figure against its bar."""
    found = [
        Bar(name, must, aim, ratio(times.of(one), times.of(other))) for name, one, other, must, aim in PAIRS
    ]
    return [*found, Bar("lag, 95th percentile", 0.1, 0.03, _percentile(times.of("lag")), " s")]


def _percentile(values: Sequence[float]) -> float | None:
    """The 95th, for enough of them; else the largest."""
    if len(values) < 20:
        return max(values, default=None)
    return statistics.quantiles(values, n=20)[-1]


def main() -> None:
    """Measure everything, print the tables, keep the raw figures."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    rounds = int(os.environ.get("ROUNDS") or ROUNDS)
    with ExitStack() as stack:
        # The environments of the benchmark are not for the registry of this machine's user.
        os.environ["XDG_STATE_HOME"] = stack.enter_context(tempfile.TemporaryDirectory())
        api = client()
        stack.callback(api.close)
        times = _measure(api, f"bench-{uuid.uuid4().hex[:6]}", rounds, stack)
    compose = devservices.compose_version()
    facts = {**machine(), **engine(), "compose": compose}
    if beside := devservices.report(times):
        facts["devservices"] = devservices.described(compose)
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in facts.items()) + "\n")
    cells = [(name, f"{median(seconds):.2f} s", str(len(seconds))) for name, seconds in times.seconds.items()]
    sys.stdout.write(table(("", "median", "times"), cells) + "\n")
    rows = [bar.cells for bar in bars(times)]
    sys.stdout.write(table(("", "must", "aim", "measured", ""), rows) + "\n" + LEGEND)
    sys.stdout.write(f"\n{beside}" if beside else "")
    target = REPOSITORY / "artifacts" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(
        json.dumps({"facts": facts, "seconds": times.seconds}, indent=2) + "\n", encoding="utf-8"
    )


def _measure(api: docker.APIClient, name: str, rounds: int, stack: ExitStack) -> Times:
    environment = seeded(api, name)
    stack.callback(environment.remove)
    environment.devenv("up")
    peer = _peer(environment, stack)
    subject = Rounds(environment)
    for number in range(rounds + 1):
        _say(f"round {number} of {rounds}")
        subject.watched_up()
        subject.up_after_down()
        subject.nothing_to_do()
        if peer:
            subject.by_devservices(peer)
        if number == 0:
            subject.times.seconds.clear()  # the first of each does not count
    for number in range(rounds * DOWNS):
        _say(f"down {number + 1} of {rounds * DOWNS}")
        subject.down(number / (rounds * DOWNS))
    for number in range(max(1, rounds // 2)):
        _say(f"workers {number + 1}")
        subject.many_workers()
    environment.devenv("down")
    for number in range(min(rounds, FIRST_ROUNDS)):
        _say(f"first start {number + 1}")
        first_start(api, f"{name}-{number}", subject.times)
    return subject.times


def _peer(environment: Environment, stack: ExitStack) -> Devservices | None:
    """devservices on a copy of the environment, which is down then; None where it cannot be installed."""
    home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    try:
        devservices.install(home)
    except RuntimeError as error:
        _say(f"measured without devservices, which cannot be installed: {str(error).splitlines()[-1]}")
        return None
    environment.devenv("down")
    peer = Devservices(environment, home)
    stack.callback(peer.remove)
    peer.copy()
    return peer


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
