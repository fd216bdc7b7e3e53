"""Snapshots: prepared data directories that never change, found by the content that made them.

A snapshot is two volumes. One holds the data directory and its checksums. The other is empty, and its
labels, which cannot change after its creation, are the manifest: it is made last and removed first, so that
whatever is killed in between there is either a whole snapshot or none.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from devenv.database import pool
from devenv.database.seed import MIGRATION, STEP, ends_with_migrations
from devenv.engine.api import ContainerRequest
from devenv.errors import OperationError
from devenv.model import Label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from devenv.engine.api import Engine
    from devenv.engine.observed import ExecResult, ObservedVolume

ROOT = "/snapshot"
"""Where a snapshot's volume is mounted while it is made or read."""
DATA = "data"
CHECKSUMS = "checksums"
KIND = "snapshot"
KIND_DATA = "snapshot-data"
KIND_REPLICA = "snapshot-replica"
"""A copy of a snapshot's data in a pool, when the snapshot itself lives elsewhere."""
KIND_WORKER = "worker"
SEAL_SCRIPT = f"""
set -eu
cd {ROOT}/{DATA}
rm -f auto.cnf
find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum > ../{CHECKSUMS}.tmp
mv ../{CHECKSUMS}.tmp ../{CHECKSUMS}
sync -f .
du -s --block-size=1 . | cut -f 1
"""
"""`auto.cnf` names one server; every branch makes its own. The last line printed is the size in bytes."""
SPARE_REDO = "'#innodb_redo'/*_tmp"
"""The redo log's spare files, in a shell's words: they hold nothing, every server makes its own, and they are 62 of the
98 MB of an empty server's data."""
VERIFY_SCRIPT = f"cd {ROOT}/{DATA} && sha256sum --quiet --strict --check ../{CHECKSUMS}"


class Key:
    """Labels of a manifest."""

    KEY = "devenv.snapshot.key"
    NAME = "devenv.snapshot.name"
    BYTES = "devenv.snapshot.bytes"
    SERVER = "devenv.snapshot.server"
    CREATED = "devenv.snapshot.created"
    ORIGIN = "devenv.snapshot.origin"
    INPUTS = "devenv.snapshot.inputs"
    PARENT = "devenv.snapshot.parent"


class Origin(StrEnum):
    """What made a snapshot: a seed, a seed of nothing, or a user who saved his data."""

    SEED = "seed"
    EMPTY = "empty"
    SAVE = "save"


@dataclass(frozen=True)
class Snapshot:
    """One snapshot: what it was made from, by what, when, and how large it is.

    `inputs` are the parts of a seed's key, by which a later seed finds out that it only adds to this one.
    `project` is None for a seed, which all environments share. `parent` is the key of the snapshot that it goes on
    from, None where it came from nothing or from another machine; that one may be gone.
    """

    key: str
    bytes: int
    server: str
    created: str
    origin: str
    """One of `Origin`; another only in what a later devenv made."""
    name: str | None = None
    project: str | None = None
    inputs: Mapping[str, str] | None = None
    parent: str | None = None

    @property
    def volume(self) -> str:
        """The volume that holds the data directory."""
        return data_volume(self.key)

    @property
    def manifest(self) -> str:
        """The volume whose labels say that the snapshot is complete."""
        return f"devenv_snapshot_{self.key}"

    def labels(self) -> dict[str, str]:
        """The manifest as labels."""
        labels = {
            Label.KIND: KIND,
            Key.KEY: self.key,
            Key.BYTES: str(self.bytes),
            Key.SERVER: self.server,
            Key.CREATED: self.created,
            Key.ORIGIN: self.origin,
            Key.INPUTS: json.dumps(self.inputs or {}, sort_keys=True),
        }
        if self.name is not None:
            labels[Key.NAME] = self.name
        if self.project is not None:
            labels[Label.PROJECT] = self.project
        if self.parent is not None:
            labels[Key.PARENT] = self.parent
        return labels

    @classmethod
    def of(cls, volume: ObservedVolume) -> Self:
        """Read a manifest."""
        labels = volume.labels
        return cls(
            key=labels[Key.KEY],
            bytes=int(labels.get(Key.BYTES, 0)),
            server=labels.get(Key.SERVER, ""),
            created=labels.get(Key.CREATED, ""),
            origin=labels.get(Key.ORIGIN, ""),
            name=labels.get(Key.NAME),
            project=labels.get(Label.PROJECT),
            inputs=json.loads(labels.get(Key.INPUTS, "{}")),
            parent=labels.get(Key.PARENT),
        )


def data_volume(key: str) -> str:
    """The volume with the data directory of the snapshot of that key."""
    return f"devenv_snapshot_{key}_data"


def worker_name(key: str) -> str:
    """The container that works on the data of the snapshot of that key."""
    return f"devenv-snapshot-{key}"


@dataclass(frozen=True)
class SnapshotStore:
    """The snapshots on one engine; `image` is any that has a shell and coreutils, such as the database's."""

    engine: Engine
    image: str

    def all(self) -> tuple[Snapshot, ...]:
        """Every complete snapshot, the oldest first."""
        found = (Snapshot.of(volume) for volume in self.engine.volumes(f"{Label.KIND}={KIND}"))
        return tuple(sorted(found, key=lambda snapshot: (snapshot.created, snapshot.key)))

    def find(self, key: str) -> Snapshot | None:
        """The complete snapshot of a key."""
        return next((snapshot for snapshot in self.all() if snapshot.key == key), None)

    def prepare(self, key: str, labels: Mapping[str, str]) -> str:
        """A new empty volume for a snapshot's data, in the pool where there is one.

        What a killed attempt left there is removed. `labels` are those of the environment that it belongs
        to: none for a seed, which all share.
        """
        name = data_volume(key)
        self.discard(key)
        marks = {**labels, Label.KIND: KIND_DATA, Key.KEY: key}
        pool.create_volume(self.engine, pool.find_pool(self.engine), self.image, name, marks)
        return name

    def discard(self, key: str) -> None:
        """Remove the data of a snapshot that is not complete, and the worker that a killed attempt left."""
        self.engine.remove_container(worker_name(key))
        replicas = self.engine.volumes(f"{Label.KIND}={KIND_REPLICA}")
        copies = (volume.name for volume in replicas if volume.labels.get(Key.KEY) == key)
        pool.remove_volumes(self.engine, (data_volume(key), *copies))

    def unsealed(self) -> tuple[ObservedVolume, ...]:
        """Data without a manifest: of a snapshot that is being made, or of a killed attempt at one."""
        whole = {snapshot.key for snapshot in self.all()}
        volumes = self.engine.volumes(f"{Label.KIND}={KIND_DATA}")
        return tuple(volume for volume in volumes if volume.labels.get(Key.KEY) not in whole)

    def measure(self, key: str) -> int:
        """Make a data directory after a clean shutdown immutable: checksum it, write it out; its size in bytes."""
        return int(self._run(key, SEAL_SCRIPT).split()[-1])

    def seal(self, snapshot: Snapshot) -> Snapshot:
        """Declare a snapshot complete."""
        self.engine.create_volume(snapshot.manifest, snapshot.labels())
        return snapshot

    def verify(self, snapshot: Snapshot) -> None:
        """Raise OperationError `snapshot_damaged` unless every file is as it was when it was sealed."""
        self._run(snapshot.key, VERIFY_SCRIPT, writable=False)

    def checksums(self, key: str) -> dict[str, str]:
        """The sha256 of every file, by its path in the data directory."""
        lines = self._run(key, f"cat {ROOT}/{CHECKSUMS}", writable=False).splitlines()
        return {path: digest for digest, path in (line.split("  ", 1) for line in lines)}

    def check_room(self, key: str, needed: int) -> None:
        """Raise OperationError `disk_full` unless the volume can take so many bytes."""
        free = int(self._run(key, f"df --output=avail --block-size=1 {ROOT} | tail -n 1").split()[-1])
        refuse_without_room(needed, free)

    @contextmanager
    def opened(self, key: str, *, writable: bool) -> Iterator[str]:
        """A running container with a snapshot's volume, for commands that stream; its id."""
        mounts = {data_volume(key): ROOT + ("" if writable else ":ro")}
        self.engine.remove_container(worker_name(key))
        container = self.engine.run_container(worker(worker_name(key), self.image, "sleep 86400", mounts))
        try:
            yield container
        finally:
            self.engine.remove_container(container)

    def delete(self, snapshot: Snapshot) -> None:
        """Remove a snapshot: first the word that it is complete, then the data."""
        self.engine.remove_volume(snapshot.manifest)
        self.discard(snapshot.key)

    def _run(self, key: str, script: str, *, writable: bool = True) -> str:
        mounts = {data_volume(key): ROOT + ("" if writable else ":ro")}
        result = run_worker(self.engine, worker(worker_name(key), self.image, script, mounts))
        if result.exit_status != 0:
            if pool.is_full(result.output):
                pool.fail(f"the snapshot {key} could not be sealed", (pool.NO_SPACE,))
            raise OperationError(
                f"the snapshot {key} is damaged or could not be read",
                code="snapshot_damaged",
                evidence=tuple(result.output.strip().splitlines()[-20:]),
                hint="run `devenv reset-db`: the seed makes it anew",
            )
        return result.output


def refuse_without_room(needed: int, free: int) -> None:
    """Raise OperationError `disk_full` where a snapshot needs more bytes than there are."""
    if free < needed:
        raise OperationError(
            f"the snapshot needs {needed / 2**20:.0f} MB, and the engine's disk has {free / 2**20:.0f} MB left",
            code="disk_full",
            hint="`devenv gc` shows what can be freed",
        )


def worker(  # noqa: PLR0913, PLR0917 - all parts of one request, most of them seldom needed
    name: str,
    image: str,
    script: str,
    volumes: Mapping[str, str],
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    network: str | None = None,
) -> ContainerRequest:
    """A container that runs a shell script on volumes as root, and ends; `arguments` are the script's `$@`."""
    return ContainerRequest(
        name=name,
        image=image,
        entrypoint=("sh", "-c"),
        command=(script, "devenv", *arguments),
        environment=environment or {},
        volumes=volumes,
        network=network,
        labels={Label.KIND: KIND_WORKER},
        user="0:0",
    )


def run_worker(engine: Engine, request: ContainerRequest) -> ExecResult:
    """Run a worker to its end; one of that name that a killed devenv left is removed before."""
    engine.remove_container(request.name)
    return engine.run_to_end(request)


def nearest(snapshots: Sequence[Snapshot], inputs: Mapping[str, str]) -> Snapshot | None:
    """The snapshot that a seed of these inputs can go on from: the same but for migrations and later steps.

    What comes of it is what the whole seed would give from nothing. Of several the one that has most of it already.
    An empty server's is one of them.
    """
    candidates = [
        snapshot
        for snapshot in snapshots
        if snapshot.origin in {Origin.SEED, Origin.EMPTY}
        and snapshot.inputs
        and _is_prefix(snapshot.inputs, inputs)
    ]
    return max(candidates, key=lambda snapshot: len(snapshot.inputs or {}), default=None)


def _is_prefix(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Whether all of the old is in the new, and only migrations and steps are added: steps behind its last."""
    kept = all(new.get(name) == value for name, value in old.items())
    added = new.keys() - old.keys()
    migrates = any(name.startswith(MIGRATION) for name in added)
    return (
        kept
        and all(name.startswith((STEP, MIGRATION)) for name in added)
        and (not migrates or ends_with_migrations(old))
    )
