"""On what was measured: the machine, its engine, and the file system of the engine's data."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

from tests.bench.command import output


def machine() -> dict[str, str]:
    """Facts of this machine, by name."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return {
        "machine": platform.platform(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "load": load,
    }


def engine() -> dict[str, str]:
    """Facts of the engine, by name."""
    words = "{{.ServerVersion}}|{{.Driver}}|{{.DockerRootDir}}"
    version, driver, root = output("docker", "info", "--format", words).split("|")
    return {"engine": version, "storage driver": driver, "data root": root}


def file_system(image: str, volume: str) -> str:
    """The type of the file system that a volume lies on, as a container sees it."""
    script = "awk '$2 == \"/volume\" {print $3}' /proc/self/mounts"
    run = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "sh")
    return output(*run, "-v", f"{volume}:/volume:ro", image, "-c", script)


def _processor() -> str:
    """The processor's name; empty where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")
