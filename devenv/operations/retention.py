"""How much of the former data is kept for `undo`: so many of them, and so many bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.database.branches import remove_branch
from devenv.database.garbage import Budget, beyond
from devenv.errors import DevenvError
from devenv.events import Event, Status
from devenv.project import database_volume

if TYPE_CHECKING:
    from devenv.engine.observed import ObservedState
    from devenv.environments.workspace import Former, Memory
    from devenv.operations.session import Session


def budget_of(session: Session) -> Budget:
    """What the settings keep."""
    undo = session.settings.database.undo
    return Budget(undo.keep, undo.size)


def forget_older(session: Session, observed: ObservedState) -> None:
    """Remove the oldest of the branches kept for `undo` for which the budget has no room; `observed` before that.

    Never the last one, nor those that were found when the memory was lost, nor any that the memory does not know:
    they are for `gc`, which asks. (An unknown one of the number that comes next was never completed, and is built
    over.)
    """
    memory, budget = session.workspace.recall(), budget_of(session)
    several = {one.generation for one in memory.former[budget.keep :]}
    if any(one.generation not in several for one in _old(memory, budget, unknown=budget.size + 1)):
        memory = _looked_at(session, observed, memory, budget.keep)
    gone = [
        one
        for one, reason in _old(memory, budget, unknown=0).items()
        # That there are no more of them than so many is nothing to tell at each reset.
        if _removed(session, one, "" if one.generation in several else reason)
    ]
    if gone:
        session.workspace.remember(former=tuple(one for one in memory.former if one not in gone))


def _removed(session: Session, one: Former, reason: str) -> bool:
    """Whether it is gone; what somebody else uses stays until the next time, as what was done before stands."""
    volume = database_volume(session.identity.project, one.generation)
    try:
        remove_branch(session.engine, volume)
    except DevenvError as error:
        session.events.emit(Event(volume, Status.WARNING, f"stays: {error.message}"))
        return False
    if reason:
        session.events.emit(Event(volume, Status.DONE, f"removed: kept for undo, {reason}"))
    return True


def _old(memory: Memory, budget: Budget, unknown: int) -> dict[Former, str]:
    """What has to go and may, and why; `unknown` are the bytes of those at which nobody has looked."""
    reasons = beyond([unknown if one.at_most is None else one.at_most for one in memory.former], budget)
    return {
        one: reason
        for one, reason in zip(memory.former[1:], reasons[1:], strict=True)
        if reason is not None and one.generation not in memory.recovered
    }


def _looked_at(session: Session, observed: ObservedState, memory: Memory, keep: int) -> Memory:
    """With what the first `keep` take for certain, which is remembered as it changes no more; None for what nobody could look at.

    To look takes a third of a second. So nobody does while what the servers' files took in all, just before they were
    put aside, is known and within the budget: of its own a branch has no more.
    """
    from devenv.operations.sizes import measure_volumes  # noqa: PLC0415 - a reset seldom needs it

    kept, rest = memory.former[:keep], memory.former[keep:]
    names = [database_volume(session.identity.project, one.generation) for one in kept]
    there = {volume.name for volume in observed.volumes}
    try:
        sizes = measure_volumes(session, observed, [name for name in names if name in there])
    except DevenvError as error:  # what was done before stands
        sizes = {}
        text = f"it is not known how much the data kept for it take: {error.message}"
        session.events.emit(Event("undo", Status.WARNING, text))
    found = [
        replace(one, at_most=sizes.get(name) if name in there else 0)
        for one, name in zip(kept, names, strict=True)
    ]
    return session.workspace.remember(former=(*found, *rest))
