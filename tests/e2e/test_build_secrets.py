"""A build gets the host's CA bundle, and leaves nothing of it in any layer."""

from __future__ import annotations

import os
import secrets as random
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import pytest

from devenv.engine.api import BuildRequest
from devenv.images.recipe import folder_of
from devenv.images.secrets import build_secrets
from tests.e2e.support import client

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from devenv.engine.api import Engine

CHUNK = 1 << 20


@pytest.fixture
def marked_bundle(tmp_path: Path) -> tuple[Path, bytes]:
    """What this machine trusts, with words of its own in front: they are looked for in the layers."""
    trusted = next(
        (os.environ[name] for name in ("SSL_CERT_FILE", "PIP_CERT") if os.environ.get(name)),
        "/etc/ssl/certs/ca-certificates.crt",
    )
    mark = f"# {random.token_hex(24)}\n".encode()
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(mark + Path(trusted).read_bytes())
    return bundle, mark.strip()


@pytest.fixture
def tag(docker_engine: Engine) -> Iterator[str]:
    name = f"devenv-test-secrets:{random.token_hex(4)}"
    yield name
    api = client()
    if docker_engine.images([name]):
        api.remove_image(name)
    api.close()


def contents(api: docker.APIClient, image: str) -> Iterator[bytes]:
    """Every file of every layer of an image, in pieces."""
    stream = api.get_image(image, chunk_size=CHUNK)
    with tarfile.open(fileobj=cast("IO[bytes]", _Reader(stream)), mode="r|") as layers:
        for member in layers:
            file = layers.extractfile(member)
            while file is not None and (piece := file.read(CHUNK)):
                yield piece


class _Reader:
    """A stream of pieces as a file that is read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


@pytest.mark.parametrize("recipe", ["backend", "mailcatcher"])
def test_a_build_uses_the_bundle_and_keeps_nothing_of_it(
    recipe: str, docker_engine: Engine, base_image: str, marked_bundle: tuple[Path, bytes], tag: str
) -> None:
    bundle, mark = marked_bundle
    environ = {**os.environ, "SSL_CERT_FILE": str(bundle)}
    lines: list[str] = []
    with build_secrets(environ) as secrets:
        assert secrets["ca_bundle"] == bundle
        request = BuildRequest(
            context=folder_of(recipe),
            tag=tag,
            build_args={"BASE": base_image},
            secrets=secrets,
            use_cache=False,
        )
        docker_engine.build(request, lines.append)
    api = client()
    seen = b""
    for piece in contents(api, tag):
        assert mark not in seen[-len(mark) :] + piece
        seen = piece
    api.close()
    assert not [line for line in lines if mark.decode() in line]
