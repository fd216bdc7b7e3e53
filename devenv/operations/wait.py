"""Start what is to run in the order of its dependencies, and end as soon as the answer is known."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.diagnosis import (
    ENDED,
    LOG_LINES,
    Consequence,
    Sightings,
    Verdict,
    consequences,
    is_done,
    never_started,
    no_container,
    root_of,
    service_failed,
)
from devenv.engine.api import last_words
from devenv.engine.observed import ObservedState
from devenv.events import Event, EventSink, Phase, Status
from devenv.model import Condition, Service
from devenv.operations.alert import Alert, Patience
from devenv.operations.answers import believed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from devenv.engine.api import Engine
    from devenv.engine.observed import ObservedContainer
    from devenv.errors import ServiceFailedError
    from devenv.operations.alert import Companion

DEFAULT_TIMEOUT = 180.0
"""Seconds for all of it."""
STANDS_SECONDS = 1.0
REASON_SECONDS = 0.3
"""After a death, until the engine has noted that it was for want of memory: its event may come after that of the death."""


@dataclass
class Ascent:
    """One start of some services: what was started, what was said."""

    engine: Engine
    observe: Callable[[], ObservedState]
    services: Sequence[Service]
    events: EventSink
    timeout: float
    _started: dict[str, ObservedState] = field(default_factory=dict)
    """The reading in which each container was when it was started here, by id: what that says of it is over."""
    _starting: set[str] = field(default_factory=set)
    _companion: Companion = field(init=False)
    _said: dict[str, str] = field(default_factory=dict)
    _sightings: Sightings = field(default_factory=Sightings)
    _running: dict[tuple[str, int], float] = field(default_factory=dict)
    """Since when a container is seen running, by its id and the number of its restarts."""

    def run(self) -> ObservedState:
        """Return once every service is healthy; raises ServiceFailedError for the first that fails.

        A container is started once its service's dependencies are as they should be. One that was
        started here and ends, or that turns unhealthy, ends the wait at once.
        """
        with self.engine.watch() as news:
            self._companion = Patience(self.engine) if news is None else Alert(self.engine, news)
            try:
                return self._run(time.monotonic())
            finally:
                self._companion.close()

    def _run(self, begun: float) -> ObservedState:
        last = ObservedState()
        while True:
            for identity in self._companion.started():
                self._started[identity] = last
            observed = last = self._look()
            for service in self.services:
                self._advance(service, observed)
            if all(self._is_up(service, observed) for service in self.services):
                return observed
            if time.monotonic() - begun > self.timeout:
                raise self._timed_out(observed)
            self._companion.wait()

    def _look(self) -> ObservedState:
        """What the engine has, where an answer from outside counts before its own probe says so."""
        return believed(self.observe(), self.services, self._companion.has_answered, self._starting)

    def _advance(self, service: Service, observed: ObservedState) -> None:
        """Start what may start now; raise for what has failed; say what is new."""
        waiting_for = self._unmet(service, observed)
        for container in observed.of(service.name):
            if container.state in {"created", *ENDED} and container.id not in self._started:
                done = self._has_completed(service, container, observed)
                if not waiting_for and not done and container.id not in self._starting:
                    self._starting.add(container.id)
                    self._say(service.name, Status.WORKING, "starting", Phase.START)
                    self._companion.start(container.id)
                continue
            self._raise_if_failed(service, container, observed)
        if waiting_for:
            self._say(service.name, Status.WORKING, f"waiting for {', '.join(waiting_for)}")
        elif self._is_up(service, observed):
            done = all(self._has_completed(service, one, observed) for one in observed.of(service.name))
            word = "healthy" if service.healthcheck else "done" if done and service.replicas else "running"
            self._say(service.name, Status.DONE, word)
        else:
            self._say(service.name, Status.WORKING, "starting", Phase.START)

    def _say(self, resource: str, status: Status, text: str, phase: Phase | None = None) -> None:
        if self._said.get(resource) != text:
            self._said[resource] = text
            self.events.emit(Event(resource, status, text, phase=phase))

    def _raise_if_failed(
        self, service: Service, container: ObservedContainer, observed: ObservedState
    ) -> None:
        if self._verdict(service, container, observed) is not None:
            raise self._diagnosed(self._once_more(container, observed))

    def _once_more(self, container: ObservedContainer, observed: ObservedState) -> ObservedState:
        """A later reading where a container was just killed: the engine notes a moment after its death why it was."""
        if not container.is_killed or container.oom_killed:
            return observed
        time.sleep(REASON_SECONDS)
        later = self._look()
        ended = {one.id for one in later.of(container.service) if one.state in ENDED}
        return later if container.id in ended else observed

    def _ran(self, container: ObservedContainer, observed: ObservedState) -> bool:
        """Whether it was started here, and before this reading."""
        return self._started.get(container.id, observed) is not observed

    def _verdict(
        self, service: Service, container: ObservedContainer, observed: ObservedState
    ) -> Verdict | None:
        """What is wrong with a container that runs, or that was started here."""
        ran = self._ran(container, observed)
        if container.state in {"created", *ENDED} and not ran:
            return None
        self._sightings.see(container, started_here=ran)
        return self._sightings.verdict(service, container, started_here=ran)

    def _has_completed(self, service: Service, container: ObservedContainer, observed: ObservedState) -> bool:
        """A user's one-shot service (a migration, an asset build) is done when it exited 0."""
        return is_done(service, container, ran_now=self._ran(container, observed))

    def _is_up(self, service: Service, observed: ObservedState) -> bool:
        containers = observed.of(service.name)
        return len(containers) >= service.replicas and all(
            self._has_completed(service, one, observed)
            or (one.is_healthy and not service.job and self._stands(one))
            for one in containers
        )

    def _stands(self, container: ObservedContainer) -> bool:
        """Whether one without a health check has run long enough to be believed: many die in their first moments."""
        if container.health is not None or container.id not in self._starting:
            return True
        run = (container.id, container.restarts)
        since = self._running.setdefault(run, time.monotonic())
        return time.monotonic() - since >= STANDS_SECONDS

    def _diagnosed(self, observed: ObservedState) -> ServiceFailedError:
        """The error for what is seen now: the root of it, and what became of the services that depend on it."""
        wrong = {
            service.name: (container, verdict)
            for service in reversed(self.services)
            for container in reversed(observed.of(service.name))
            if (verdict := self._verdict(service, container, observed)) is not None
        }
        root = root_of(wrong, self.services)
        container, verdict = wrong[root]
        others = {name: found for name, (_, found) in wrong.items()}
        return self._failed(container, verdict, consequences(root, others, self.services, observed))

    def _failed(
        self, container: ObservedContainer, verdict: Verdict, others: Sequence[Consequence] = ()
    ) -> ServiceFailedError:
        self.events.emit(Event(container.service, Status.FAILED, verdict.reason))
        log = last_words(self.engine, container.id, LOG_LINES)
        return service_failed(container, verdict, log, others, self._sightings.restarts(container))

    def _timed_out(self, observed: ObservedState) -> ServiceFailedError:
        """Name the first service that is not up though all that it waits for is, with what its probe last said."""
        late = [service for service in self.services if not self._is_up(service, observed)]
        root = root_of([service.name for service in late], self.services)
        service = next(service for service in late if service.name == root)
        containers = observed.of(root)
        missing = self._unmet(service, observed)
        if not containers:
            return no_container(service, self.timeout)
        if missing and not any(one.is_running for one in containers):
            return never_started(service, missing, self.timeout)
        container = next((one for one in containers if not one.is_healthy), containers[0])
        what = "has not ended" if service.job else "is not healthy"
        verdict = Verdict("timeout", f"{what} after {self.timeout:g} s")
        return self._failed(container, verdict, consequences(root, {}, self.services, observed))

    def _unmet(self, service: Service, observed: ObservedState) -> dict[str, Condition]:
        """Those of its dependencies among the services that are not as it wants them."""
        known = {other.name: other for other in self.services}
        return {
            name: condition
            for name, condition in service.depends_on.items()
            if name in known and not self._meets(known[name], condition, observed)
        }

    def _meets(self, service: Service, condition: Condition, observed: ObservedState) -> bool:
        containers = observed.of(service.name)
        if condition is Condition.COMPLETED:
            return bool(containers) and all(one.has_ended_well for one in containers)
        if condition is Condition.HEALTHY:
            return bool(containers) and all(one.is_healthy for one in containers)
        return all(one.is_running or self._has_completed(service, one, observed) for one in containers)
