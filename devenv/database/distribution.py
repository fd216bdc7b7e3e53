"""One repository of an OCI registry: manifests and blobs, up and down, by the distribution API."""

from __future__ import annotations

import hashlib
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import urlencode, urljoin, urlsplit

from devenv.database.artifact import MANIFEST, READABLE, Reference, damaged, digest_of
from devenv.database.registry_client import NOT_FOUND, OK, PIECE, RegistryClient, json_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from devenv.database.challenge import LoginOf

CREATED, ACCEPTED = 201, 202


class Upload:
    """A file as a body that can be sent again: every iteration begins at its start.

    `watched` sees the pieces as they go, and passes them on.
    """

    def __init__(
        self, file: IO[bytes], size: int, watched: Callable[[Iterable[bytes]], Iterable[bytes]]
    ) -> None:
        self._file = file
        self._size = size
        self._watched = watched

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        yield from self._watched(iter(lambda: self._file.read(PIECE), b""))


class Repository:
    """Manifests and blobs of the repository that a reference names.

    Raises what RegistryClient raises, and OperationError `artifact_damaged`.
    """

    def __init__(
        self, reference: Reference, logins: LoginOf, *, writes: bool = False, trusted: str | None = None
    ) -> None:
        self._reference = reference
        self._client = RegistryClient(reference, logins, writes=writes, trusted=trusted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()

    def manifest(self, name: str) -> bytes | None:
        """The manifest of a tag or digest, None where there is none; compared with its digest."""
        headers = {"Accept": ", ".join(READABLE)}
        with self._client.ask("GET", f"/manifests/{name}", {OK, NOT_FOUND}, headers=headers) as response:
            if response.status_code == NOT_FOUND:
                return None
            raw = self._client.content(response)
            wanted = name if ":" in name else response.headers.get("Docker-Content-Digest", "")
        if wanted.startswith("sha256:") and digest_of(raw) != wanted:
            raise damaged(self._reference, f"its manifest is {digest_of(raw)} in place of {wanted}")
        return raw

    def put_manifest(self, tag: str, raw: bytes) -> None:
        """Make the tag mean this manifest; whatever it names is there already."""
        headers = {"Content-Type": MANIFEST}
        self._client.ask(
            "PUT", f"/manifests/{tag}", {OK, CREATED, ACCEPTED}, body=raw, headers=headers
        ).close()

    def tags(self) -> tuple[str, ...]:
        """Some tags of the repository, none where it does not exist."""
        with self._client.ask("GET", "/tags/list?n=100", {OK, NOT_FOUND}) as response:
            found = json_object(self._client.content(response)) if response.status_code == OK else {}
        tags = found.get("tags")
        return tuple(str(tag) for tag in tags) if isinstance(tags, list) else ()

    def has_blob(self, digest: str) -> bool:
        """Whether that content need not be sent."""
        with self._client.ask("HEAD", f"/blobs/{digest}", {OK, NOT_FOUND}) as response:
            return response.status_code == OK

    def put_blob(self, digest: str, body: bytes | Iterable[bytes]) -> None:
        """Send content, which must have a length; the registry compares it with its digest."""
        with self._client.ask("POST", "/blobs/uploads/", {ACCEPTED}) as response:
            location = urljoin(response.url, response.headers.get("Location", ""))
        if urlsplit(location).path == urlsplit(f"{self._client.base}/blobs/uploads/").path:
            raise self._client.failed("it does not say where to send the content")
        address = f"{location}{'&' if urlsplit(location).query else '?'}{urlencode({'digest': digest})}"
        headers = {"Content-Type": "application/octet-stream"}
        self._client.ask("PUT", address, {CREATED}, body=body, headers=headers).close()

    def blob(self, digest: str, size: int) -> Iterator[bytes]:
        """The content, piece by piece; raises `artifact_damaged` at its end if it is not what it should be."""
        found, left = hashlib.sha256(), size
        with self._client.ask("GET", f"/blobs/{digest}", {OK}) as response:
            for piece in self._client.pieces(response):
                left -= len(piece)
                if left < 0:
                    raise damaged(self._reference, f"its archive is longer than {size} bytes")
                found.update(piece)
                yield piece
        if left:
            raise damaged(self._reference, f"its archive ends {left} of {size} bytes early")
        if f"sha256:{found.hexdigest()}" != digest:
            raise damaged(self._reference, f"its archive is sha256:{found.hexdigest()} in place of {digest}")
