"""Times devenv beside plain Compose on the same generated file, in turn, and prints medians and ratios.

`make bench` brings up the reference environment of this checkout and measures; the raw figures go to
`artifacts/bench.json`. Nothing passes or fails here: machines are noisy, ratios are for reading.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from tests.bench.command import DEVENV, run
from tests.bench.figures import median, ratio, table
from tests.bench.machine import machine
from tests.harness import REPOSITORY

RUNS = 7
COMPOSE = ("docker", "compose", "-f", ".devenv/compose.yaml")


@dataclass(frozen=True)
class Comparison:
    """Two command lines that do the same, and what has to be done before each of them."""

    name: str
    ours: tuple[str, ...]
    peer: tuple[str, ...]
    before: tuple[str, ...] | None = None


COMPARISONS = (
    Comparison("no-op up", (*DEVENV, "up"), (*COMPOSE, "up", "-d", "--wait")),
    Comparison("status", (*DEVENV, "status"), (*COMPOSE, "ps")),
    Comparison("version", (*DEVENV, "--version"), (sys.executable, "-c", "pass")),
    Comparison(
        "up after down",
        (*DEVENV, "up"),
        (*COMPOSE, "up", "-d", "--wait"),
        (*COMPOSE, "down", "--timeout", "5"),
    ),
)


def measure(comparison: Comparison, runs: int) -> tuple[list[float], list[float]]:
    """The times of both sides, one of each in turn after one of each that does not count."""
    ours: list[float] = []
    peer: list[float] = []
    for _ in range(runs + 1):
        for command, times in ((comparison.ours, ours), (comparison.peer, peer)):
            if comparison.before is not None:
                run(*comparison.before)
            times.append(run(*command).seconds)
    return ours[1:], peer[1:]


def main() -> None:
    """Measure everything, print the table, keep the raw figures."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    run(*DEVENV, "up")
    raw: dict[str, dict[str, list[float]]] = {}
    rows = []
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in machine().items()))
    sys.stdout.write(f"medians of {runs}, both sides in turn\n\n")
    for comparison in COMPARISONS:
        ours, peer = measure(comparison, runs)
        raw[comparison.name] = {"devenv": ours, "peer": peer}
        seconds = (f"{median(ours):.2f} s", f"{median(peer):.2f} s")
        rows.append((comparison.name, *seconds, f"{ratio(ours, peer):.2f}"))
    sys.stdout.write(table(("", "devenv", "peer", "ratio"), rows))
    run(*DEVENV, "up")
    target = REPOSITORY / "artifacts" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
