"""Images from a real registry on loopback: pulled, refused, and lost in the middle of a pull."""

from __future__ import annotations

import http.client
import io
import os
import re
import subprocess
import tarfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from tests.e2e.support import LIVE, free_ports, tried, until

if TYPE_CHECKING:
    import socketserver
    from collections.abc import Callable, Iterator

    from tests.e2e.conftest import Born
    from tests.e2e.support import Engine, Stack
    from tests.harness import Spawned

CUT_AFTER = 1 << 20
GREETER = "#!/bin/sh\nprintf '220 e2e\\r\\n'\ncat >/dev/null\n"
SERVER = "busybox nc -ll -p 1025 -e /greet & exec busybox httpd -f -p 1080 -h /www"


@dataclass(frozen=True)
class Registry:
    """A registry with two images that stand in for the mail catcher, and are on the engine no more."""

    port: int

    @property
    def mail(self) -> str:
        """The one that is pulled."""
        return f"127.0.0.1:{self.port}/e2e/mail:1"

    @property
    def lost(self) -> str:
        """The one that is lost in a pull: the engine would let a second pull of the same layers wait for it."""
        return f"127.0.0.1:{self.port}/e2e/lost:1"


def docker_client(*words: str, stdin: bytes | None = None) -> str:
    """The engine's own client, which must end 0."""
    done = subprocess.run(["docker", *words], input=stdin, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def registry(born: Born, registry_port: int) -> Registry:
    """The registry runs, and holds the images."""
    found = Registry(registry_port)
    for reference in (found.mail, found.lost):
        command = f'--change=CMD ["sh", "-c", "{SERVER}"]'
        docker_client("import", command, "-", reference, stdin=image(born.stack.engine))
        try:
            docker_client("push", "--quiet", reference)
        finally:
            docker_client("rmi", reference)
    return found


def image(engine: Engine) -> bytes:
    """A root file system that answers as a mail catcher does, with a layer long enough to be cut.

    It takes busybox out of the real one's container, and what busybox is linked with.
    """
    container = engine.service("mailcatcher")["Id"]
    linked = engine.execute(container, "ldd", "/bin/busybox")[1]
    files = {"greet": GREETER.encode(), "www/index.html": b"mail\n"}
    for path in {"/bin/busybox", *re.findall(r"/\S+", linked)}:
        taken = subprocess.run(
            ["docker", "exec", container, "cat", path.rstrip(":")],
            capture_output=True,
            timeout=60,
            check=True,
        )
        files[path.lstrip("/").rstrip(":")] = taken.stdout
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in {**files, "ballast": os.urandom(4 * CUT_AFTER)}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        for name in ("sh", "cat", "grep", "sleep", "printf"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return packed.getvalue()


@dataclass
class Proxy:
    """In front of a registry: cuts every connection in the middle of a long blob until it is told to be good."""

    upstream: int
    port: int
    cuts: int = 0
    good: bool = False
    _server: ThreadingHTTPServer | None = field(default=None, repr=False)

    @property
    def mail(self) -> str:
        """The registry's image, by this address."""
        return f"127.0.0.1:{self.port}/e2e/lost:1"

    def start(self) -> None:
        """Answer from now on."""
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections are cut on purpose."""


def _handler(proxy: Proxy) -> type[socketserver.BaseRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            upstream = http.client.HTTPConnection("127.0.0.1", proxy.upstream, timeout=30)
            with suppress(OSError):
                upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():  # some come more than once
                    upstream.putheader(name, value)
                upstream.endheaders()
                answer = upstream.getresponse()
                body = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"server", "date"}:
                        self.send_header(name, value)
                self.end_headers()
                if self.command == "GET" and not proxy.good and len(body) > 2 * CUT_AFTER:
                    self.wfile.write(body[:CUT_AFTER])
                    self.wfile.flush()
                    self.close_connection = True
                    proxy.cuts += 1
                elif self.command == "GET":
                    self.wfile.write(body)
            upstream.close()

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    return Handler


@dataclass(frozen=True)
class Lost:
    """An `up` whose registry vanishes in the middle of the pull, started early: the engine tries for a minute."""

    stack: Stack
    proxy: Proxy
    process: Spawned


@pytest.fixture(scope="module")
def lost(registry: Registry, new_stack: Callable[..., Stack]) -> Iterator[Lost]:
    stack = new_stack()
    proxy = Proxy(registry.port, free_ports(1)[0])
    stack.configure(mail={"image": proxy.mail}, database={"seed": []})
    proxy.start()
    try:
        with stack.spawned("up", "mailcatcher", "--json") as process:
            until(lambda: proxy.cuts or process.process.poll() is not None, "a connection cut", 30)
            assert proxy.cuts, process.wait(1).out
            proxy.stop()
            yield Lost(stack, proxy, process)
    finally:
        proxy.stop()
        stack.remove()
        LIVE.remove(stack)
        with forgotten(stack, proxy.mail):
            pass


@contextmanager
def forgotten(stack: Stack, reference: str) -> Iterator[None]:
    """Afterwards the image is gone from the engine."""
    try:
        yield
    finally:
        with suppress(docker.errors.APIError):
            stack.engine.api.remove_image(reference, force=True)


def present(stack: Stack, reference: str) -> bool:
    """Whether the engine has an image of that name."""
    return bool(stack.engine.api.images(name=reference))


def mail_row(stack: Stack) -> Any:
    """The mail catcher's row in `devenv status`."""
    rows = stack.run("status", "--json").ok().data["services"]
    return next(row for row in rows if row["name"] == "mailcatcher")


@pytest.mark.usefixtures("lost")
def test_an_image_is_pulled_from_a_registry_and_shown_as_pulled(stack: Stack, registry: Registry) -> None:
    stack.configure(mail={"image": registry.mail})
    with forgotten(stack, registry.mail):
        stack.up("mailcatcher")

        container = stack.engine.service("mailcatcher")
        assert container["Config"]["Image"] == registry.mail
        assert stack.engine.settled()["mailcatcher"] == "healthy"
        assert tried(stack.port("mail.port")) is not None
        assert (mail_row(stack)["image"], mail_row(stack)["image_source"]) == (registry.mail, "pulled")

        # The second time it is there, and still known as pulled.
        assert stack.up("mailcatcher").data["plan"]["steps"] == []
        assert mail_row(stack)["image_source"] == "pulled"
        stack.configure()
        stack.up("mailcatcher")


@pytest.mark.parametrize("policy", ["auto", "pull"])
def test_a_registry_that_refuses_is_an_error_where_there_is_no_recipe(stack: Stack, policy: str) -> None:
    reference = f"127.0.0.1:{free_ports(1)[0]}/e2e/mail:1"
    database = stack.engine.service("databasemaster")["Config"][
        "Image"
    ]  # present, so that nothing else is pulled
    starts = stack.engine.starts()
    stack.configure(images=policy, mail={"image": reference}, database={"image": database})

    outcome = stack.run("up", "--json")

    assert (outcome.code, outcome.error["code"]) == (1, "registry_unreachable"), outcome
    assert reference in outcome.error["message"]
    assert outcome.error["hint"]
    assert stack.engine.starts() == starts
    assert not present(stack, reference)


def test_an_image_that_the_registry_does_not_have_is_an_error_of_its_own(
    stack: Stack, registry: Registry
) -> None:
    reference = f"127.0.0.1:{registry.port}/e2e/nothing:1"
    stack.configure(mail={"image": reference})

    outcome = stack.run("up", "mailcatcher", "--json")

    assert (outcome.code, outcome.error["code"]) == (1, "pull_denied"), outcome
    assert reference in outcome.error["message"]


def test_an_image_is_not_pulled_as_a_snapshot(stack: Stack, registry: Registry) -> None:
    outcome = stack.run("snapshot", "pull", f"oci://{registry.mail}", "--json")

    assert (outcome.code, outcome.error["code"]) == (6, "artifact_foreign")
    assert "it is a container image" in outcome.error["message"]


def test_a_service_of_ones_own_gets_its_image_too(stack: Stack, registry: Registry) -> None:
    stack.configure(services={"extra": {"image": registry.mail, "command": "sleep 600", "init": True}})
    with forgotten(stack, registry.mail):
        try:
            stack.up("extra")
            assert stack.engine.healths()["extra"] == "running"
        finally:
            stack.engine.remove_service("extra")


def test_a_registry_that_vanishes_in_a_pull_leaves_no_half_image(lost: Lost) -> None:
    outcome = lost.process.wait(120)

    assert (outcome.code, outcome.error["code"]) == (1, "registry_unreachable"), outcome
    assert lost.proxy.mail in outcome.error["message"]
    assert not present(lost.stack, lost.proxy.mail)
    assert lost.stack.engine.containers() == []

    lost.proxy.good = True
    lost.proxy.start()
    lost.stack.up("mailcatcher")
    assert lost.stack.engine.settled() == {"mailcatcher": "healthy"}
    assert mail_row(lost.stack)["image_source"] == "pulled"
