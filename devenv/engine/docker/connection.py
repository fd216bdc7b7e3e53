"""The connection to the daemon, made at the first call."""

from __future__ import annotations

from functools import cached_property
from typing import Any

API_TIMEOUT = 120
"""Seconds for one answer of the engine: creating a container on a busy disk can take many."""


class Connected:
    """Has the SDK's client, for the daemon that the `docker` client's current context names."""

    @cached_property
    def _client(self) -> Any:
        # Any: the published stubs lack much of what the SDK's low-level client offers.
        import docker

        from devenv.engine.docker.translate import translated

        with translated("connect"):
            return docker.from_env(timeout=API_TIMEOUT)

    def _translated(self, doing: str) -> Any:
        from devenv.engine.docker.translate import translated

        return translated(doing)
