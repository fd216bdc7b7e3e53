"""The Docker engine: the only package that imports `docker` and `python_on_whales`."""

from __future__ import annotations

from devenv.engine.docker.client import Inside
from devenv.engine.docker.compose import Compose
from devenv.engine.docker.daemon import Daemon
from devenv.engine.docker.definitions import Definitions
from devenv.engine.docker.files import Files
from devenv.engine.docker.images import Images
from devenv.engine.docker.logs import Logs
from devenv.engine.docker.watch import Watch

__all__ = ["DockerEngine"]


class DockerEngine(Daemon, Definitions, Files, Images, Logs, Watch, Compose, Inside):
    """`devenv.engine.api.Engine` on Docker.

    What is one question and one answer goes over the local socket, or through the SDK where the engine is
    elsewhere. The SDK pulls, imports and reads logs, python-on-whales drives Compose and buildx, and the
    `docker` client itself runs what needs this process's terminal or standard input. Nothing is imported
    or connected before the first call.
    """
