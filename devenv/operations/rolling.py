"""Pods one after another: each is drained, made anew or restarted, and let in before the next one goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.events import Event, Phase, Status
from devenv.operations.balancer import Balancer
from devenv.operations.wait import Ascent
from devenv.render.haproxy import server
from devenv.services import frontend
from devenv.services.loadbalancer import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from devenv.engine.observed import ObservedState
    from devenv.model import Project, Service
    from devenv.operations.session import Session
    from devenv.plan import Plan


@dataclass(frozen=True)
class Roll:
    """Pods are renewed one after another, each within `timeout` seconds; visitors meet the others."""

    session: Session
    project: Project
    timeout: float

    def run(self, pods: Sequence[int], renew: Callable[[tuple[Service, ...]], None]) -> None:
        """Call `renew` with each pod's services while no request goes there.

        Raises ServiceFailedError for the first that fails; it then stays out, and the others as they were.
        """
        balancer = Balancer.of(self.session, self.session.observe())
        if balancer is not None and pods:
            balancer.make_known(*pods)
        for pod in pods:
            services = services_of(self.project, pod)
            if self.project.pods == 1:
                self._tell(
                    pod, Status.WARNING, "is the only pod: visitors meet the maintenance page meanwhile"
                )
            if balancer is not None:
                self._tell(pod, Status.WORKING, "answering the requests in hand")
                balancer.drain(pod)
            self._tell(pod, Status.WORKING, "out of the load balancer")
            renew(services)
            Ascent(
                self.session.engine, self.session.observe, services, self.session.events, self.timeout
            ).run()
            if balancer is not None:
                balancer.let_in(pod)
            self._tell(pod, Status.DONE, "renewed")

    def _tell(self, pod: int, status: Status, text: str) -> None:
        self.session.events.emit(Event(server(pod), status, text, phase=Phase.WAIT))


def make_way(session: Session, project: Project, observed: ObservedState, plan: Plan, timeout: float) -> None:
    """Before Compose makes a plan true: take pods that go out of the balancer, and replace the changed ones in turn."""
    balancer = Balancer.of(session, observed)
    if balancer is None:
        return
    for pod in leaving(project, observed):
        text = "answering the requests in hand"
        session.events.emit(Event(server(pod), Status.WORKING, text, phase=Phase.WAIT))
        balancer.drain(pod)
        session.events.emit(Event(server(pod), Status.DONE, "out of the load balancer"))
    sink = session.events

    def replace(services: tuple[Service, ...]) -> None:
        names = [service.name for service in services]
        session.engine.create(
            session.compose,
            names,
            lambda line: sink.emit(Event("containers", Status.WORKING, "replacing", line)),
        )

    Roll(session, project, timeout).run(changed(project, plan), replace)


def changed(project: Project, plan: Plan) -> tuple[int, ...]:
    """The pods of which the plan makes something anew."""
    names = {step.resource for step in plan.steps if step.action.startswith("recreate")}
    return tuple(sorted({one.pod for one in project.services if one.pod is not None and one.name in names}))


def leaving(project: Project, observed: ObservedState) -> tuple[int, ...]:
    """The pods that are there and no longer defined."""
    names = {one.service for one in observed.containers} - set(project.service_names)
    tails = (name.removeprefix(f"{frontend.NAME}-") for name in names)
    return tuple(sorted(int(tail) for tail in tails if tail.isdigit()))


def settle(session: Session, services: Sequence[Service], observed: ObservedState) -> None:
    """Once all of the services are healthy: the balancer knows every pod among them, and sends requests there."""
    balancer = Balancer.of(session, observed)
    if balancer is not None:
        session.events.emit(Event(NAME, Status.WORKING, "letting the pods in", phase=Phase.WAIT))
        balancer.reload()
        balancer.let_in(*sorted(one.pod for one in services if one.pod and one.role == frontend.NAME))
        session.events.emit(Event(NAME, Status.DONE, "sends requests to every pod"))


def services_of(project: Project, pod: int) -> tuple[Service, ...]:
    """What a pod consists of."""
    return tuple(service for service in project.services if service.pod == pod)
