"""Load a dump into a fresh branch beside the present data, and switch to it once all of it is in."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.database.builder import (
    Builder,
    StandIn,
    carry_over,
    connections,
    file_folder,
    filling,
    known_names,
    prepare_databases,
)
from devenv.database.dump import Dump, read_dump
from devenv.database.layout import lay_out, target_database
from devenv.database.load import RESOURCE, Loader
from devenv.database.lookahead import Lookahead
from devenv.database.snapshots import SnapshotStore
from devenv.database.source import opened_dump, shown_name
from devenv.errors import DevenvError, RefusedError
from devenv.events import Event, Status
from devenv.model import Label
from devenv.operations.data import empty_snapshot, make_branch, remember_branch
from devenv.operations.generations import next_generation, recover_memory
from devenv.operations.guard import refuse_foreign_server
from devenv.operations.images import obtain
from devenv.operations.leftovers import remove_helpers, without_strays
from devenv.operations.pool import ready_pool
from devenv.operations.present import Discarded, present_data, running_server
from devenv.operations.reset_db import project_on
from devenv.operations.retention import forget_older
from devenv.operations.room import check_room
from devenv.operations.switch import gone_on_error, started_successor, switch
from devenv.project import labels, successor_name
from devenv.render.compose import MARK, specs
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from mmap import mmap

    from devenv.database.builder import Site
    from devenv.engine.observed import EngineInfo, ObservedState
    from devenv.images.obtain import Obtained
    from devenv.model import Project
    from devenv.operations.present import Present
    from devenv.operations.session import Session

ROOM = 3
"""Times the dump's size that an import needs: the plain dump, the tables, and what sorting takes."""
MARKER = "REPLACE INTO devenv.marker VALUES ('import')"


@dataclass(frozen=True)
class Loaded:
    """What became of the dump in the server."""

    databases: tuple[str, ...]
    carried_over: tuple[str, ...]
    changes: Mapping[str, int]
    phases: Mapping[str, float]
    as_files: int


@dataclass(frozen=True)
class ImportResult:
    """What was loaded, what became of it on the way, and what it replaced.

    `as_files` are the bytes of rows that the server read as files, not as statements; `serial` says why it was
    loaded over one connection, None where it was not; `seconds` is all of it, and `phases` where the time went.
    """

    source: str
    bytes: int
    as_files: int
    databases: tuple[str, ...]
    carried_over: tuple[str, ...]
    changes: Mapping[str, int]
    left_out: Mapping[str, int]
    serial: str | None
    connections: int
    volume: str
    driver: str
    discarded: Discarded | None
    seconds: float
    phases: Mapping[str, float]
    running: bool


def db_import(session: Session, source: str, database: str | None) -> ImportResult:
    """Replace the data by a dump's; whatever goes wrong, the data and all else are as they were.

    Other databases of the environment are carried over. The data before are kept for `undo`.
    """
    begun = time.monotonic()
    refuse_foreign_server(session)
    info = session.engine.info()
    session.workspace.prepare()
    with opened_dump(source, session.workspace.folder, Path(), _teller(session)) as script:
        check_room(info.root_directory, ROOM * len(script), "the import")
        try:
            dump = read_dump(script)
            target = target_database(dump, session.settings.database.databases[0], database)
        except DevenvError as error:
            error.where = error.where or shown_name(source)
            raise
        read = time.monotonic() - begun
        with session.workspace.locked(session.events):
            job = _Job.of(session, info, script, dump, shown_name(source), target, database)
            return job.run(begun, read)


@dataclass(frozen=True)
class _Job:
    """One import, with all that was decided before anything is made."""

    session: Session
    info: EngineInfo
    observed: ObservedState
    project: Project
    images: Mapping[str, Obtained]
    script: mmap
    dump: Dump
    shown: str
    target: str
    wanted: str | None

    @classmethod
    def of(  # noqa: PLR0913, PLR0917 - what the caller found out about the dump
        cls,
        session: Session,
        info: EngineInfo,
        script: mmap,
        dump: Dump,
        shown: str,
        target: str,
        wanted: str | None,
    ) -> _Job:
        session.workspace.check_compose_file(MARK)
        remove_helpers(session)
        observed = session.observe()
        memory = recover_memory(session, observed)
        observed = without_strays(session, observed)
        project = project_on(session, info, observed, memory, next_generation(session))
        images = obtain(session, project, memory, {mysql.IMAGE})
        ready_pool(session, observed)
        return cls(session, info, observed, project, images, script, dump, shown, target, wanted)

    def run(self, begun: float, read: float) -> ImportResult:
        """Make the branch, fill it, take it into use."""
        session, memory = self.session, self.session.workspace.recall()
        text = session.render(self.project, self.images, self.info)
        if not session.workspace.compose_file.exists():
            session.workspace.write_compose_file(text, MARK)
        self._refuse_loss()
        # Asking the present server takes as long as making the branch: both at once.
        present = ThreadPoolExecutor(1).submit(present_data, session, self.observed, memory)
        store = SnapshotStore(session.engine, self.images["database"].reference)
        made = time.monotonic()
        empty = empty_snapshot(session, store, self.project, self.images)
        choice = make_branch(session, store, self.project, empty)
        phases = {"read": read, "branch": time.monotonic() - made}
        site = self._site(text)
        loaded = self._fill(site, present)
        volume = self.project.volume(mysql.VOLUME)
        switched = time.monotonic()
        generation = int(volume.labels[Label.GENERATION])
        remember = partial(remember_branch, session, generation, empty.key, text)
        copied = gone_on_error(session, site.name) if isinstance(site, StandIn) else None
        image = self.images[mysql.IMAGE]
        with copied or started_successor(session, self.observed, self.project, image) as successor:
            is_running = switch(session, self.observed, self.project, successor, remember)
        phases |= {**loaded.phases, "switch": time.monotonic() - switched}
        seconds = time.monotonic() - begun
        forget_older(session, self.observed)
        return ImportResult(
            source=self.shown,
            bytes=len(self.script),
            as_files=loaded.as_files,
            databases=loaded.databases,
            carried_over=loaded.carried_over,
            changes=loaded.changes,
            left_out=dict(self.dump.left_out),
            serial=self.dump.serial,
            connections=1 if self.dump.serial else connections(self.info),
            volume=volume.name,
            driver=choice.driver.name,
            discarded=present.result().discarded,
            seconds=round(seconds, 2),
            phases={name: round(value, 2) for name, value in phases.items()},
            running=is_running,
        )

    def _fill(self, site: Site, present: Future[Present]) -> Loaded:
        engine, events = self.session.engine, self.session.events
        started = time.monotonic()
        parallel = 1 if self.dump.serial else connections(self.info)
        with Lookahead(self.script, self.dump) as lookahead, filling(engine, site, parallel + 1) as branch:
            phases = {"start": time.monotonic() - started}
            try:
                layout = lay_out(self.script, self.dump, known_names(branch), self.target, self.wanted)
            except DevenvError as error:
                error.where = f"{self.shown}:{error.detail.get('line', 1)}"
                raise
            prepare_databases(branch, layout.databases, layout.missing)
            loader = Loader(branch.clients, lookahead, self.shown, parallel, events)
            loader.load(layout, file_folder(branch))
            phases |= loader.seconds
            carried = tuple(name for name in present.result().databases if name not in layout.databases)
            source = running_server(self.session, self.observed)
            if carried and source is not None:
                events.emit(Event(RESOURCE, Status.WORKING, f"carrying over {', '.join(carried)}"))
                carry_over(source, branch, carried)
            branch.ask(MARKER, "take its mark")
            events.emit(Event(RESOURCE, Status.WORKING, "writing everything out"))
            writing = time.monotonic()
        phases["write out"] = time.monotonic() - writing
        events.emit(Event(RESOURCE, Status.DONE, f"{len(self.script) / 1e6:.1f} MB loaded"))
        return Loaded(layout.databases, carried, layout.changes, phases, loader.progress.as_files)

    def _site(self, compose_text: str) -> Site:
        """A copy of the database's container, if that is what the settings ask for; else one of its own."""
        settings, image = self.session.settings, self.images["database"]
        name, volume = successor_name(self.project.name), self.project.volume(mysql.VOLUME).name
        current = self.observed.running(mysql.NAME)
        wanted = (specs(compose_text)[mysql.NAME], image.id)
        if current is not None and (current.spec, current.image_id) == wanted:
            replaced = current.volumes[mysql.DATA_DIRECTORY]
            return StandIn(name, volume, current.id, replaced, settings.database.root_password)
        return Builder(
            name=name,
            image=image.reference,
            volume=volume,
            flags=mysql.server_flags(settings),
            environment=self.project.service(mysql.NAME).environment,
            labels=labels(self.session.identity, "database-build"),
            root_password=settings.database.root_password,
        )

    def _refuse_loss(self) -> None:
        imported = {self.target, *self.dump.databases}
        listed = [name for name in self.session.settings.database.databases if name not in imported]
        if (
            listed
            and self.session.workspace.recall().generation
            and self.observed.running(mysql.NAME) is None
        ):
            raise RefusedError(
                f"{', '.join(listed)} would be lost: the database has to run for them to be carried over",
                hint="start it with `devenv up databasemaster`, then import again",
            )


def _teller(session: Session) -> Callable[[str], None]:
    return lambda text: session.events.emit(Event(RESOURCE, Status.WORKING, "reading the dump", text))
