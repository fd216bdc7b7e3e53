"""A Docker Swarm of a test's own: every node an engine in a network namespace, all of them on one bridge."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.own_engine import OwnEngine, new_disk

if TYPE_CHECKING:
    from collections.abc import Iterator

DISK_BYTES = 12 << 30
"""Room for the images on three nodes; the file takes only what is used."""


@dataclass
class Node:
    """One engine of the swarm, and its address on the bridge."""

    engine: OwnEngine
    address: str

    def docker(self, *words: str, **variables: str) -> str:
        """What the `docker` client says about this node, given these variables; it must succeed."""
        argv = ["env", *(f"{name}={value}" for name, value in variables.items()), "docker"]
        argv += ["--host", self.engine.host, *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def containers(self, service: str) -> list[dict[str, Any]]:
        """The inspections of the containers of a service that run here."""
        ids = self.docker(
            "ps", "--quiet", "--filter", f"label=com.docker.swarm.service.name={service}"
        ).split()
        return json.loads(self.docker("inspect", *ids)) if ids else []

    def healths(self, service: str) -> list[str]:
        """Health of each container of a service here; its state where it has no health check."""
        states = [one["State"] for one in self.containers(service)]
        return [state.get("Health", {}).get("Status", state["Status"]) for state in states]

    def get(self, port: int, path: str = "/") -> tuple[int, str]:
        """Status and body of a page that the node publishes, asked for from inside its namespace."""
        argv = [
            "nsenter",
            f"--net=/run/netns/{self.engine.namespace}",
            "curl",
            "--silent",
            "--max-time",
            "10",
        ]
        argv += ["--write-out", "\n%{http_code}", f"http://127.0.0.1:{port}{path}"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body


@contextmanager
def swarm(nodes: int, images: tuple[str, ...], managers: tuple[str, ...] = ()) -> Iterator[list[Node]]:
    """A swarm of so many nodes, the first of which manages it; each has the images, it alone those for managers."""
    folder = Path("/tmp") / f"dv-{uuid.uuid4().hex[:6]}"
    folder.mkdir(mode=0o700)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        disk = stack.enter_context(new_disk(folder, DISK_BYTES))
        addresses = stack.enter_context(_networks(folder.name, nodes))
        found = []
        for number, (namespace, address) in enumerate(addresses.items()):
            own = folder / str(number)
            (disk / str(number)).mkdir()
            own.mkdir()
            engine = OwnEngine(own, disk / str(number), namespace)
            stack.callback(engine.stop)
            engine.start()
            engine.take_images(*images, *(() if number else managers))
            found.append(Node(engine, address))
        manager, *workers = found
        manager.docker("swarm", "init", "--advertise-addr", manager.address)
        token = manager.docker("swarm", "join-token", "--quiet", "worker").strip()
        for worker in workers:
            worker.docker(
                "swarm",
                "join",
                "--token",
                token,
                "--advertise-addr",
                worker.address,
                f"{manager.address}:2377",
            )
        yield found


@contextmanager
def _networks(name: str, nodes: int) -> Iterator[dict[str, str]]:
    """Namespaces with their addresses; they see each other, and nothing else sees them.

    Without a default route: whoever asks for a registry or a name out there is told at once that there is no way.
    """
    hub = f"{name}-hub"
    with ExitStack() as stack:
        stack.enter_context(_namespace(hub))
        _ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", hub, "link", "set", "bridge", "up")
        found = {}
        for number in range(nodes):
            node, address = f"{name}-{number}", f"10.99.0.{number + 1}"
            stack.enter_context(_namespace(node))
            _ip(
                "-n",
                hub,
                "link",
                "add",
                f"node{number}",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                node,
            )
            _ip("-n", hub, "link", "set", f"node{number}", "master", "bridge", "up")
            _ip("-n", node, "addr", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", node, "link", "set", "eth0", "up")
            found[node] = address
        yield found


@contextmanager
def _namespace(name: str) -> Iterator[None]:
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        _ip("netns", "delete", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
