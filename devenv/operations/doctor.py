"""Examine this machine and this environment: what was seen, and how to mend what is wrong."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil

from devenv.config.document import dotted
from devenv.database.pool import find_pool
from devenv.database.pool_disk import room
from devenv.errors import ConfigError, DevenvError
from devenv.lint import lint
from devenv.model import Label
from devenv.operations.data import DRIVER_VOLUME
from devenv.operations.session import Session, configured_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from devenv.engine.api import Engine
    from devenv.engine.observed import EngineInfo

OK, WARNING, FAILED = "ok", "warning", "failed"
DISK_WANTED = 10 * 2**30
"""The reference images and their build cache take about 4 GB; a seeded database wants room beside it."""
DISK_NEEDED = 2 * 2**30
POOL_WANTED = 0.1
"""The share of a pool that is to be free."""
MEMORY_WANTED = 2 * 2**30
"""The reference environment uses 0.9 GB when idle."""


@dataclass(frozen=True)
class Diagnosis:
    """One check: `verdict` is ok, warning or failed; `fix` is the next command where there is one."""

    name: str
    verdict: str
    text: str
    fix: str | None = None
    where: str | None = None
    """The place in `devenv.yaml` that it is about."""


class Installed(Protocol):
    """Says which versions of engine, Compose and buildx are here."""

    def report(self) -> Mapping[str, str]:
        """Versions by part; raises EngineUnavailableError where one is missing."""


def examine(
    engine: Engine, installed: Callable[[], Installed], open_session: Callable[[], Session]
) -> tuple[Diagnosis, ...]:
    """Every check that can be made here, the machine's first; none of them changes anything."""
    return tuple(_examine(engine, installed, open_session))


def _examine(
    engine: Engine, installed: Callable[[], Installed], open_session: Callable[[], Session]
) -> Iterator[Diagnosis]:
    try:
        info = engine.info()
    except DevenvError as error:
        yield Diagnosis("engine", FAILED, error.message, error.hint)
        return
    yield Diagnosis("engine", OK, f"{info.version} at {info.endpoint}, storage {info.storage_driver}")
    yield from _parts(installed)
    yield _disk(info)
    yield _memory(info)
    yield _pool(engine)
    try:
        session = open_session()
    except ConfigError as error:
        yield Diagnosis("configuration", FAILED, str(error.problems[0]), error.hint)
        return
    yield Diagnosis("configuration", OK, f"devenv.yaml in {session.root}")
    yield from _ports(session)
    yield _ownership(session)
    yield from _health(session, info)


def _parts(installed: Callable[[], Installed]) -> Iterator[Diagnosis]:
    try:
        report = installed().report()
    except DevenvError as error:
        yield Diagnosis("compose and buildx", FAILED, error.message, error.hint)
        return
    yield Diagnosis("compose", OK, report.get("compose", ""))
    yield Diagnosis("buildx", OK, report.get("buildx", ""))


def _disk(info: EngineInfo) -> Diagnosis:
    """Room where the engine keeps its data; unknown where that is on another machine."""
    folder = Path(info.root_directory)
    if not info.root_directory or not folder.exists():
        return Diagnosis("disk", OK, f"the engine's data lie elsewhere: {info.root_directory or 'unknown'}")
    free = shutil.disk_usage(folder).free
    text = f"{free / 2**30:.0f} GB free for the engine's data in {folder}"
    if free < DISK_NEEDED:
        return Diagnosis("disk", FAILED, text, "free some room: `docker system df` shows what Docker holds")
    if free < DISK_WANTED:
        return Diagnosis("disk", WARNING, text, "`docker builder prune` frees the build cache")
    return Diagnosis("disk", OK, text)


def _memory(info: EngineInfo) -> Diagnosis:
    free = psutil.virtual_memory().available
    text = f"{info.memory_bytes / 2**30:.0f} GB for the engine, {free / 2**30:.0f} GB free here, {info.cpus} CPUs"
    if info.memory_bytes < MEMORY_WANTED:
        return Diagnosis("memory", WARNING, text, "give the engine 2 GB or more")
    return Diagnosis("memory", OK, text)


def _pool(engine: Engine) -> Diagnosis:
    """Where branches are made, and how."""
    drivers = {one.name: _driver(one.labels) for one in engine.volumes(f"{Label.KIND}=driver")}
    pool = find_pool(engine)
    if pool is None:
        how = drivers.get(DRIVER_VOLUME)
        text = "none" + (f"; branches are made by {how}" if how else "")
        fix = "`devenv db pool create --size 20G` makes branches share their blocks"
        return Diagnosis("pool", OK, text, None if how is None or how.startswith("reflink") else fix)
    space = room(engine, pool)
    how = drivers.get(pool.driver_volume, "not tried yet")
    if space is None:
        text = f"{pool.name}, {pool.size / 2**30:.0f} GB, is not mounted"
        return Diagnosis("pool", WARNING, text, "`devenv up` or `devenv db pool create` puts it back")
    text = f"{pool.name}, {space.used / 2**30:.1f} of {space.size / 2**30:.1f} GB used, driver {how}"
    if space.free < POOL_WANTED * space.size:
        return Diagnosis("pool", WARNING, text, "`devenv gc` frees what nothing needs")
    return Diagnosis("pool", OK, text)


def _driver(labels: Mapping[str, str]) -> str:
    """How branches are made, and what was found when that was tried."""
    reason = labels.get(Label.REASON)
    return labels.get(Label.DRIVER, "") + (f" ({reason})" if reason else "")


def _ports(session: Session) -> Iterator[Diagnosis]:
    """Every configured port: ours, free, or held by somebody who is named."""
    observed = session.observe()
    try:
        found = session.choose_ports(observed, session.workspace.recall())
    except ConfigError as error:
        yield Diagnosis("bind", FAILED, error.problems[0].text, error.hint, error.where)
        return
    choices = {choice.key: choice for choice in found}
    for key, configured in configured_ports(session.settings, session.shape).items():
        choice = choices[key]
        if choice.moved:
            text = f"{configured} is held by {choice.holder}; published on {choice.port}"
            yield Diagnosis(
                f"port {key}", WARNING, text, f"stop {choice.holder}, or set {key} in devenv.yaml"
            )
        else:
            yield Diagnosis(f"port {key}", OK, f"{configured} on {session.settings.bind}")


def _health(session: Session, info: EngineInfo) -> Iterator[Diagnosis]:
    """Health checks and dependencies that cannot work or waste time, each at its place."""
    memory = session.workspace.recall()
    try:
        project = session.project(configured_ports(session.settings), memory.generation, info)
    except ConfigError as error:
        yield Diagnosis("services", FAILED, str(error.problems[0]), error.hint)
        return
    ended = {one.service for one in session.observe().containers if one.has_ended_well}
    found = lint(project, session.document, ended)
    for advice in found:
        where = str(session.document.written_position_of(advice.path))
        yield Diagnosis(dotted(advice.path), WARNING, f"{where}: {advice.text}", advice.fix, where)
    if not found:
        yield Diagnosis("health checks", OK, "they can work, and waste no time")


def _ownership(session: Session) -> Diagnosis:
    """Files in a mapping that are not the developer's: he cannot edit or delete them."""
    if not hasattr(os, "getuid") or os.getuid() == 0:
        return Diagnosis("file ownership", OK, "not an issue for this user")
    foreign = [path for folder in session.mapped_folders for path in _foreign(folder, os.getuid())]
    if not foreign:
        return Diagnosis("file ownership", OK, "all mapped files are yours")
    shown = ", ".join(os.path.relpath(path, session.root) for path in foreign[:3])
    return Diagnosis(
        "file ownership",
        WARNING,
        f"{len(foreign)} mapped files belong to others: {shown}",
        f"sudo chown -R {os.getuid()}:{os.getgid()} "
        + " ".join(str(folder) for folder in session.mapped_folders),
    )


def _foreign(folder: Path, uid: int) -> Iterator[Path]:
    for path in folder.rglob("*"):
        try:
            if path.lstat().st_uid != uid:
                yield path
        except OSError:
            continue
