"""`loadbalancer`: HAProxy in front of the pods, production's entrance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.model import Mount, PublishedPort, Service
from devenv.services.probes import healthcheck

if TYPE_CHECKING:
    from devenv.config.settings import Settings
    from devenv.services.placement import Placement

NAME = "loadbalancer"
PORT = 80
TLS_PORT = 443
FOLDER = "/etc/loadbalancer"
"""Where the folder with its configuration is seen inside."""
ADMIN_PORT = 9999
"""Of its runtime interface, which listens inside the container alone."""
ASK = f'exec 3<>/dev/tcp/127.0.0.1/{ADMIN_PORT} && echo "$1" >&3 && cat <&3'
"""Bash, which has its own TCP: HAProxy's image holds no client for its sockets."""
STATE = "/dev/shm/servers"  # noqa: S108 - inside the container, where nothing else can be written
"""What its process knew of the pods when a new one was to take over."""
RELOAD = ("bash", "-c", f"({ASK}) > {STATE} && kill -USR2 1", "ask", "show servers state")
"""The master process starts a new one with the configuration as it is now, which takes over the sockets."""


def runtime_command(statement: str) -> tuple[str, ...]:
    """The command that tells a statement to the runtime interface, and prints the answer."""
    return ("bash", "-c", ASK, "ask", statement)


def define(settings: Settings, placement: Placement, *, tls: bool) -> Service:
    """The balancer; healthy when it can be talked to, be there pods or not: without any it says so.

    Which pods there are is in its configuration alone: other pods do not make it another container.
    """
    probe = f"bash -c '{ASK}' ask 'show info' | grep -q ^Uptime"
    return Service(
        name=NAME,
        image=NAME,
        entrypoint=("haproxy",),
        command=("-W", "-db", "-f", f"{FOLDER}/haproxy.cfg"),
        mounts=(Mount(placement.balancer_folder, FOLDER, is_bind=True, read_only=True),),
        ports=ports(settings, placement, tls=tls),
        healthcheck=healthcheck(probe),
        user=placement.balancer_user,
        read_only=True,
        cpus=settings.production.cpus,
        memory=settings.production.memory,
        stop_grace_period=5,
    )


def ports(settings: Settings, placement: Placement, *, tls: bool) -> tuple[PublishedPort, ...]:
    """What is published: HTTP, and with TLS HTTPS before it, which is then where a visitor goes."""
    production = settings.production
    plain = PublishedPort(placement.port("production.port", production.port), PORT, settings.bind, "http")
    if not tls:
        return (plain,)
    published = placement.port("production.tls_port", production.tls_port)
    return (PublishedPort(published, TLS_PORT, settings.bind, "https"), plain)
