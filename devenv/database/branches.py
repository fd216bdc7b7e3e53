"""Branches: writable data directories that start as a snapshot, and cost what the engine's disk makes them cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from devenv.database import pool
from devenv.database.snapshots import (
    DATA,
    KIND_REPLICA,
    ROOT,
    Key,
    run_worker,
    worker,
)
from devenv.errors import OperationError
from devenv.model import Label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.database.pool import Pool
    from devenv.database.snapshots import Snapshot
    from devenv.engine.api import ContainerRequest, Engine

BRANCH = "/branch"
KIND_LAYER = "database-layer"
LAYERS = ("_upper", "_work")
"""What an overlay's own folders have behind the branch's name; the first holds what was written."""
PROBE = "devenv-branch-probe"
SERVER_ROOM = 128_000_000
"""Bytes that a server takes at its start for files of its own."""


@dataclass(frozen=True)
class BranchRequest:
    """A branch to make: `volume` is what the server mounts, `labels` are the environment's."""

    volume: str
    labels: Mapping[str, str]
    snapshot: Snapshot


class Driver(Protocol):
    """One way to make a branch."""

    name: str

    def room(self, size: int) -> int:
        """About how many bytes a branch of so large a snapshot takes until its server runs."""

    def create(self, engine: Engine, image: str, request: BranchRequest) -> None:
        """Make the branch's volume; raises OperationError where this way does not work here."""


class Reflink:
    """Files that share their blocks with the snapshot's: XFS, btrfs, a pool. Costs nothing until written to."""

    name = "reflink"

    def room(self, size: int) -> int:
        """Only what the server writes at its start: redo log, temporary tablespaces."""
        del size
        return SERVER_ROOM

    def create(self, engine: Engine, image: str, request: BranchRequest) -> None:
        """Clone every file of the snapshot: into the pool where it lives in one, else into a plain volume."""
        source = in_pool(engine, request.snapshot)
        if source is None:
            _copy(engine, image, request, "--reflink=always")
            return
        home, folder = source
        pool.clone(engine, home, image, folder, request.volume)
        pool.adopt(engine, home, request.volume, request.labels)


class Copy:
    """Files of their own: works everywhere, costs the size of the data in time and room."""

    name = "copy"

    def room(self, size: int) -> int:
        """All of it once more."""
        return size + SERVER_ROOM

    def create(self, engine: Engine, image: str, request: BranchRequest) -> None:
        """Copy every file of the snapshot into a plain volume, holes left out."""
        _copy(engine, image, request, "--reflink=auto --sparse=always")


class Overlay:
    """A layer over the snapshot: made at once, and a file is copied when the server first opens it to write.

    `index=off` because a lower directory under several mounts fails with it, `metacopy=off` so that a
    changed owner never leaves a file that only looks copied.
    """

    name = "overlay"

    def room(self, size: int) -> int:
        """The files that the server opens to write at its start are copied then: 73 MB with their holes."""
        del size
        return 75_000_000 + SERVER_ROOM

    def create(self, engine: Engine, image: str, request: BranchRequest) -> None:
        """Make a volume that the engine mounts as overlay, with a volume each for its two own folders."""
        del image
        source = engine.create_volume(request.snapshot.volume, {})
        labels = {**request.labels, Label.KIND: KIND_LAYER}
        upper = engine.create_volume(f"{request.volume}{LAYERS[0]}", labels)
        work = engine.create_volume(f"{request.volume}{LAYERS[1]}", labels)
        options = (
            f"lowerdir={source.mountpoint}/{DATA},upperdir={upper.mountpoint},workdir={work.mountpoint}"
            ",index=off,metacopy=off"
        )
        engine.create_volume(
            request.volume, request.labels, {"type": "overlay", "device": "overlay", "o": options}
        )


DRIVERS: tuple[Driver, ...] = (Reflink(), Overlay(), Copy())
"""The best first; `choose` takes the first that works."""


@dataclass(frozen=True)
class Choice:
    """The driver for an engine, and what was found out on the way to it."""

    driver: Driver
    reason: str


def choose(engine: Engine, image: str, snapshot: Snapshot, labels: Mapping[str, str]) -> Choice:
    """Try every driver on a snapshot, best first: by doing it, and reading and writing in the result."""
    refused: list[str] = []
    for driver in DRIVERS:
        request = BranchRequest(PROBE, labels, snapshot)
        try:
            remove_branch(engine, PROBE)
            driver.create(engine, image, request)
            script = f"test -e {BRANCH}/ibdata1 && touch {BRANCH}/.devenv && rm {BRANCH}/.devenv"
            result = run_worker(engine, worker(_worker_name(PROBE), image, script, {PROBE: BRANCH}))
            if result.exit_status == 0:
                return Choice(driver, "; ".join([*refused, f"{driver.name} works here"]))
            refused.append(f"{driver.name}: {_last_words(result.output)}")
        except OperationError as error:
            refused.append(
                f"{driver.name}: {_last_words(error.evidence[-1] if error.evidence else error.message)}"
            )
        finally:
            remove_branch(engine, PROBE)
    raise OperationError(
        "no way to branch a database works on this engine", code="no_branch_driver", evidence=tuple(refused)
    )


def driver_named(name: str) -> Driver | None:
    """The driver of a name."""
    return next((driver for driver in DRIVERS if driver.name == name), None)


def remove_branch(engine: Engine, volume: str) -> None:
    """Remove a branch and its layers, and the worker that a killed attempt left; nothing where there is none."""
    engine.remove_container(_worker_name(volume))
    engine.remove_container(pool.worker_name(volume))
    pool.remove_volumes(engine, (volume, *(f"{volume}{layer}" for layer in LAYERS)))


def in_pool(engine: Engine, snapshot: Snapshot) -> tuple[Pool, str] | None:
    """The pool in which a snapshot's data live, or a copy of them, and the folder; None where neither does."""
    found = {volume.name: volume.labels[pool.IN_POOL] for volume in pool.inhabitants(engine)}
    for folder in (snapshot.volume, replica_volume(snapshot, pool.configured_name())):
        home = pool.find_pool(engine, found[folder]) if folder in found else None
        if home is not None:
            return home, folder
    return None


def bring_in(engine: Engine, image: str, snapshot: Snapshot, home: Pool) -> None:
    """Copy a snapshot that lives elsewhere into a pool, so that its branches can be clones."""
    replica = replica_volume(snapshot, home.name)
    pool.bring(engine, home, image, snapshot.volume, replica)
    pool.adopt(engine, home, replica, {Label.KIND: KIND_REPLICA, Key.KEY: snapshot.key})


def replica_volume(snapshot: Snapshot, pool_name: str) -> str:
    """The volume with the copy of a snapshot in a pool."""
    return f"{snapshot.volume}_{pool_name}"


def _copy(engine: Engine, image: str, request: BranchRequest, options: str) -> None:
    engine.create_volume(request.volume, request.labels)
    script = f"cp -a {options} {ROOT}/{DATA}/. {BRANCH}/"
    volumes = {request.snapshot.volume: f"{ROOT}:ro", request.volume: BRANCH}
    _run(engine, worker(_worker_name(request.volume), image, script, volumes), request.snapshot)


def _run(engine: Engine, request: ContainerRequest, snapshot: Snapshot) -> None:
    result = run_worker(engine, request)
    if result.exit_status != 0:
        raise OperationError(
            f"the snapshot {snapshot.key} could not be copied",
            code="disk_full" if pool.is_full(result.output) else "branch_failed",
            evidence=tuple(result.output.strip().splitlines()[-5:]),
            hint="`devenv doctor` shows how much room there is",
        )


def _worker_name(volume: str) -> str:
    return f"{volume}-branch"


def _last_words(text: str) -> str:
    """What is behind the names of program and files in the last line."""
    return (text.strip().splitlines() or ["no answer"])[-1].rpartition(": ")[2]
