"""The disk of a pool: a sparse file, made and mounted by short-lived containers with all rights.

The file lies in a volume of its own. It is mounted where the engine's daemon sees it, in the daemon's own
mount namespace, so that it outlives the container; a reboot of the machine takes the mount and the loop
device away, and `mount` brings both back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.database.pool import KIND_DISK, ROOT, SIZE, Pool, fail, inhabitants, privileged_worker
from devenv.errors import OperationError
from devenv.model import Label

if TYPE_CHECKING:
    from devenv.engine.api import Engine
    from devenv.engine.observed import ExecResult

NO_DAEMON, NO_ROOM, BUSY = 10, 11, 12
"""Exit statuses of the scripts."""

_PLACE = """
set -eu
[ -e /disk/lock ] || touch /disk/lock
exec 9>>/disk/lock
flock 9
machine=
for process in /proc/[0-9]*; do
  [ "$(cat "$process/comm" 2>/dev/null)" = dockerd ] || continue
  [ "$(stat -c %d:%i "$process/root$FOLDER" 2>/dev/null)" = "$(stat -c %d:%i /disk)" ] || continue
  machine=${machine:-$process}
  list=$(stat -c %d:%i "$process/root${FOLDER%/*/*}/metadata.db" 2>/dev/null || true)
  stat -L -c %d:%i "$process"/fd/* 2>/dev/null | grep -qxF "${list:-none}" || continue
  machine=$process
  break
done
[ -n "$machine" ] || exit 10
mounted() { grep -q " $TARGET " "$machine/mountinfo"; }
"""
"""Finds our daemon: it sees our volume, and of several that do it is the one with the list of volumes open."""

_MOUNT = """
[ -e /disk/disk.img ] || echo 'the disk of the pool is not complete'
[ -e /disk/disk.img ] || exit 1
if ! mounted; then
  mkdir -p "$machine/root$TARGET"
  device=
  for attempt in 1 2 3 4 5; do
    free=$(losetup --find)
    [ -b "$free" ] || mknod "$free" b 7 "${free#/dev/loop}"
    device=$(losetup --find --show --nooverlap --direct-io=on /disk/disk.img) && break
    device=$(losetup --find --show --nooverlap /disk/disk.img) && break
  done
  [ -n "$device" ] || exit 1
  [ -b "$machine/root$device" ] || mknod "$machine/root$device" b 7 "${device#/dev/loop}"
  # Either way the device goes: now, or with the mount.
  trap 'losetup -d "$device"' EXIT
  mount -N "$machine/ns/mnt" -t xfs -o noatime "$device" "$TARGET"
fi
"""
"""A loop device that somebody else took meanwhile is no error; one that has our file already is used."""

MOUNT_SCRIPT = f"{_PLACE}{_MOUNT}"

CREATE_SCRIPT = f"""{_PLACE}
if [ ! -e /disk/disk.img ]; then
  free=$(df --output=avail --block-size=1 /disk | tail -n 1)
  [ "$free" -ge "$SIZE" ] || echo "$free"
  [ "$free" -ge "$SIZE" ] || exit {NO_ROOM}
  rm -f /disk/disk.img.part
  truncate -s "$SIZE" /disk/disk.img.part
  # As old kernels know it: an engine in a virtual machine may have one.
  mkfs.xfs -q -c options=/usr/share/xfsprogs/mkfs/lts_5.10.conf /disk/disk.img.part
  sync /disk/disk.img.part
  mv /disk/disk.img.part /disk/disk.img
fi
# Nobody removes the file meanwhile: pruning volumes would, since no container has this one mounted.
chattr +i /disk 2>/dev/null || true
{_MOUNT}
mkdir -p "$machine/root$TARGET/volumes"
"""

UNMOUNT_SCRIPT = f"""{_PLACE}
if mounted; then
  umount -N "$machine/ns/mnt" "$TARGET" || exit {BUSY}
fi
rmdir "$machine/root$TARGET" 2>/dev/null || true
chattr -i /disk 2>/dev/null || true
"""

PROBE_SCRIPT = f"cd {ROOT} && echo 1 > .probe && cp --reflink=always .probe .probe2 && rm .probe .probe2"


@dataclass(frozen=True)
class Room:
    """Bytes of a mounted pool: its file system's, and what its disk takes of the engine's."""

    size: int
    used: int
    free: int


def mount(engine: Engine, pool: Pool) -> None:
    """Put the pool where the engine's daemon looks for it; nothing happens where it is there."""
    _work(engine, pool, MOUNT_SCRIPT, "mounted")


def build(engine: Engine, pool: Pool) -> None:
    """Make the pool, prove that containers see it and clone in it, then declare it complete.

    What a killed attempt left is gone on from; an attempt that fails leaves nothing, unless data live there.
    """
    probe = f"{pool.name}_probe"
    try:
        _work(engine, pool, CREATE_SCRIPT, "made")
        engine.create_volume(probe, {Label.KIND: KIND_DISK}, pool.options())
        request = privileged_worker(pool, f"{pool.name}-probe", PROBE_SCRIPT, {probe: ROOT})
        engine.remove_container(request.name)
        _check(pool, engine.run_to_end(replace(request, privileged=False)), "used by containers")
    except BaseException:
        engine.remove_volume(probe)
        _abandon(engine, pool)
        raise
    engine.remove_volume(probe)
    engine.create_volume(pool.name, pool.labels(), pool.options())


def destroy(engine: Engine, pool: Pool) -> None:
    """Remove the pool with all that is in it; raises OperationError where a container uses it."""
    engine.remove_volume(pool.name)
    _work(engine, pool, UNMOUNT_SCRIPT, "unmounted")
    engine.remove_volume(pool.driver_volume)
    engine.remove_volume(pool.disk)


def room(engine: Engine, pool: Pool) -> Room | None:
    """How full it is; None where it is not mounted or its image is gone."""
    if not engine.images([pool.image]):
        return None
    script = f"df --output=size,used,avail --block-size=1 {ROOT} | tail -n 1"
    request = replace(
        privileged_worker(pool, f"{pool.name}-room", script, {pool.name: ROOT}), privileged=False
    )
    try:
        engine.remove_container(request.name)
        words = engine.run_to_end(request).output.split()
    except OperationError:
        return None
    return Room(*map(int, words)) if len(words) == 3 and all(word.isdigit() for word in words) else None


def _abandon(engine: Engine, pool: Pool) -> None:
    if inhabitants(engine, pool.name):
        return
    with suppress(OperationError):
        _work(engine, pool, UNMOUNT_SCRIPT, "unmounted")
    with suppress(OperationError):
        engine.remove_volume(pool.disk)


def _work(engine: Engine, pool: Pool, script: str, done: str) -> None:
    disk = engine.create_volume(pool.disk, {Label.KIND: KIND_DISK, SIZE: str(pool.size)})
    request = privileged_worker(pool, f"{pool.name}-worker", script, {pool.disk: "/disk"})
    environment = {"FOLDER": disk.mountpoint, "TARGET": pool.folder, "SIZE": str(pool.size)}
    engine.remove_container(request.name)
    _check(pool, engine.run_to_end(replace(request, environment=environment)), done)


def _check(pool: Pool, result: ExecResult, done: str) -> None:
    evidence = tuple(result.output.strip().splitlines()[-5:])
    if result.exit_status == NO_DAEMON:
        raise OperationError(
            f"the pool {pool.name} cannot be {done}: no process of this engine is visible as `dockerd`",
            code="pool_unsupported",
            hint="a rootless engine, or one in a sandbox, has no pool; devenv works without one",
        )
    if result.exit_status == NO_ROOM:
        free = int(evidence[-1]) if evidence and evidence[-1].isdigit() else 0
        raise OperationError(
            f"the pool may grow to {pool.size / 2**30:.1f} GB, and the engine's disk has {free / 2**30:.1f} GB left",
            code="disk_full",
            hint="choose a smaller --size, or free some room: `docker system df` shows what Docker holds",
        )
    if result.exit_status == BUSY:
        raise OperationError(
            f"the pool {pool.name} is in use by a container",
            code="pool_in_use",
            evidence=evidence,
            hint="`devenv down` in the environments that use it",
        )
    if result.exit_status != 0:
        fail(f"the pool {pool.name} could not be {done}", evidence)
