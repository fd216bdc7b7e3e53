"""The database's data: seed a new volume, and replace the present data by it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.database.build import DataRequest, build_data
from devenv.events import Event, Status
from devenv.project import labels
from devenv.render.compose import network_labels, volume_labels
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.database.seed import SeedStep
    from devenv.images.obtain import Obtained
    from devenv.model import Project
    from devenv.operations.session import Session


@dataclass(frozen=True)
class Seeded:
    """A volume that was filled: its generation is the environment's now."""

    volume: str
    steps: tuple[SeedStep, ...]
    key: str
    seconds: float


def seed_volume(session: Session, project: Project, images: Mapping[str, Obtained]) -> Seeded:
    """Build the project's database volume from the seed, and remember it as the current data.

    The memory is the point of no return: until then the environment has the data it had before.
    """
    begun = time.monotonic()
    volume = next(volume for volume in project.volumes if volume.key == "database")
    steps = session.seed_steps()
    key = session.seed_key(steps, images["database"].id)
    service = project.service(mysql.NAME)
    request = DataRequest(
        project=project.name,
        volume=volume.name,
        volume_labels=volume_labels(project, volume),
        labels=labels(session.identity, "database-build"),
        network=f"{project.name}_default",
        network_labels=network_labels(project),
        image=images["database"].reference,
        data_directory=mysql.DATA_DIRECTORY,
        flags=mysql.server_flags(session.settings),
        environment=service.environment,
        root_password=session.settings.database.root_password,
        databases=session.settings.database.databases,
        steps=steps,
        key=key,
        compose_file=session.workspace.compose_file,
    )
    build_data(session.engine, request, session.events)
    generation = int(volume.labels["devenv.generation"])
    session.workspace.remember(generation=generation, seed_key=key)
    seconds = time.monotonic() - begun
    session.events.emit(Event("database", Status.DONE, f"seeded in {seconds:.1f} s"))
    return Seeded(volume.name, steps, key, seconds)
