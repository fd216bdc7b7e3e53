"""The connection to the daemon, made at the first call."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from devenv.engine.endpoint import endpoint, publishes_here
from devenv.engine.socket import SCHEME, SocketTransport
from devenv.engine.transport import API_TIMEOUT, ApiError, NoAnswerError
from devenv.errors import DevenvError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.engine.transport import Transport

START_HINT = "start the engine, or let `devenv setup` find or install one"


class Connected:
    """Asks the daemon that the `docker` client would ask: by its socket where it has one here, else by the SDK."""

    def __init__(self, *, sdk_only: bool = False) -> None:
        self._sdk_only = sdk_only

    @cached_property
    def is_here(self) -> bool:
        """Whether what its containers publish is reached on this machine."""
        return publishes_here(endpoint(os.environ))

    @cached_property
    def _api(self) -> Transport:
        address = endpoint(os.environ)
        if address is not None and address.startswith(SCHEME) and not self._sdk_only:
            return SocketTransport(address)
        from devenv.engine.docker.sdk import SdkTransport

        return SdkTransport(self._client)

    @cached_property
    def _client(self) -> Any:
        """The SDK's client, for what is more than a question and its answer; it takes 130 ms to import."""
        import docker

        with translated("connect"):
            # The user's own `ssh` knows his keys, jump hosts and names, as for the `docker` client.
            return docker.from_env(timeout=int(API_TIMEOUT), use_ssh_client=True)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what the engine, its socket or the SDK raise as ours: "cannot {doing}: reason"."""
    try:
        yield
    except DevenvError:
        raise
    except ApiError as error:
        from devenv.engine.docker.translate import refused

        raise refused(doing, error.message) from error
    except NoAnswerError as error:
        raise EngineUnavailableError(
            f"no Docker engine answers: cannot {doing}", hint=START_HINT, evidence=(str(error),)
        ) from error
    except Exception as error:
        from devenv.engine.docker.translate import sdk_error

        if (ours := sdk_error(doing, error)) is None:
            raise
        raise ours from error
