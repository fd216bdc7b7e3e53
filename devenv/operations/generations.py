"""Which of the numbered data an environment has, and which number the next will have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.database.snapshots import Key
from devenv.environments.workspace import Former
from devenv.model import Label
from devenv.project import database_volume
from devenv.services import mysql

if TYPE_CHECKING:
    from devenv.engine.observed import ObservedContainer, ObservedState
    from devenv.environments.workspace import Memory
    from devenv.operations.session import Session


def recover_memory(session: Session, observed: ObservedState) -> Memory:
    """The memory; where it was lost, what the engine tells of it, remembered from now on.

    In use are the data that the database's container was made for. All others are kept for `undo`, the highest
    number first: which of them were whole, and which was the last in use, nobody knows, so none is built over, and
    none goes but by `gc`.
    """
    memory = session.workspace.recall()
    generation = memory.generation or generation_in_use(session, observed)
    if session.workspace.has_memory():
        return (
            memory if generation == memory.generation else session.workspace.remember(generation=generation)
        )
    spare = generation_of(session, observed.spare) if observed.spare is not None else 0
    keys = {
        int(volume.labels[Label.GENERATION]): volume.labels.get(Key.KEY, "")
        for volume in observed.volumes
        if volume.labels.get(Label.KIND) == mysql.VOLUME and volume.labels.get(Label.GENERATION, "").isdigit()
    }
    former = tuple(
        Former(one, keys[one]) for one in sorted(keys, reverse=True) if one not in {generation, spare}
    )
    if not generation and not former:
        return memory
    return session.workspace.remember(
        generation=generation,
        snapshot=keys.get(generation, ""),
        former=former,
        recovered=tuple(one.generation for one in former),
        spare=spare,
    )


def generation_in_use(session: Session, observed: ObservedState) -> int:
    """The generation of the data that the database's container was made for, 0 where there is none."""
    found = (generation_of(session, container) for container in observed.of(mysql.NAME))
    return next((generation for generation in found if generation), 0)


def generation_of(session: Session, container: ObservedContainer) -> int:
    """The generation of the data that a container is on, 0 where they are none of the environment's."""
    volume = container.volumes.get(mysql.DATA_DIRECTORY, "")
    tail = volume.rpartition("_")[2]
    is_own = volume == database_volume(session.identity.project, int(tail)) if tail.isdigit() else False
    return int(tail) if is_own else 0


def next_generation(session: Session) -> int:
    """The number of the data to come, by a memory that is whole (`recover_memory`).

    A volume of a higher number than it knows was never completed, and is built over.
    """
    memory = session.workspace.recall()
    return max([memory.generation, memory.spare, *(one.generation for one in memory.former)]) + 1
