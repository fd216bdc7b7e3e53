"""Times devenv beside plain Compose on the same generated file, in turn, and prints medians and ratios.

`make bench` brings up the reference environment of this checkout and measures; the raw figures go to
`artifacts/bench.json`. Nothing passes or fails here: machines are noisy, ratios are for reading.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS = 7
DEVENV = (sys.executable, "-m", "devenv")
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


def run(command: tuple[str, ...]) -> float:
    """Seconds that the command took; its output is shown only when it fails."""
    begun = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begun
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return seconds


def measure(comparison: Comparison, runs: int) -> tuple[list[float], list[float]]:
    """The times of both sides, one of each in turn after one of each that does not count."""
    ours: list[float] = []
    peer: list[float] = []
    for _ in range(runs + 1):
        for command, times in ((comparison.ours, ours), (comparison.peer, peer)):
            if comparison.before is not None:
                run(comparison.before)
            times.append(run(command))
    return ours[1:], peer[1:]


def main() -> None:
    """Measure everything, print the table, keep the raw figures."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    run((*DEVENV, "up"))
    raw: dict[str, dict[str, list[float]]] = {}
    row = "{:<16}{:>10}{:>10}{:>8}".format
    sys.stdout.write(f"{platform.platform()}, medians of {runs}, both sides in turn\n")
    sys.stdout.write(row("", "devenv", "peer", "ratio") + "\n")
    for comparison in COMPARISONS:
        ours, peer = measure(comparison, runs)
        raw[comparison.name] = {"devenv": ours, "peer": peer}
        ratio = statistics.median(one / other for one, other in zip(ours, peer, strict=True))
        cells = (f"{statistics.median(ours):.2f} s", f"{statistics.median(peer):.2f} s", f"{ratio:.2f}")
        sys.stdout.write(row(comparison.name, *cells) + "\n")
        sys.stdout.flush()
    run((*DEVENV, "up"))
    target = ROOT / "artifacts" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
