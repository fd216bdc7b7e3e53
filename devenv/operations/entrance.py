"""Where a visitor comes in: at Nginx in development, at the load balancer in production's shape."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING

from devenv.environments.authority import authority_files
from devenv.services import frontend, loadbalancer

if TYPE_CHECKING:
    from devenv.operations.report import StatusReport
    from devenv.operations.session import Session

SECONDS = 10


def connect(session: Session, now: StatusReport) -> http.client.HTTPConnection:
    """A connection to the entrance, not yet made; HTTPS trusts this machine's authority alone."""
    service, target = frontend.NAME, frontend.PORT
    if session.shape is not None:
        service = loadbalancer.NAME
        target = loadbalancer.TLS_PORT if session.shape.tls else loadbalancer.PORT
    row = next(row for row in now.services if row.name == service)
    port = next(port.published for port in row.ports if port.target == target)
    if target != loadbalancer.TLS_PORT:
        return http.client.HTTPConnection(session.settings.bind, port, timeout=SECONDS)
    trusting = ssl.create_default_context(cafile=authority_files().certificate)
    return http.client.HTTPSConnection("localhost", port, timeout=SECONDS, context=trusting)
