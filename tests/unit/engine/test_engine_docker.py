"""The adapter's own decisions: what a failed pull means, how raw answers become values, how streams become lines."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest
import requests.exceptions

from devenv.engine.api import ComposeProject
from devenv.engine.docker import DockerEngine
from devenv.engine.docker.connection import translated
from devenv.engine.docker.containers import observed_container
from devenv.engine.docker.images import _progress
from devenv.engine.docker.logs import _interleaved, _lines, merged
from devenv.engine.docker.translate import build_error, pull_error
from devenv.engine.observed import ObservedContainer, ObservedState, ProbeResult
from devenv.engine.socket import SocketTransport
from devenv.engine.transport import NOT_FOUND, ApiError, NoAnswerError
from devenv.errors import (
    EngineUnavailableError,
    ImageError,
    OperationError,
    PullDeniedError,
    RegistryUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

UNREACHABLE = [
    "Get https://registry.test/v2/: dial tcp: lookup registry.test: no such host",
    "dial tcp 127.0.0.1:1: connect: connection refused",
    "read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer",
    "dial tcp 192.0.2.1:443: i/o timeout",
    "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
    "context deadline exceeded",
    "lookup registry.test on 10.0.0.1:53: server misbehaving",
    "dial tcp 192.0.2.1:443: connect: network is unreachable",
    "dial tcp 192.0.2.1:443: connect: no route to host",
    "proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    "remote error: tls: handshake failure",
    "unexpected EOF",
    "toomanyrequests: You have reached your pull rate limit.",
    "received unexpected HTTP status: 503 Service Unavailable",
    "received unexpected HTTP status: 502 Bad Gateway",
]
FULL = "cannot build shop/web:1: the engine's disk is full"
DENIED = [
    "pull access denied for shop/backend, repository does not exist or may require 'docker login'",
    "manifest for mysql:nothing not found: manifest unknown",
    "unauthorized: authentication required",
    "no matching manifest for linux/arm64/v8 in the manifest list entries",
    "denied: requested access to the resource is denied",
    "",
]


@pytest.mark.parametrize("text", UNREACHABLE)
def test_a_registry_that_gives_no_answer(text: str) -> None:
    error = pull_error("mysql:8.4", text)
    assert isinstance(error, RegistryUnreachableError)
    assert error.message == "the registry of mysql:8.4 cannot be reached"
    assert error.evidence == (text,)


@pytest.mark.parametrize("text", DENIED)
def test_a_registry_that_says_no(text: str) -> None:
    error = pull_error("mysql:8.4", text)
    assert isinstance(error, PullDeniedError)
    assert error.message == "the registry does not give mysql:8.4"
    assert error.evidence == (text or "the engine gave no reason",)


@pytest.mark.parametrize(
    "text",
    [
        "write /var/lib/docker/tmp/GetImageBlob1: no space left on device",
        "failed to register layer: write /usr/lib/libc.so: no space left on device",
    ],
)
def test_a_pull_that_the_disk_has_no_room_for(text: str) -> None:
    error = pull_error("mysql:8.4", text)
    assert (type(error), error.code) == (ImageError, "disk_full")
    assert error.message == "cannot pull mysql:8.4: the engine's disk is full"
    assert error.evidence == (text,)
    assert "`devenv gc`" in (error.hint or "")


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("dd: error writing '/x': No space left on device", "disk_full", FULL),
        ("npm error nospc ENOSPC: no space left on device, write", "disk_full", FULL),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "disk_full", FULL),
        ("cc: fatal error", "build_failed", "building shop/web:1 from /shop failed"),
    ],
)
def test_why_a_build_failed(line: str, code: str, message: str) -> None:
    lines = (line, "ERROR: failed to solve: process did not complete successfully: exit code: 1")
    error = build_error("shop/web:1", Path("/shop"), lines)
    assert (error.code, error.message, error.evidence) == (code, message, lines)
    assert error.hint


def api_error(text: str) -> docker.errors.APIError:
    return docker.errors.APIError("500 Server Error", explanation=text)


@pytest.mark.parametrize(
    ("raised", "kind", "code", "message"),
    [
        (
            api_error("driver failed: Bind for 127.0.0.1:80 failed: port is already allocated"),
            OperationError,
            "port_in_use",
            "cannot start x: driver failed: Bind for 127.0.0.1:80 failed: port is already allocated",
        ),
        (
            api_error("listen tcp4 127.0.0.1:80: bind: address already in use"),
            OperationError,
            "port_in_use",
            "cannot start x: listen tcp4 127.0.0.1:80: bind: address already in use",
        ),
        (
            api_error("write /var/lib: no space left on device"),
            OperationError,
            "disk_full",
            "cannot start x: write /var/lib: no space left on device",
        ),
        (
            api_error("No such container: x"),
            OperationError,
            "engine_refused",
            "cannot start x: No such container: x",
        ),
        (
            requests.exceptions.ConnectionError("broken pipe"),
            EngineUnavailableError,
            "engine_unavailable",
            "the Docker engine stopped answering: cannot start x",
        ),
        (
            requests.exceptions.ReadTimeout("slow"),
            EngineUnavailableError,
            "engine_unavailable",
            "the Docker engine stopped answering: cannot start x",
        ),
        (
            docker.errors.DockerException("Error while fetching server API version"),
            EngineUnavailableError,
            "engine_unavailable",
            "no Docker engine answers: cannot start x",
        ),
        (ImageError("ours"), ImageError, "image_unavailable", "ours"),
    ],
)
def test_what_the_library_raises_becomes_ours(
    raised: Exception, kind: type[Any], code: str, message: str
) -> None:
    with pytest.raises(kind) as caught, translated("start x"):
        raise raised
    assert (caught.value.code, caught.value.message) == (code, message)
    assert caught.value is raised or caught.value.__cause__ is raised


def test_a_defect_is_not_translated() -> None:
    with pytest.raises(ZeroDivisionError), translated("start x"):
        raise ZeroDivisionError


RAW: dict[str, Any] = {
    "Id": "abc",
    "Name": "/shop-backend-2",
    "Image": "sha256:1",
    "RestartCount": 3,
    "Config": {
        "Image": "shop/backend:1",
        "Labels": {
            "com.docker.compose.service": "backend",
            "com.docker.compose.container-number": "2",
            "devenv.spec": "s",
        },
    },
    "State": {
        "Status": "running",
        "ExitCode": 0,
        "Error": "",
        "OOMKilled": False,
        "StartedAt": "2026-01-01T00:00:00Z",
        "Health": {
            "Status": "starting",
            "Log": [
                {"Start": "2026-01-01T00:00:01Z", "ExitCode": 0, "Output": "old"},
                {"Start": "2026-01-01T00:00:02Z", "ExitCode": 1, "Output": "new\n"},
            ],
        },
    },
    "HostConfig": {"Memory": 12_582_912},
    "Mounts": [
        {"Destination": "/data", "Name": "shop_data", "Type": "volume"},
        {"Destination": "/opt/app", "Source": "/srv/app", "Type": "bind"},
    ],
    "NetworkSettings": {
        "Networks": {"shop_default": {"IPAddress": "172.18.0.2"}, "other": {"IPAddress": ""}},
        "Ports": {
            "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}, {"HostIp": "::1", "HostPort": "8080"}],
            "443/tcp": None,
        },
    },
}


def test_a_container_as_the_engine_describes_it() -> None:
    assert observed_container(RAW) == ObservedContainer(
        id="abc",
        name="shop-backend-2",
        service="backend",
        number=2,
        state="running",
        health="starting",
        probe=ProbeResult(1, "new"),
        restarts=3,
        image="shop/backend:1",
        image_id="sha256:1",
        started_at="2026-01-01T00:00:00Z",
        probes=("2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"),
        labels=RAW["Config"]["Labels"],
        volumes={"/data": "shop_data"},
        ports={80: 8080},
        addresses={"shop_default": "172.18.0.2"},
        memory_limit=12_582_912,
    )


def test_a_container_of_which_there_is_little_to_say() -> None:
    raw = RAW | {
        "Config": {"Image": "x", "Labels": None},
        "State": {
            "Status": "exited",
            "ExitCode": 137,
            "OOMKilled": True,
            "StartedAt": "2026-01-01T00:00:00Z",
        },
        "Mounts": [],
        "NetworkSettings": {"Networks": None, "Ports": None},
    }
    found = observed_container(raw)
    assert (found.service, found.number, found.health, found.probe) == ("", 1, None, None)
    assert (found.exit_status, found.oom_killed, found.started_at) == (137, True, "")
    assert (found.volumes, found.ports, found.addresses, dict(found.labels)) == ({}, {}, {}, {})


@pytest.mark.parametrize("status", ["none", None])
def test_a_container_without_health_check(status: str | None) -> None:
    state = {**RAW["State"], "Health": {"Status": status} if status else None}
    assert observed_container(RAW | {"State": state}).health is None


BACKEND, FRONTEND = ("backend", "shop-backend-1"), ("frontend", "shop-frontend-1")


@pytest.mark.parametrize(
    "pieces",
    [
        [b"1 one\n2 two\n", b"3 three"],
        [b"1 on", b"e\n2", b" two\n3 three"],
        [b"1 one\r\n2 two\r\n", b"", b"3 three\n"],
    ],
)
def test_lines_are_whole_wherever_the_stream_is_cut(pieces: list[bytes]) -> None:
    lines = list(_lines(*BACKEND, iter(pieces)))
    assert [(line.at, line.text) for line in lines] == [("1", "one"), ("2", "two"), ("3", "three")]
    assert {(line.service, line.container) for line in lines} == {("backend", "shop-backend-1")}


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    (line,) = _lines(*BACKEND, iter([b"1 \xff\n"]))
    assert line.text == "\ufffd"


def test_several_streams_are_followed_until_the_last_one_ends() -> None:
    streams = [(*BACKEND, iter([b"1 a\n", b"2 b\n"])), (*FRONTEND, iter([b"1 c\n"]))]
    lines = [(line.service, line.text) for line in _interleaved(streams)]
    assert sorted(lines) == [("backend", "a"), ("backend", "b"), ("frontend", "c")]
    assert list(_interleaved([])) == []


def torn() -> Iterator[bytes]:
    yield b"1 a\n2 b\n"
    raise struct.error("unpack_from requires a buffer of at least 8 bytes")


@pytest.mark.parametrize("follow", [False, True])
def test_a_stream_that_breaks_off_has_ended(*, follow: bool) -> None:
    streams = [(*BACKEND, torn()), (*FRONTEND, iter([b"3 c\n"]))]
    assert sorted(line.text for line in merged(streams, follow=follow)) == ["a", "b", "c"]


class Logged:
    """Stands for the SDK's client and for the socket: what each container's log gives, or why it cannot be read."""

    def __init__(self, answers: dict[str, Any], *, goes_away: bool = False) -> None:
        self.answers = answers
        self.goes_away = goes_away
        self.unreadable: list[str] = []

    def lines(self) -> Iterator[str]:
        engine = DockerEngine()
        engine.__dict__ |= {"_client": SimpleNamespace(api=self), "_api": self}
        containers = [ObservedContainer(name, name, name, 1, "running") for name in self.answers]
        found = engine.logs(
            ObservedState(tuple(containers)),
            tail=None,
            since=None,
            follow=True,
            on_unreadable=lambda one, why: self.unreadable.append(f"{one.name}: {why}"),
        )
        return (line.text for line in found)

    def logs(self, name: str, **_: Any) -> Iterator[bytes]:
        return iter(self.answers[name])

    def read(self, _: str, path: str, **__: Any) -> bytes:
        answer = self.answers.get(path.removeprefix("/containers/").removesuffix("/logs"))
        if isinstance(answer, Exception):
            raise answer
        if self.goes_away and answer is None:
            raise NoAnswerError("connection refused")
        return b"OK"


def test_a_log_that_cannot_be_read_is_told_before_the_first_line() -> None:
    logged = Logged({"mute": ApiError(501, "driver does not support reading"), "web": [b"1 a\n"]})
    lines = logged.lines()
    assert logged.unreadable == ["mute: cannot read the log of mute: driver does not support reading"]
    assert list(lines) == ["a"]


def test_an_engine_that_is_away_is_no_log_that_cannot_be_read() -> None:
    with pytest.raises(EngineUnavailableError):
        Logged({"web": NoAnswerError("refused")}).lines()


def test_lines_that_end_because_the_engine_went_away_end_with_an_error() -> None:
    lines = Logged({"web": [b"1 a\n"]}, goes_away=True).lines()
    assert next(lines) == "a"
    with pytest.raises(EngineUnavailableError, match="cannot read on in the logs"):
        next(lines)


def message(layer: str, current: int, total: int) -> dict[str, Any]:
    progress = {"current": current * 2**20, "total": total * 2**20}
    return {"status": "Downloading", "id": layer, "progressDetail": progress}


def test_progress_is_summed_over_the_layers_and_told_now_and_then() -> None:
    messages = [message("a", number % 10, 10) if number % 2 else message("b", 1, 5) for number in range(41)]
    assert list(_progress("x", iter(messages))) == ["1 of 5 MB", "10 of 15 MB", "10 of 15 MB"]


def test_what_goes_wrong_in_the_middle_of_a_pull_is_raised() -> None:
    messages = iter([{"status": "Pulling"}, message("a", 0, 10), {"error": "unexpected EOF"}])
    with pytest.raises(RegistryUnreachableError, match="cannot be reached"):
        list(_progress("x", messages))


def test_the_answer_to_a_pull_that_fails_is_read_to_its_end() -> None:
    messages = iter([{"error": "unexpected EOF"}, {"status": "Pulling"}])
    with pytest.raises(RegistryUnreachableError):
        list(_progress("x", messages))
    assert list(messages) == []


def test_the_layers_of_a_pull_are_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = ["web Pulling", *["f5bc9bd0728d Extracting"] * 30, "write /x: no space left on device"]
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in said) + "exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    lines: list[str] = []

    with pytest.raises(OperationError) as caught:
        DockerEngine().create(ComposeProject("shop", tmp_path / "compose.yaml", tmp_path), None, lines.append)

    assert lines == said
    assert (caught.value.code, caught.value.evidence) == ("disk_full", (said[0], said[-1]))


class HalfStarted(SocketTransport):
    """An engine that cannot start what one that died had begun to start; `asked` is what it was asked to do."""

    def __init__(self, refusal: str) -> None:
        super().__init__("unix:///nowhere")
        self.refusal = refusal
        self.asked: list[str] = []

    def call(self, method: str, path: str, **_: Any) -> Any:
        """Answer what the adapter asks for a start and for making a container anew."""
        if method != "GET":
            self.asked.append(f"{method} {path}")
        if path == f"/containers/{RAW['Id']}/start":
            raise ApiError(500, self.refusal)
        if path.startswith("/images/"):
            raise ApiError(NOT_FOUND, "no such image")
        return {"Id": "anew"} if path == "/containers/create" else RAW | {"HostConfig": {"NetworkMode": "x"}}


def start(transport: HalfStarted) -> None:
    engine = DockerEngine()
    vars(engine)["_api"] = transport
    engine.start_container(RAW["Id"])


def test_what_a_dead_engine_was_starting_is_made_anew() -> None:
    transport = HalfStarted(f"failed to create task for container: task {RAW['Id']}: already exists: unknown")
    start(transport)
    first = f"/containers/{RAW['Id']}"
    assert transport.asked == [
        f"POST {first}/start",
        f"DELETE {first}",
        "POST /containers/create",
        "POST /containers/anew/start",
    ]


def test_any_other_refusal_of_a_start_is_said() -> None:
    transport = HalfStarted("failed to create task for container: exec format error")
    with pytest.raises(OperationError, match="exec format error"):
        start(transport)
    assert len(transport.asked) == 1


class Starting(SocketTransport):
    """An engine that is starting a container for as long as the test likes, and meanwhile tells nothing of it."""

    def __init__(self) -> None:
        super().__init__("unix:///nowhere")
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.status = "created"

    def call(self, method: str, path: str, **_: Any) -> Any:
        """Answer what the adapter asks for a start, and for a reading of all."""
        if path.endswith("/start"):
            self.begun.set()
            assert self.may_end.wait(10)
            self.status = "running"
            self.begun.clear()
        assert not self.begun.is_set() or path in {"/containers/json", "/volumes"}, "it would wait"
        if path == "/containers/json":
            return [{"Id": RAW["Id"], "Labels": {}}]
        return RAW | {"State": {**RAW["State"], "Status": self.status}} if method == "GET" else None


def test_a_reading_does_not_wait_for_a_container_that_is_being_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transport, engine = Starting(), DockerEngine()
    vars(engine)["_api"] = transport
    monkeypatch.setattr(engine, "volumes", lambda _: ())
    thread = threading.Thread(target=engine.start_container, args=(RAW["Id"],))
    thread.start()
    assert transport.begun.wait(10)
    (before,) = engine.observe("shop").containers
    transport.may_end.set()
    thread.join()
    (after,) = engine.observe("shop").containers
    assert (before.state, after.state) == ("created", "running")
