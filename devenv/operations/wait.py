"""Start what is to run in the order of its dependencies, and end as soon as the answer is known."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.errors import ServiceFailedError
from devenv.events import Event, EventSink, Status
from devenv.model import Condition, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from devenv.engine.api import Engine
    from devenv.engine.observed import ObservedContainer, ObservedState

POLL_SECONDS = 0.1
LOG_LINES = 20
PROBE_LINES = 5
ENDED = frozenset({"exited", "dead"})


@dataclass
class Ascent:
    """One start of some services: what was started, what was said."""

    engine: Engine
    observe: Callable[[], ObservedState]
    services: Sequence[Service]
    events: EventSink
    timeout: float
    _started: set[str] = field(default_factory=set)
    _said: dict[str, str] = field(default_factory=dict)

    def run(self) -> ObservedState:
        """Return once every service is healthy; raises ServiceFailedError for the first that fails.

        A container is started once its service's dependencies are as they should be. One that was
        started here and ends, or that turns unhealthy, ends the wait at once.
        """
        begun = time.monotonic()
        while True:
            observed = self.observe()
            for service in self.services:
                self._advance(service, observed)
            if all(self._is_up(service, observed) for service in self.services):
                return observed
            if time.monotonic() - begun > self.timeout:
                raise self._timed_out(observed)
            time.sleep(POLL_SECONDS)

    def _advance(self, service: Service, observed: ObservedState) -> None:
        """Start what may start now; raise for what has failed; say what is new."""
        waiting_for = [
            name
            for name, condition in service.depends_on.items()
            if name in {other.name for other in self.services} and not _meets(name, condition, observed)
        ]
        for container in observed.of(service.name):
            if container.state in {"created", *ENDED} and container.id not in self._started:
                if not waiting_for and not self._has_completed(service, container):
                    self.engine.start_container(container.id)
                    self._started.add(container.id)
                continue
            self._raise_if_failed(service, container)
        if waiting_for:
            self._say(service.name, Status.WORKING, f"waiting for {', '.join(waiting_for)}")
        elif self._is_up(service, observed):
            self._say(service.name, Status.DONE, "healthy" if service.healthcheck else "running")
        else:
            self._say(service.name, Status.WORKING, "starting")

    def _say(self, resource: str, status: Status, text: str) -> None:
        if self._said.get(resource) != text:
            self._said[resource] = text
            self.events.emit(Event(resource, status, text))

    def _raise_if_failed(self, service: Service, container: ObservedContainer) -> None:
        if container.state in ENDED and not self._has_completed(service, container):
            reason = f"exited with status {container.exit_status}"
            if container.oom_killed:
                reason = "was killed: it used more memory than it may"
            code = "service_oom_killed" if container.oom_killed else "service_exited"
            raise self._failed(container, reason, code)
        if container.health == "unhealthy":
            raise self._failed(container, "is unhealthy", "service_unhealthy")

    def _has_completed(self, service: Service, container: ObservedContainer) -> bool:
        """A user's one-shot service (a migration, an asset build) is done when it ran now and exited 0."""
        ran_now = container.id in self._started
        return (
            service.raw is not None and ran_now and container.state == "exited" and not container.exit_status
        )

    def _is_up(self, service: Service, observed: ObservedState) -> bool:
        containers = observed.of(service.name)
        return len(containers) >= service.replicas and all(
            one.is_healthy or self._has_completed(service, one) for one in containers
        )

    def _failed(self, container: ObservedContainer, reason: str, code: str) -> ServiceFailedError:
        self.events.emit(Event(container.service, Status.FAILED, reason))
        log = self.engine.container_logs(container.id, LOG_LINES)
        probe = container.probe
        evidence = [f"log: {line}" for line in log]
        if probe is not None:
            words = _telling(probe.output) or ["(it printed nothing)"]
            evidence[:0] = [
                f"last probe: exit status {probe.exit_status}",
                *(f"probe: {line}" for line in words),
            ]
        if container.error:
            evidence.insert(0, f"engine: {container.error}")
        return ServiceFailedError(
            f"{container.service} {reason}",
            code=code,
            hint=f"read on with `devenv logs {container.service}`; after mending the cause, `devenv up` goes on",
            detail={
                "service": container.service,
                "container": container.name,
                "exit_status": container.exit_status,
                "probe": None
                if probe is None
                else {"exit_status": probe.exit_status, "output": probe.output},
                "log": list(log),
            },
            evidence=tuple(evidence),
        )

    def _timed_out(self, observed: ObservedState) -> ServiceFailedError:
        """Name the first service that is not up, with what its probe last said."""
        late = next(service for service in self.services if not self._is_up(service, observed))
        waited = f"is not healthy after {self.timeout:g} s"
        container = next((one for one in observed.of(late.name) if not one.is_healthy), None)
        if container is None:
            return ServiceFailedError(
                f"{late.name} has no container after {self.timeout:g} s",
                code="timeout",
                hint="run `devenv up` again",
                detail={"service": late.name},
            )
        return self._failed(container, waited, "timeout")


def _meets(name: str, condition: Condition, observed: ObservedState) -> bool:
    containers = observed.of(name)
    if condition is Condition.COMPLETED:
        return bool(containers) and all(one.state == "exited" and one.exit_status == 0 for one in containers)
    if condition is Condition.HEALTHY:
        return bool(containers) and all(one.is_healthy for one in containers)
    return all(one.is_running for one in containers)


def _telling(output: str) -> list[str]:
    """The last lines of a probe's output that tell a person something: an error page's markup does not."""
    lines = [line for line in output.splitlines() if line.strip()]
    words = [line for line in lines if not line.lstrip().startswith("<")]
    return (words or lines)[-PROBE_LINES:]
