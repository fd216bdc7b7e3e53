"""One command at a time replaces an environment's data: what each of them begins with."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.operations.generations import recover_memory
from devenv.operations.guard import refuse_foreign_server
from devenv.operations.leftovers import remove_helpers, without_strays
from devenv.render.compose import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.engine.observed import EngineInfo, ObservedState
    from devenv.environments.workspace import Memory
    from devenv.operations.session import Session


@dataclass(frozen=True)
class Turn:
    """What is known when the command's turn has come."""

    info: EngineInfo
    observed: ObservedState
    memory: Memory


@contextmanager
def exclusive(session: Session) -> Iterator[Turn]:
    """The environment's lock, and its state read under it; what a killed command left is gone.

    Raises RefusedError where the backend's database is a server elsewhere, or the Compose file not ours.
    """
    refuse_foreign_server(session)
    info = session.engine.info()
    session.workspace.prepare()
    with session.workspace.locked(session.events):
        session.workspace.check_compose_file(MARK)
        remove_helpers(session)
        observed = session.observe()
        memory = recover_memory(session, observed)
        yield Turn(info, without_strays(session, observed), memory)
