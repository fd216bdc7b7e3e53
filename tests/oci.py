"""A small OCI registry in this process: the distribution API, logins, and whatever harm a test wants done."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


DOCKER = "application/vnd.docker"
"""What an engine's own kinds of content begin with."""
KIND = re.compile(rb'"mediaType": "([^"]+manifest[^"]+)"')
"""What a manifest says of itself; an engine wants to hear the same beside it."""


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _described(kind: str, blob: bytes) -> dict[str, Any]:
    """A blob as a manifest names it."""
    return {"mediaType": kind, "size": len(blob), "digest": digest(blob)}


@dataclass
class OciRegistry:
    """What it holds, what it was asked, and how it behaves.

    `auth` is "", "basic" or "bearer"; `user` and `password` are who may come in, `public` lets anybody have a
    token. A token is good for `token_uses` requests. `harms` are tried in order on `METHOD path`: a number is
    answered as status, a function changes the body that is sent, "cut" ends the connection in its middle.
    """

    port: int = 0
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    """Those of every request, in lower case, in the order of `asked`."""
    auth: str = ""
    user: str = "ann"
    password: str = "s3:cret"
    identity_token: str = ""
    public: bool = False
    token_uses: int = 1_000_000
    realm: str = ""
    scopes: list[list[str]] = field(default_factory=list)
    harms: list[tuple[str, Any]] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    """Where a path is to be looked for, once who asks may pass."""
    location: str | None = "/v2/upload/blobs/uploads/one?state=a%2Fb"
    """Where content is to be sent."""
    bodies: dict[str, int] = field(default_factory=dict)
    """How many bytes each PUT sent, by path without query."""
    _uses: dict[str, int] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def put_image(self, repository: str, content: bytes) -> str:
        """Hold an image with one file, for any engine; the name to pull it by."""
        unpacked = io.BytesIO()
        with tarfile.open(fileobj=unpacked, mode="w") as tar:
            entry = tarfile.TarInfo("content")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        layer = gzip.compress(unpacked.getvalue(), 1)
        rootfs = {"type": "layers", "diff_ids": [digest(unpacked.getvalue())]}
        config = json.dumps({"os": "linux", "rootfs": rootfs}).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{DOCKER}.distribution.manifest.v2+json",
                "config": _described(f"{DOCKER}.container.image.v1+json", config),
                "layers": [_described(f"{DOCKER}.image.rootfs.diff.tar.gzip", layer)],
            }
        ).encode()
        self.blobs |= {digest(blob): blob for blob in (config, layer)}
        self.manifests |= {"latest": manifest, digest(manifest): manifest}
        return f"{self.host}/{repository}:latest"

    def harm(self, pattern: str, harm: Any) -> None:
        """From now on this is done to every answer to such a request."""
        self.harms.append((pattern, harm))

    def requests(self, pattern: str) -> list[str]:
        """What was asked that fits."""
        return [one for one in self.asked if re.search(pattern, one)]

    # -- who may come in

    def may_pass(self, header: str) -> bool:
        kind, _, value = header.partition(" ")
        if self.auth == "basic":
            return kind == "Basic" and base64.b64decode(value).decode() == f"{self.user}:{self.password}"
        left = self._uses.get(value, 0)
        self._uses[value] = left - 1
        return kind == "Bearer" and left > 0

    def challenge(self) -> str:
        if self.auth == "basic":
            return 'Basic realm="the \\"registry\\""'
        realm = self.realm or f"http://{self.host}/token"
        return f'Bearer realm="{realm}",service="tests",scope="repository:x:pull"'

    def token(self) -> dict[str, Any]:
        token = f"token-{len(self._uses)}"
        self._uses[token] = self.token_uses
        return {"token": token}


@contextmanager
def serving(registry: OciRegistry | None = None) -> Iterator[OciRegistry]:
    """A registry that answers while the block runs."""
    registry = registry or OciRegistry()
    server = _Server(registry)
    registry.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, registry: OciRegistry) -> None:
        super().__init__(("127.0.0.1", registry.port), _Handler)
        self.registry = registry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections are cut on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # who says how much comes, and sends less, is not waited for

    @property
    def registry(self) -> OciRegistry:
        assert isinstance(self.server, _Server)
        return self.server.registry

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        self.registry.asked.append(f"{self.command} {self.path}")
        self.registry.headers.append({name.lower(): value for name, value in self.headers.items()})
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        harm = next(
            (what for where, what in self.registry.harms if re.search(where, self.registry.asked[-1])), None
        )
        if isinstance(harm, int):
            errors = [{"code": "HARMED", "message": f"on purpose {harm}"}]
            self.answer(harm, json.dumps({"errors": errors}).encode())
        elif parts.path == "/token":
            self.give_token(parse_qs(parts.query or body.decode()), harm)
        elif parts.path == "/moved":
            self.answer(302, b"", {"Location": self.registry.moved[parts.path]})
        elif self.registry.auth and not self.registry.may_pass(self.headers.get("Authorization", "")):
            self.answer(401, b'{"errors": []}', {"WWW-Authenticate": self.registry.challenge()})
        else:
            self.serve(parts.path, parse_qs(parts.query), body, harm)

    def give_token(self, words: Mapping[str, list[str]], harm: Any) -> None:
        self.registry.scopes.append(words.get("scope", []))
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        known = base64.b64decode(given).decode() == f"{self.registry.user}:{self.registry.password}"
        by_token = self.registry.identity_token and words.get("refresh_token") == [
            self.registry.identity_token
        ]
        if known or by_token or self.registry.public:
            self.answer(200, json.dumps(self.registry.token()).encode(), harm=harm)
        else:
            self.answer(401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]}')

    def serve(self, path: str, query: Mapping[str, list[str]], body: bytes, harm: Any) -> None:
        _, _, rest = path.partition("/v2/")
        repository, _, name = rest.rpartition("/")
        if path in self.registry.moved:
            self.answer(302, b"", {"Location": self.registry.moved[path]})
        elif path == "/v2/":
            self.answer(200, b"{}")
        elif self.command == "POST" and rest.endswith("/blobs/uploads/"):
            self.answer(202, b"", {"Location": self.registry.location} if self.registry.location else {})
        elif self.command == "PUT" and "/blobs/uploads/" in path:
            self.take_blob(path, query, body)
        elif self.command == "PUT":
            self.registry.manifests[name] = self.registry.manifests[digest(body)] = body
            self.answer(201, b"", {"Docker-Content-Digest": digest(body)})
        elif rest.endswith("/tags/list"):
            tags = [tag for tag in self.registry.manifests if ":" not in tag]
            self.answer(200, json.dumps({"name": repository, "tags": tags}).encode(), harm=harm)
        else:
            store = self.registry.blobs if "/blobs/" in path else self.registry.manifests
            if name in store:
                headers = {"Docker-Content-Digest": digest(store[name])}
                if store is self.registry.manifests and (kind := KIND.search(store[name])):
                    headers["Content-Type"] = kind[1].decode()
                self.answer(200, store[name], headers, harm=harm)
            else:
                self.answer(404, b'{"errors": [{"code": "UNKNOWN", "message": "not here"}]}')

    def take_blob(self, path: str, query: Mapping[str, list[str]], body: bytes) -> None:
        self.registry.bodies[path] = len(body)
        if query.get("state") != ["a/b"] or query.get("digest") != [digest(body)]:
            self.answer(400, b'{"errors": [{"code": "DIGEST_INVALID", "message": "another"}]}')
            return
        self.registry.blobs[digest(body)] = body
        self.answer(201, b"")

    def answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, harm: Any = None
    ) -> None:
        content = harm(body) if callable(harm) else body
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if harm == "cut" else content)
        self.close_connection = self.close_connection or harm == "cut"

    do_GET = do_HEAD = do_POST = do_PUT = do_CONNECT = handle_any  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""
