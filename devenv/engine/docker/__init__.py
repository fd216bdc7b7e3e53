"""The Docker engine: the only package that imports `docker` and `python_on_whales`."""

from __future__ import annotations

from devenv.engine.docker.client import ClientProcess
from devenv.engine.docker.compose import Compose
from devenv.engine.docker.daemon import Daemon
from devenv.engine.docker.images import Images
from devenv.engine.docker.logs import Logs

__all__ = ["DockerEngine"]


class DockerEngine(Daemon, Images, Logs, Compose, ClientProcess):
    """`devenv.engine.api.Engine` on Docker.

    The SDK observes and handles single objects, python-on-whales drives Compose and buildx, and the
    `docker` client itself runs what needs this process's terminal or standard input. Nothing is
    imported or connected before the first call.
    """
