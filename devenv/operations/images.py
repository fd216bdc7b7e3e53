"""The images that an operation needs, fetched or built where they are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.database.seed import RunCommand
from devenv.images.obtain import Obtained, obtain_all, resolve_all
from devenv.images.resolve import Source
from devenv.operations.failures import explained
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from devenv.environments.workspace import Memory
    from devenv.model import Project, Service
    from devenv.operations.session import Session


def seed_services(session: Session, project: Project) -> tuple[Service, ...]:
    """The services in which the seed runs commands; of several pods' the first pod's."""
    names = {step.service: None for step in session.seed_steps() if isinstance(step, RunCommand)}
    return tuple(project.named(name)[0] for name in names)


def seed_images(session: Session, project: Project) -> set[str]:
    """The images that making the seed's data takes: the database's, and those of services that run commands."""
    return {mysql.IMAGE, *(service.image for service in seed_services(session, project))}


def obtain(
    session: Session,
    project: Project,
    memory: Memory,
    wanted: Collection[str] | None = None,
    *,
    rebuild: bool = False,
    arrived: Callable[[Obtained], None] | None = None,
) -> Mapping[str, Obtained]:
    """The wanted images of the project (None means all), fetched or built where they are missing.

    The others are named as they would be used, but need not be on the machine. `arrived` is told of each
    that came, while others still come.
    """
    keys = project.images.keys() if wanted is None else wanted
    order = session.image_order(project, memory, rebuild=keys if rebuild else ())
    resolutions = resolve_all(session.engine, order)
    needed = [one for one in resolutions if one.key in keys]
    images = {
        one.key: Obtained(one.key, one.reference, one.source or Source.PRESENT, "") for one in resolutions
    }
    with explained(session, project):
        images |= obtain_all(session.engine, order, needed, session.bootstrap, session.events, arrived)
    pulled = {*memory.pulled, *(one.reference for one in images.values() if one.source is Source.PULLED)}
    if pulled != set(memory.pulled):
        session.workspace.remember(pulled=tuple(sorted(pulled)))
    return images
