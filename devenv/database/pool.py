"""The pool: a file system with reflinks on the engine's machine, and the volumes that live in it.

Such a volume is one of the local driver that binds a folder of the pool. While the pool is not mounted the
volume cannot be mounted either: nothing is ever written beside the pool. The pool's own volume, which shows
all of it, is made last and removed first: without it there is no pool.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from devenv.engine.api import ContainerRequest
from devenv.errors import OperationError, UsageError
from devenv.model import Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devenv.engine.api import Engine
    from devenv.engine.observed import ExecResult, ObservedVolume
    from devenv.errors import DevenvError

NAME_VARIABLE = "DEVENV_POOL"
DEFAULT_NAME = "devenv_pool"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
IN_POOL = "devenv.pool"
"""Label of a volume that lives in a pool: the pool's name."""
KIND = "pool"
KIND_DISK = "pool-disk"
KIND_WORKER = "worker"
SIZE = "devenv.pool.size"
IMAGE = "devenv.pool.image"
ROOT = "/pool"
"""Where a pool is mounted in a container that works on it."""
NO_SPACE = "No space left on device"
FULL = re.compile(
    rf"{NO_SPACE}|Available space .* is not enough|[Dd]isk is full|Out of disk space|The table '.*' is full"
    r"|[Ee]rror number 28\b|Retry attempts for writing partial data failed"
)
"""How tools and the server say that a disk is full. InnoDB names the reason once, and goes on trying at such length
that of its last lines only those are left that say how it fared."""
FULL_HINT = "`devenv gc` frees what nothing needs, `devenv db pool show` says how full the pool is"
LEAST_ROOM = 128
"""MB that a server needs at its start for files of its own: a branch of a full pool would never start."""
ROOM_SCRIPT = f"""
set -eu
cd {ROOT}
free=$(df --output=avail --block-size=1M . | tail -n 1)
[ "$free" -ge {LEAST_ROOM} ] || echo "{NO_SPACE}:$free MB are free, {LEAST_ROOM} MB are needed"
[ "$free" -ge {LEAST_ROOM} ] || exit 1
"""

SWEEP_SCRIPT = f"""
set -eu
cd {ROOT}
for name in $GONE; do rm -rf "./$name" "./$name.part"; done
find . -mindepth 1 -maxdepth 1 -cmin +60 | while read -r path; do
  case " $KEPT " in *" ${{path#./}} "*) ;; *) rm -rf "$path" ;; esac
done
sync -f .
fstrim . || true
"""
"""Also what killed commands left; what is younger than an hour may be the work of one that goes on."""

MAKE_SCRIPT = f"""{ROOM_SCRIPT}
rm -rf "./$1"
mkdir "$1"
"""

CLONE_SCRIPT = f"""{ROOM_SCRIPT}
rm -rf "./$2" "./$2.part"
mkdir "$2.part"
trap 'rm -rf "./$2.part"' EXIT
cp -a --reflink=always "./$1/data/." "$2.part/"
mv "$2.part" "$2"
"""
"""Through the pool itself, not through two volumes of it: old kernels clone within one mount only."""

BRING_SCRIPT = f"""{ROOM_SCRIPT}
rm -rf "./$1" "./$1.part"
mkdir "$1.part"
trap 'rm -rf "./$1.part"' EXIT
cp -a --sparse=always /snapshot/. "$1.part/"
sync -f .
mv "$1.part" "$1"
"""


@dataclass(frozen=True)
class Pool:
    """A pool: `image` has the tools for it, `size` is that of its file system in bytes."""

    name: str
    size: int
    image: str

    @property
    def disk(self) -> str:
        """The volume that holds its disk."""
        return f"{self.name}_disk"

    @property
    def folder(self) -> str:
        """Where it is mounted on the engine's machine."""
        return f"/run/devenv/{self.name}"

    @property
    def driver_volume(self) -> str:
        """The volume whose labels remember which driver works in it."""
        return f"{self.name}_driver"

    def options(self, volume: str = "") -> dict[str, str]:
        """The options of a volume that lives in it; of the pool's own without a name."""
        tail = f"/{volume}" if volume else ""
        return {"type": "none", "o": "bind", "device": f"{self.folder}/volumes{tail}"}

    def labels(self) -> dict[str, str]:
        """Those of its own volume."""
        return {Label.KIND: KIND, SIZE: str(self.size), IMAGE: self.image}


def configured_name() -> str:
    """The name of the pool that new data go to; raises UsageError where the environment's is none."""
    name = os.environ.get(NAME_VARIABLE) or DEFAULT_NAME
    if not NAME.fullmatch(name):
        raise UsageError(f"{NAME_VARIABLE}: expected lower-case letters, digits, - and _, got {name}")
    return name


def find_pool(engine: Engine, name: str | None = None) -> Pool | None:
    """The complete pool of a name, which is the configured one where none is given."""
    wanted = name or configured_name()
    for volume in engine.volumes(f"{Label.KIND}={KIND}"):
        if volume.name == wanted:
            return Pool(wanted, int(volume.labels.get(SIZE, 0)), volume.labels.get(IMAGE, ""))
    return None


def inhabitants(engine: Engine, name: str | None = None) -> tuple[ObservedVolume, ...]:
    """The volumes that live in the pool of a name, or in any."""
    return engine.volumes(IN_POOL if name is None else f"{IN_POOL}={name}")


def create_volume(
    engine: Engine, pool: Pool | None, image: str, name: str, labels: Mapping[str, str]
) -> ObservedVolume:
    """A new empty volume, in the pool where there is one; `image` is any with a shell."""
    if pool is None:
        return engine.create_volume(name, labels)
    _check_inside(pool, run_inside(engine, pool, image, MAKE_SCRIPT, (name,)))
    return adopt(engine, pool, name, labels)


def adopt(engine: Engine, pool: Pool, name: str, labels: Mapping[str, str]) -> ObservedVolume:
    """Make a whole folder of the pool a volume."""
    return engine.create_volume(name, {**labels, IN_POOL: pool.name}, pool.options(name))


def clone(engine: Engine, pool: Pool, image: str, source: str, target: str) -> None:
    """Make a folder in the pool whose files share their blocks with those of a snapshot's folder in it."""
    _check_inside(pool, run_inside(engine, pool, image, CLONE_SCRIPT, (source, target)))


def bring(engine: Engine, pool: Pool, image: str, source: str, target: str) -> None:
    """Copy a snapshot's volume into a folder of the pool, whole or not at all."""
    result = run_inside(engine, pool, image, BRING_SCRIPT, (target,), {source: "/snapshot:ro"})
    _check_inside(pool, result)


def run_inside(
    engine: Engine,
    pool: Pool,
    image: str,
    script: str,
    arguments: tuple[str, ...],
    volumes: Mapping[str, str] | None = None,
) -> ExecResult:
    """Run a script in a container that sees all of the pool; its last argument names the container."""
    request = ContainerRequest(
        name=worker_name(arguments[-1]),
        image=image,
        entrypoint=("sh", "-c"),
        command=(script, "devenv", *arguments),
        volumes={pool.name: ROOT, **(volumes or {})},
        labels={Label.KIND: KIND_WORKER},
        user="0:0",
    )
    engine.remove_container(request.name)
    return engine.run_to_end(request)


def worker_name(volume: str) -> str:
    """The container that makes a volume in a pool."""
    return f"{volume}-pool"


def remove_volumes(engine: Engine, names: Iterable[str]) -> None:
    """Remove volumes, wherever they live; of those in a pool the folder too, once it is no volume any more."""
    wanted = tuple(names)
    known = inhabitants(engine)
    gone = [volume for volume in known if volume.name in wanted]
    for name in wanted:
        engine.remove_volume(name)
    for pool_name in sorted({volume.labels[IN_POOL] for volume in gone}):
        pool = find_pool(engine, pool_name)
        if pool is not None and engine.images([pool.image]):
            _sweep(engine, pool, gone, known)


def _sweep(
    engine: Engine, pool: Pool, gone: Iterable[ObservedVolume], known: Iterable[ObservedVolume]
) -> None:
    """Free what is gone; where the pool is not mounted a later sweep does it."""
    removed = {volume.name for volume in gone}
    environment = {
        "GONE": " ".join(sorted(removed)),
        "KEPT": " ".join(volume.name for volume in known if volume.name not in removed),
    }
    for name in removed:
        engine.remove_container(worker_name(name))
    request = privileged_worker(pool, f"{pool.name}-sweep-{min(removed)}", SWEEP_SCRIPT, {pool.name: ROOT})
    try:
        engine.remove_container(request.name)
        engine.run_to_end(replace(request, environment=environment))
    except OperationError:
        return


def privileged_worker(pool: Pool, name: str, script: str, volumes: Mapping[str, str]) -> ContainerRequest:
    """A container that may mount, and trim what is mounted; it sees the processes of the engine's machine."""
    return ContainerRequest(
        name=name,
        image=pool.image,
        entrypoint=("sh", "-c"),
        command=(script, "devenv"),
        volumes=volumes,
        labels={Label.KIND: KIND_WORKER},
        user="0:0",
        privileged=True,
    )


def _check_inside(pool: Pool, result: ExecResult) -> None:
    if result.exit_status != 0:
        fail(
            f"a volume in the pool {pool.name} could not be made",
            tuple(result.output.strip().splitlines()[-5:]),
        )


def is_full(text: str) -> bool:
    """Whether that is what somebody writes on a full disk."""
    return FULL.search(text) is not None


def name_full(error: DevenvError) -> None:
    """Give an error whose reason is a full disk the code that says so."""
    if is_full("\n".join((error.message, *error.evidence))):
        error.code, error.hint = "disk_full", FULL_HINT


def fail(message: str, evidence: tuple[str, ...]) -> NoReturn:
    """Raise OperationError `disk_full` or `pool_failed`, by what a worker wrote last."""
    full = is_full("\n".join(evidence))
    raise OperationError(
        f"{message}: it is full" if full else message,
        code="disk_full" if full else "pool_failed",
        evidence=evidence,
        hint=FULL_HINT
        if full
        else "devenv works without a pool; mend what the last lines name, or `devenv db pool remove`",
    )
