"""An engine of a test's own, with its own disk and network namespace, which the test may kill and fill up."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import until

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWNET = 0x40000000
START_SECONDS = 60
END_SECONDS = 30


@dataclass
class OwnEngine:
    """A daemon that hears on a socket of its own; `disk` is the file system of its data."""

    folder: Path
    disk: Path
    namespace: str | None = None
    """The network namespace that it runs in; None is that of whoever starts it."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """What `DOCKER_HOST` is for its clients."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def is_running(self) -> bool:
        """Whether the daemon's process lives."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        # The runtime folder is short: the path of a socket in it has to fit in 108 bytes.
        # `ip netns exec` would hide the cgroups, which are mounted below /sys.
        entered = [] if self.namespace is None else ["nsenter", f"--net=/run/netns/{self.namespace}"]
        argv = [
            *entered,
            "dockerd",
            f"--host={self.host}",
            f"--data-root={self.disk}/docker",
            f"--exec-root={self.folder}/run",
            f"--pidfile={self.folder}/docker.pid",
        ]
        with (self.folder / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, process_group=0)
        until(self.answers, "the engine answers", START_SECONDS)

    def answers(self) -> bool:
        """Whether it does; fails where the daemon has ended."""
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "dockerd.log").read_text()[-3000:]
        asked = subprocess.run(["docker", "--host", self.host, "version"], capture_output=True, check=False)
        return asked.returncode == 0

    def kill(self) -> None:
        """End the daemon as a crash does; what runs in containers runs on until the next start."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End the daemon, and with it its containers."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        self.process.kill()
        self.process.wait()
        self._end_shims()

    def _end_shims(self) -> None:
        """A killed daemon's containers outlive it, and so do those that the next one did not know of."""
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it ended by itself
                if f"{self.folder}/run/".encode() in file.read_bytes():
                    shim = file.parent
                    children = (shim / "task" / shim.name / "children").read_text().split()
                    for identity in (*children, shim.name):
                        with suppress(ProcessLookupError):
                            os.kill(int(identity), signal.SIGKILL)

    @contextmanager
    def filled(self, left: int) -> Iterator[None]:
        """Meanwhile the disk has so many bytes left."""
        ballast = self.disk / "ballast"
        subprocess.run(["sync", "-f", str(self.disk)], check=True)
        size = shutil.disk_usage(self.disk).free - left
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        try:
            yield
        finally:
            ballast.unlink()

    def take_images(self, *references: str) -> None:
        """Copy images from the machine's engine; layers that they share cross once."""
        environment = {**os.environ, "DOCKER_HOST": ""}
        save, load = ["docker", "save", *references], ["docker", "--host", self.host, "load", "--quiet"]
        with subprocess.Popen(save, stdout=subprocess.PIPE, env=environment) as source:
            subprocess.run(load, stdin=source.stdout, stdout=subprocess.DEVNULL, check=True)
        assert source.returncode == 0


@contextmanager
def own_engine(disk_bytes: int, images: tuple[str, ...], *, copies_only: bool = False) -> Iterator[OwnEngine]:
    """An engine with these images on a file system of so many bytes; this process talks to it meanwhile.

    With `copies_only` no branch but a copy works on it.

    The thread that enters is in the engine's network namespace until it leaves, and so are its children.
    """
    folder = Path("/tmp") / f"dv-{uuid.uuid4().hex[:6]}"
    folder.mkdir(mode=0o700)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        disk = stack.enter_context(new_disk(folder, disk_bytes))
        if copies_only:
            _nest_volumes(disk)
        stack.enter_context(_network(folder.name))
        engine = OwnEngine(folder, disk)
        stack.callback(engine.stop)
        engine.start()
        engine.take_images(*images)
        stack.enter_context(_environment(engine.host))
        yield engine


@contextmanager
def new_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes, in a file that takes only the room that is used of it."""
    file, mounted = folder / "disk", folder / "mnt"
    mounted.mkdir()
    with file.open("wb") as target:
        target.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(file)], check=True)
    subprocess.run(["mount", "-o", "loop", str(file), str(mounted)], check=True)
    try:
        yield mounted
    finally:
        _unmount_all(mounted)


def _nest_volumes(disk: Path) -> None:
    """Put an engine's volumes on an overlay, as those of an engine in a container are: it takes no other overlay's layer.

    Only the volumes: with its images there too, the engine would keep each layer as a whole copy.
    """
    folders = {name: disk / name for name in ("lowerdir", "upperdir", "workdir")}
    volumes = disk / "docker" / "volumes"
    for folder in (*folders.values(), volumes):
        folder.mkdir(parents=True)
    # Where this is not shared the engine mounts its folder over itself, without what is mounted in it.
    subprocess.run(["mount", "--make-shared", str(disk)], check=True)
    options = ",".join(f"{name}={folder}" for name, folder in folders.items())
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(volumes)], check=True)


def _unmount_all(below: Path) -> None:
    """Containers that outlived their daemon hold mounts: they have been killed, and go one by one."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
        mounts = [line.split()[1] for line in lines if line.split()[1].startswith(str(below))]
        if not mounts:
            return
        for path in reversed(mounts):
            subprocess.run(["umount", path], stderr=subprocess.DEVNULL, check=False)
    pytest.fail(f"{mounts} stay mounted")


@contextmanager
def _network(name: str) -> Iterator[None]:
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        inside = os.open(f"/run/netns/{name}", os.O_RDONLY)
        _enter(inside)
        try:
            yield
        finally:
            _enter(before)
            os.close(before)
            os.close(inside)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def _enter(namespace: int) -> None:
    """`os.setns`, which Python has from 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def _environment(host: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", host)
        yield
