"""Images: present ones, and through the SDK pulls and imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devenv.engine.docker.connection import Connected, translated
from devenv.engine.docker.volumes import missing_is_fine
from devenv.engine.observed import ObservedImage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from devenv.engine.api import LineSink


PULL_PROGRESS_EVERY = 20
"""One line of progress for so many messages: the engine sends many a second for each layer."""


class Images(Connected):
    """The engine's image store."""

    def images(self, references: Iterable[str]) -> Mapping[str, ObservedImage]:
        """Those of the images that are on the engine, by reference."""
        found: dict[str, ObservedImage] = {}
        with translated("look for images"):
            for reference in references:
                with missing_is_fine():
                    raw = self._api.call("GET", f"/images/{reference}/json")
                    config = raw.get("Config") or {}
                    entrypoint = tuple(config.get("Entrypoint") or ())
                    found[reference] = ObservedImage(
                        reference, raw["Id"], config.get("Labels") or {}, entrypoint
                    )
        return found

    def pull(self, reference: str, on_line: LineSink) -> None:
        """Fetch an image; raises RegistryUnreachableError, PullDeniedError or ImageError `disk_full`."""
        from docker.errors import APIError
        from docker.utils import parse_repository_tag

        from devenv.engine.docker.translate import pull_error

        repository, tag = parse_repository_tag(reference)
        with translated(f"pull {reference}"):
            try:
                messages = self._client.api.pull(repository, tag or "latest", stream=True, decode=True)
                for line in _progress(reference, messages):
                    on_line(line)
            except APIError as error:
                raise pull_error(reference, str(error.explanation or error)) from error

    def import_image(self, tar: Iterable[bytes], reference: str, labels: Mapping[str, str]) -> None:
        """Make an image of a root file system given as a tar stream."""
        repository, _, tag = reference.rpartition(":")
        changes = [f'LABEL {key}="{value}"' for key, value in labels.items()]
        with translated(f"import {reference}"):
            api = self._client.api
            response = api.post(
                api._url("/images/create"),  # noqa: SLF001 - the SDK imports only files and whole bytes
                params={"fromSrc": "-", "repo": repository, "tag": tag, "changes": changes},
                data=tar,
                headers={"Content-Type": "application/tar"},
                timeout=None,
            )
            api._raise_for_status(response)  # noqa: SLF001 - likewise


def _progress(reference: str, messages: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Few readable lines of the engine's many; raises what it reports in the middle of a pull.

    The engine ends after that; read to its end, the answer leaves no connection open.
    """
    from devenv.engine.docker.translate import pull_error

    failed: str | None = None
    done: dict[str, int] = {}
    total: dict[str, int] = {}
    for count, message in enumerate(messages):
        if "error" in message:
            failed = str(message["error"])
        progress = message.get("progressDetail") or {}
        if message.get("status") == "Downloading" and progress.get("total"):
            done[message["id"]], total[message["id"]] = progress["current"], progress["total"]
            if count % PULL_PROGRESS_EVERY == 0:
                yield f"{sum(done.values()) // 2**20} of {sum(total.values()) // 2**20} MB"
    if failed is not None:
        raise pull_error(reference, failed)
