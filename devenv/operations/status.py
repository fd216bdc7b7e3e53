"""What runs: every service with its health, ports and where its image came from."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from devenv.operations.answers import answers, believed
from devenv.operations.report import StatusReport, images_in_use, report
from devenv.operations.session import Session, configured_ports

if TYPE_CHECKING:
    from collections.abc import Iterator


def status(session: Session) -> StatusReport:
    """What the engine has of this environment now."""
    info = session.engine.info()
    memory = session.workspace.recall()
    observed = session.observe()
    ports = configured_ports(session.settings, session.shape) | dict(memory.ports)
    project = session.project(ports, memory.generation, info)
    images = session.engine.images(images_in_use(observed))
    observed = believed(observed, project.services, partial(answers, session.engine))
    return report(project, observed, memory, images)


def changes(session: Session, interval: float = 1.0) -> Iterator[StatusReport]:
    """The status now, and again whenever it is another one; looked at every `interval` seconds."""
    last: StatusReport | None = None
    while True:
        now = status(session)
        if now != last:
            last = now
            yield now
        time.sleep(interval)
