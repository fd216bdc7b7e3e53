"""The engine's events: what happens to containers of ours is told within a millisecond."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from devenv.engine.docker.connection import Connected, translated
from devenv.model import Label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.engine.transport import Stream

FILTERS = {
    "type": ["container"],
    "label": [Label.PROJECT],
    "event": ["start", "die", "oom", "destroy", "health_status"],
}
"""Not the events of the probes themselves, of which there are several a second."""


class EventNews:
    """Ends a wait when the engine tells of an event, or when somebody else tells."""

    def __init__(self, stream: Stream) -> None:
        self._happened = threading.Event()
        self._stream = stream
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for _ in self._stream:
            self._happened.set()

    def tell(self) -> None:
        """End the present wait, or the next."""
        self._happened.set()

    def wait(self, timeout: float) -> None:
        """Return when something has happened since the last call, at the latest after `timeout` seconds."""
        self._happened.wait(timeout)
        self._happened.clear()


class Watch(Connected):
    """Tells what happens to containers."""

    @contextmanager
    def watch(self) -> Iterator[EventNews]:
        """What happens to containers of devenv's, of whichever environment, from now on."""
        with translated("listen to its events"):
            stream = self._api.stream("/events", query={"filters": json.dumps(FILTERS)})
        try:
            yield EventNews(stream)
        finally:
            stream.close()
