"""Why services do not come up, told from what is observed: pure, and the one place that words it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devenv.causes import likely_cause
from devenv.errors import ServiceFailedError
from devenv.model import Condition, needed_by

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from devenv.engine.observed import ObservedContainer, ObservedState
    from devenv.model import Service

LOG_LINES = 20
PROBE_LINES = 5
LOOP_RESTARTS = 3
"""So many restarts within one wait are a loop: what fails four times in a row fails the fifth time too."""
ENDED = frozenset({"exited", "dead"})


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a service: `code` is stable, `reason` is worded to stand behind its name."""

    code: str
    reason: str


STARVED = Verdict("service_oom_killed", "was killed: it used more memory than it may")
MAYBE_STARVED = Verdict("service_oom_killed", "was killed, most likely for want of memory")
"""By a limit of its own and the way it ended: on a busy machine the engine misses one in forty."""


@dataclass(frozen=True)
class Consequence:
    """What another service's failure did to this one."""

    service: str
    code: str
    text: str


@dataclass
class Sightings:
    """What one wait saw of each container: how often it was restarted meanwhile, and whether memory was the cause."""

    _first: dict[str, int] = field(default_factory=dict)
    _restarts: dict[str, int] = field(default_factory=dict)
    _starved: set[str] = field(default_factory=set)

    def see(self, container: ObservedContainer, *, started_here: bool) -> None:
        """Take note. A start by hand begins the engine's count anew; one that is found restarting loops already."""
        fresh = started_here or container.state == "restarting"
        first = self._first.setdefault(container.id, 0 if fresh else container.restarts)
        self._restarts[container.id] = max(container.restarts - first, 0)
        if container.oom_killed:
            self._starved.add(container.id)

    def restarts(self, container: ObservedContainer) -> int:
        """How often it was restarted since it was first seen."""
        return self._restarts.get(container.id, 0)

    def verdict(
        self, service: Service, container: ObservedContainer, *, started_here: bool
    ) -> Verdict | None:
        """What is wrong with it; None as long as it may still come up.

        A service of ours that was just started has no reason to end even once: what it needs is there.
        One of the user's may rely on being restarted, and is given some tries.
        """
        if container.state in ENDED:
            return None if is_done(service, container, ran_now=started_here) else self._ended(container)
        restarts = self.restarts(container)
        if restarts and started_here and service.raw is None and container.state == "restarting":
            return self._ended(container)
        if restarts >= LOOP_RESTARTS:
            ended = self._ended(container)
            if ended in {STARVED, MAYBE_STARVED}:
                return ended
            status = f", last with status {container.exit_status}" if container.exit_status else ""
            return Verdict(
                "service_crash_loop", f"ends again and again: {restarts} restarts in this wait{status}"
            )
        return _at_present(container)

    def _ended(self, container: ObservedContainer) -> Verdict:
        if container.oom_killed or container.id in self._starved:
            return STARVED
        if container.is_killed and container.memory_limit:
            return MAYBE_STARVED
        return Verdict("service_exited", f"exited with status {container.exit_status}")


def _at_present(container: ObservedContainer) -> Verdict | None:
    if container.state == "paused":
        return Verdict("service_paused", "is paused")
    return Verdict("service_unhealthy", "is unhealthy") if container.is_unhealthy else None


def is_done(service: Service, container: ObservedContainer, *, ran_now: bool) -> bool:
    """Whether it is a job that has ended well.

    A service that is no job by its definition counts as one where it ran just now: nobody stopped it.
    """
    return service.raw is not None and container.has_ended_well and (service.job or ran_now)


def root_of(failed: Collection[str], services: Sequence[Service]) -> str:
    """Of the services that failed the one that does not depend on another of them, in the project's order."""
    needs = {service.name: needed_by(service.name, services) for service in services}
    ordered = [service.name for service in services if service.name in failed]
    return next((name for name in ordered if not needs[name] & set(failed)), ordered[0])


def consequences(
    root: str, verdicts: Mapping[str, Verdict], services: Sequence[Service], observed: ObservedState
) -> tuple[Consequence, ...]:
    """What became of the others: failed as well, or not started because what they wait for failed."""
    found = []
    for service in services:
        depends = root in needed_by(service.name, services)
        if service.name == root:
            continue
        if service.name in verdicts:
            verdict = verdicts[service.name]
            also = f", it depends on {root}" if depends else " as well"
            found.append(Consequence(service.name, verdict.code, f"{verdict.reason}{also}"))
        elif depends and not any(one.is_running for one in observed.of(service.name)):
            found.append(
                Consequence(service.name, "dependency_failed", f"was not started: it depends on {root}")
            )
    return tuple(found)


def service_failed(
    container: ObservedContainer,
    verdict: Verdict,
    log: Sequence[str],
    others: Sequence[Consequence] = (),
    restarts: int = 0,
) -> ServiceFailedError:
    """The error that says what failed, the likely cause, the evidence, the consequences and the next command."""
    probe = container.probe
    probed = probe.output.splitlines() if probe is not None else []
    cause = likely_cause([container.error, *log], probed)
    hint = f"read on with `devenv logs {container.service}`"
    if cause is not None:
        hint = cause.hint
    elif verdict == MAYBE_STARVED:
        hint = f"give {container.service} more memory (`mem_limit`), unless somebody killed it; {hint}"
    elif verdict == STARVED:
        hint = f"give {container.service} more memory (`mem_limit`), or the engine; `devenv doctor` shows what it has"
    elif verdict.code == "service_paused":
        hint = f"`docker unpause {container.name}` lets it go on"
    elif container.is_killed:
        hint = f"somebody killed it, or the machine ran out of memory; {hint}"
    return ServiceFailedError(
        f"{container.service} {verdict.reason}",
        code=(cause and cause.code) or verdict.code,
        hint=f"{hint}; after mending the cause, `devenv up` goes on",
        detail={
            "service": container.service,
            "container": container.name,
            "exit_status": container.exit_status,
            "restarts": restarts,
            "cause": None if cause is None else cause.text,
            "probe": None if probe is None else {"exit_status": probe.exit_status, "output": probe.output},
            "log": list(log),
            "consequences": [_plain(one) for one in others],
        },
        evidence=(
            *((f"likely cause: {cause.text}",) if cause is not None else ()),
            *((f"engine: {container.error}",) if container.error else ()),
            *_memory_lines(container, verdict),
            *_probe_lines(container),
            *(f"log: {line}" for line in log),
            *(f"therefore: {one.service} {one.text}" for one in others),
        ),
    )


def never_started(
    service: Service, waiting_for: Mapping[str, Condition], seconds: float
) -> ServiceFailedError:
    """The error for a service whose dependencies were not as it wants them when the time was up."""
    words = {
        Condition.COMPLETED: "to end with status 0",
        Condition.HEALTHY: "to be healthy",
        Condition.STARTED: "to run",
    }
    waits = " and ".join(f"for {name} {words[condition]}" for name, condition in waiting_for.items())
    names = " ".join(waiting_for)
    return ServiceFailedError(
        f"{service.name} was not started within {seconds:g} s: it waits {waits}",
        code="timeout",
        hint=f"look at `devenv logs {names}`, or correct the condition in `depends_on` of {service.name}",
        detail={
            "service": service.name,
            "waiting_for": {name: str(one) for name, one in waiting_for.items()},
        },
    )


def no_container(service: Service, seconds: float) -> ServiceFailedError:
    """The error for a service that something else took away meanwhile."""
    return ServiceFailedError(
        f"{service.name} has no container after {seconds:g} s",
        code="timeout",
        hint="run `devenv up` again",
        detail={"service": service.name},
    )


def _plain(one: Consequence) -> dict[str, Any]:
    return {"service": one.service, "code": one.code, "text": one.text}


def _memory_lines(container: ObservedContainer, verdict: Verdict) -> tuple[str, ...]:
    ended = f"out of memory, exit status {container.exit_status}"
    if verdict == MAYBE_STARVED:
        limit = f"{container.memory_limit / 2**20:.0f} MB"
        return (f"most likely {ended}: it may use {limit}, and nothing says who killed it",)
    return (f"engine: {ended}",) if verdict == STARVED else ()


def _probe_lines(container: ObservedContainer) -> tuple[str, ...]:
    probe = container.probe
    if probe is None:
        return ()
    words = _telling(probe.output) or ["(it printed nothing)"]
    return (f"last probe: exit status {probe.exit_status}", *(f"probe: {line}" for line in words))


def _telling(output: str) -> list[str]:
    """The last lines of a probe's output that tell a person something: an error page's markup does not."""
    lines = [line for line in output.splitlines() if line.strip()]
    words = [line for line in lines if not line.lstrip().startswith("<")]
    return (words or lines)[-PROBE_LINES:]
