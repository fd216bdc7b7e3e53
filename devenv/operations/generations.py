"""Which of the numbered data an environment has, and which number the next will have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.model import Label
from devenv.services import mysql

if TYPE_CHECKING:
    from devenv.engine.observed import ObservedState
    from devenv.environments.workspace import Memory
    from devenv.operations.session import Session


def recover_generation(session: Session, observed: ObservedState) -> Memory:
    """The memory; where it was lost, the data that the database's container was made for, from now on."""
    memory = session.workspace.recall()
    generation = memory.generation or generation_in_use(session, observed)
    return memory if generation == memory.generation else session.workspace.remember(generation=generation)


def generation_in_use(session: Session, observed: ObservedState) -> int:
    """The generation of the data that the database's container was made for, 0 where there is none."""
    for container in observed.of(mysql.NAME):
        volume = container.volumes.get(mysql.DATA_DIRECTORY, "")
        tail = volume.rpartition("_")[2]
        if volume.startswith(f"{session.identity.project}_database_") and tail.isdigit():
            return int(tail)
    return 0


def next_generation(session: Session, observed: ObservedState) -> int:
    """The number of the data to come.

    Where the memory is whole, a volume of a higher number than it knows was never completed, and is
    built over. Where it was lost, no number is taken that any volume has: those data may be whole.
    """
    memory = session.workspace.recall()
    if session.workspace.has_memory():
        return max([memory.generation, memory.spare, *(generation for generation, _ in memory.former)]) + 1
    known = [int(volume.labels.get(Label.GENERATION, 0)) for volume in observed.volumes]
    return max(known, default=0) + 1
