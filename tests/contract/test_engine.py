"""What devenv asks of an engine, asked of the fake, and of Docker by both ways: all give the same answers."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from devenv.engine.api import BuildRequest, ComposeProject, ContainerRequest
from devenv.engine.observed import ExecResult, ObservedContainer, ObservedMount, ObservedPort, ObservedState
from devenv.errors import ImageError, OperationError, RegistryUnreachableError
from devenv.model import Label
from tests.e2e.support import until
from tests.fakes import FakeEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from devenv.engine.api import Engine
    from devenv.engine.observed import LogLine

NOWHERE = "127.0.0.1:1/devenv/nothing:1"
"""An image of a registry that does not answer."""
SERVER = "trap 'exit 7' TERM; echo one; echo two >&2; touch /tmp/ready; sleep infinity & wait"
PORT = 41873


def unexpected(container: ObservedContainer, error: OperationError) -> None:
    raise AssertionError(f"{container.service}: {error}")


@dataclass
class Place:
    """An engine, an image that is on it, and a name of our own for all that is made there."""

    engine: Engine
    image: str
    project: str
    folder: Path

    def name(self, what: str) -> str:
        return f"{self.project}-{what}"

    def run(self, what: str = "server", script: str = SERVER, **facts: object) -> str:
        """A container that runs a script, which got as far as it goes by itself."""
        request = ContainerRequest(self.name(what), self.image, ("sh", "-c", script), **facts)  # type: ignore[arg-type]
        identity = self.engine.run_container(request)
        if "/tmp/ready" in script:
            self.sh(identity, "until test -e /tmp/ready; do sleep 0.02; done")
        return identity

    def sh(self, container: str, script: str, stdin: list[bytes] | None = None) -> ExecResult:
        return self.engine.execute(container, ("sh", "-c", script), stdin=stdin)

    def compose(self, **services: str) -> ComposeProject:
        """A Compose project with these services, each given by lines in Compose's own words."""
        lines = [f"name: {self.project}", "services:"]
        for service, text in services.items():
            lines += [
                f"  {service}:",
                f"    image: {self.image}",
                "    init: true",
                "    stop_grace_period: 0s",
            ]
            lines += [f"    {line}" for line in text.splitlines()]
        lines += [
            "networks:",
            f"  default: {{name: {self.project}_default}}",
            "volumes:",
            f"  data: {{name: {self.project}_data, labels: {{{Label.PROJECT}: {self.project}}}}}",
        ]
        file = self.folder / ".devenv" / "compose.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join([*lines, ""]))
        return ComposeProject(self.project, file, self.folder)

    def logs(
        self,
        state: ObservedState,
        *,
        tail: int | None = None,
        follow: bool = False,
        on_unreadable: Callable[[ObservedContainer, OperationError], None] = unexpected,
    ) -> Iterator[LogLine]:
        """Its containers' lines, all of which are to be readable unless told otherwise."""
        return self.engine.logs(state, tail=tail, since=None, follow=follow, on_unreadable=on_unreadable)

    def one(self, service: str, number: int = 1) -> ObservedContainer:
        """A container of a service, as observed now."""
        return next(one for one in self.engine.observe(self.project).of(service) if one.number == number)

    def until(self, service: str, holds: Callable[[ObservedContainer], bool]) -> ObservedContainer:
        """Look until it holds; another container's clock sets the pace."""
        for _ in range(300):
            found = self.one(service)
            if holds(found):
                return found
            self.engine.execute(self.name("clock"), ("sleep", "0.05"))
        raise AssertionError(f"it never came about: {found}")


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout


def remove_all(project: str) -> None:
    """Whatever carries our own name, however the test ended."""
    for listing, removal in (
        (("ps", "--all", "--quiet"), ("rm", "--force", "--volumes")),
        (("volume", "ls", "--quiet"), ("volume", "rm", "--force")),
        (("network", "ls", "--quiet"), ("network", "rm")),
    ):
        found = docker(*listing, "--filter", f"name={project}").split()
        if found:
            docker(*removal, *found)
    images = docker("image", "ls", "--quiet", "--filter", f"reference={project}*").split()
    if images:
        docker("image", "rm", "--force", *images)


@pytest.fixture(params=["fake", "socket", "sdk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    project = f"devenv-test-{uuid.uuid4().hex[:8]}"
    if request.param == "fake":
        engine = FakeEngine()
        engine.add_image("devenv/base:test")
        yield Place(engine, "devenv/base:test", project, tmp_path)
        return
    docker_engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    image: str = request.getfixturevalue("base_image")
    try:
        yield Place(docker_engine, image, project, tmp_path)
    finally:
        remove_all(project)


def quiet(line: str) -> None:
    """Take a line of progress."""
    assert isinstance(line, str)


def test_it_says_who_it_is(place: Place) -> None:
    info = place.engine.info()
    assert info.major >= 20
    assert "://" in info.endpoint
    assert info.cpus >= 1
    assert info.memory_bytes > 2**28


def test_of_an_unknown_project_it_has_nothing(place: Place) -> None:
    assert place.engine.observe(place.project) == ObservedState()


# -- images


def test_an_image_is_there_or_not(place: Place) -> None:
    found = place.engine.images([place.image, NOWHERE])
    assert list(found) == [place.image]
    assert found[place.image].reference == place.image
    assert found[place.image].id.startswith("sha256:")
    assert place.engine.images([]) == {}


def test_a_registry_that_does_not_answer(place: Place) -> None:
    with pytest.raises(RegistryUnreachableError) as caught:
        place.engine.pull(NOWHERE, quiet)
    assert caught.value.code == "registry_unreachable"
    assert caught.value.message == f"the registry of {NOWHERE} cannot be reached"
    assert caught.value.evidence
    assert place.engine.images([NOWHERE]) == {}


def recipe(place: Place, *lines: str) -> Path:
    folder = place.folder / "recipe"
    folder.mkdir()
    (folder / "Dockerfile").write_text("\n".join(["ARG BASE", "FROM ${BASE}", *lines, ""]))
    return folder


def test_an_image_is_built_with_its_arguments_secrets_and_labels(place: Place) -> None:
    (place.folder / "secret").write_text("hush")
    check = 'RUN --mount=type=secret,id=word test "$(cat /run/secrets/word)" = hush && echo checked'
    tag = f"{place.project}:1"
    lines: list[str] = []
    request = BuildRequest(
        context=recipe(place, check),
        tag=tag,
        build_args={"BASE": place.image},
        secrets={"word": place.folder / "secret"},
        labels={"devenv.kind": "image"},
    )
    place.engine.build(request, lines.append)
    assert lines
    found = place.engine.images([tag])[tag]
    assert found.labels["devenv.kind"] == "image"


def test_a_build_that_fails_shows_its_last_lines(place: Place) -> None:
    tag = f"{place.project}:1"
    request = BuildRequest(recipe(place, "RUN echo so far && false"), tag, {"BASE": place.image})
    with pytest.raises(ImageError) as caught:
        place.engine.build(request, quiet)
    assert caught.value.code == "build_failed"
    assert tag in caught.value.message
    assert any("so far" in line for line in caught.value.evidence)
    assert place.engine.images([tag]) == {}


def test_a_root_file_system_becomes_an_image(place: Place) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo("etc/hello")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    data = stream.getvalue()
    tag = f"{place.project}:imported"
    place.engine.import_image(iter([data[:1000], data[1000:]]), tag, {"devenv.kind": "image"})
    assert place.engine.images([tag])[tag].labels["devenv.kind"] == "image"


# -- volumes and networks


def test_a_volume_is_made_once_and_observed_by_its_labels(place: Place) -> None:
    name = place.name("volume")
    labels = {Label.PROJECT: place.project, Label.KIND: "database"}
    place.engine.create_volume(name, labels)
    place.engine.create_volume(name, labels)
    (found,) = place.engine.observe(place.project).volumes
    assert (found.name, found.labels) == (name, labels)


def test_a_volume_is_removed_once(place: Place) -> None:
    name = place.name("volume")
    place.engine.create_volume(name, {Label.PROJECT: place.project})
    place.engine.remove_volume(name)
    place.engine.remove_volume(name)
    assert place.engine.observe(place.project).volumes == ()


def test_a_volume_without_our_label_is_not_observed(place: Place) -> None:
    place.engine.create_volume(place.name("volume"), {Label.PROJECT: "another"})
    assert place.engine.observe(place.project).volumes == ()


def test_a_volume_in_use_stays(place: Place) -> None:
    name = place.name("volume")
    place.engine.create_volume(name, {Label.PROJECT: place.project})
    place.run(volumes={name: "/data"})
    with pytest.raises(OperationError, match="in use"):
        place.engine.remove_volume(name)
    place.engine.remove_container(place.name("server"))
    assert [volume.name for volume in place.engine.observe(place.project).volumes] == [name]


def test_a_network_is_made_once(place: Place) -> None:
    name = place.name("network")
    place.engine.create_network(name, {Label.PROJECT: place.project})
    place.engine.create_network(name, {Label.PROJECT: place.project})
    place.run(network=name)


def test_what_two_remove_at_once_is_gone_for_both(place: Place) -> None:
    for _ in range(3):
        server = place.run()
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(place.engine.remove_container, server) for _ in range(4)]:
                assert done.result() is None
        assert place.engine.container_state(server) is None


def test_a_container_without_a_network_reaches_nobody(place: Place) -> None:
    assert place.sh(place.run(), "cat /proc/net/dev | grep -c eth; true").output.strip() in {"", "0"}


# -- single containers


def test_a_container_outside_compose_lives_and_goes(place: Place) -> None:
    name = place.name("server")
    assert place.engine.container_state(name) is None
    identity = place.run()
    assert place.engine.container_state(name) == "running"
    assert place.engine.container_state(identity) == "running"
    place.engine.remove_container(name)
    place.engine.remove_container(name)
    place.engine.remove_container(identity)
    assert place.engine.container_state(identity) is None


def test_a_container_outside_compose_is_not_observed(place: Place) -> None:
    place.run(labels={Label.PROJECT: place.project})
    assert place.engine.observe(place.project).containers == ()


def test_what_a_container_wrote(place: Place) -> None:
    place.run()
    name = place.name("server")
    assert sorted(place.engine.container_logs(name, 20)) == ["one", "two"]
    assert len(place.engine.container_logs(name, 1)) == 1


def test_how_a_container_ends_when_it_is_asked_to(place: Place) -> None:
    name = place.name("server")
    place.run()
    assert place.engine.stop_container(name, 10) == 7
    assert place.engine.container_state(name) == "exited"
    assert place.engine.stop_container(name, 10) == 7


def test_a_name_is_given_once(place: Place) -> None:
    place.run()
    with pytest.raises(OperationError, match="in use"):
        place.run()


def test_a_container_of_an_image_that_is_not_there(place: Place) -> None:
    place.image = f"{place.project}:missing"
    with pytest.raises(OperationError):
        place.run()
    assert place.engine.container_state(place.name("server")) is None


def test_a_command_inside(place: Place) -> None:
    identity = place.run()
    assert place.sh(identity, "echo hello; exit 3") == ExecResult(3, "hello\n")
    assert place.sh(identity, "echo oops >&2") == ExecResult(0, "oops\n")
    assert place.engine.execute(place.name("server"), ("echo", "a b", "c")) == ExecResult(0, "a b c\n")


def test_a_command_inside_gets_what_is_written_to_it(place: Place) -> None:
    identity = place.run()
    pieces = [b"one\n", b"two\n", "drei ß\n".encode()]
    assert place.sh(identity, "cat", stdin=pieces) == ExecResult(0, "one\ntwo\ndrei ß\n")


def test_a_command_that_stops_reading_ends_as_it_ends(place: Place) -> None:
    identity = place.run()
    endless = [b"x" * 100_000] * 50
    assert place.sh(identity, "exit 5", stdin=endless).exit_status == 5


def test_a_command_inside_gets_its_environment_and_the_containers(place: Place) -> None:
    identity = place.run(environment={"FIRST": "1", "SECOND": "2"})
    result = place.engine.execute(
        identity,
        ("sh", "-c", "printenv FIRST; printenv SECOND; printenv THIRD"),
        environment={"SECOND": "b", "THIRD": "c d"},
    )
    assert result == ExecResult(0, "1\nb\nc d\n")


@pytest.mark.parametrize("what", ["missing", "stopped"])
def test_a_command_inside_what_does_not_run(place: Place, what: str) -> None:
    name = place.name("server")
    if what == "stopped":
        place.run()
        place.engine.stop_container(name, 10)
    result = place.engine.execute(name, ("true",))
    assert result.exit_status != 0
    assert re.search("No such container|is not running", result.output)


def test_a_command_with_our_own_streams(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    identity = place.run()
    assert place.engine.attach(identity, ("sh", "-c", "echo hello; exit 4"), tty=False) == 4
    assert capfd.readouterr().out == "hello\n"


CALLS: dict[str, Callable[[Engine, str], object]] = {
    "start": lambda engine, name: engine.start_container(name),
    "restart": lambda engine, name: engine.restart_container(name, 1),
    "stop": lambda engine, name: engine.stop_container(name, 1),
    "log": lambda engine, name: engine.container_logs(name, 1),
}


@pytest.mark.parametrize("call", CALLS)
def test_nothing_can_be_done_to_a_container_that_is_not_there(place: Place, call: str) -> None:
    with pytest.raises(OperationError, match="No such container"):
        CALLS[call](place.engine, place.name("missing"))


# -- Compose

SLEEPER = "command: [sleep, infinity]"


def test_compose_creates_and_does_not_start(place: Place) -> None:
    labels = f"labels: {{{Label.PROJECT}: {place.project}, {Label.SPEC}: abc}}"
    volume = "volumes: [{type: volume, source: data, target: /data}]"
    file = place.compose(one=f"{SLEEPER}\n{labels}\n{volume}", two=f"{SLEEPER}\ndeploy: {{replicas: 2}}")
    place.engine.create(file, None, quiet)
    state = place.engine.observe(place.project)
    assert [
        (one.name, one.service, one.number, one.state) for one in (*state.of("one"), *state.of("two"))
    ] == [
        (f"{place.project}-one-1", "one", 1, "created"),
        (f"{place.project}-two-1", "two", 1, "created"),
        (f"{place.project}-two-2", "two", 2, "created"),
    ]
    (first,) = state.of("one")
    assert (first.spec, first.image, first.health) == ("abc", place.image, None)
    assert first.image_id == place.engine.images([place.image])[place.image].id
    assert first.volumes == {"/data": f"{place.project}_data"}
    assert (first.ports, first.started_at, first.is_running) == ({}, "", False)
    assert [volume.name for volume in state.volumes] == [f"{place.project}_data"]


def test_compose_leaves_alone_what_is_as_defined(place: Place) -> None:
    file = place.compose(one=SLEEPER, two=SLEEPER)
    place.engine.create(file, None, quiet)
    place.engine.start_container(place.one("one").id)
    before = {one.service: one.id for one in place.engine.observe(place.project).containers}
    place.engine.create(file, None, quiet)
    assert {one.service: one.id for one in place.engine.observe(place.project).containers} == before
    assert place.one("one").is_running
    place.compose(one=f"{SLEEPER}\nlabels: {{{Label.SPEC}: new}}", two=SLEEPER)
    place.engine.create(file, None, quiet)
    after = {one.service: one.id for one in place.engine.observe(place.project).containers}
    assert after["two"] == before["two"]
    assert after["one"] != before["one"]
    assert (place.one("one").state, place.one("one").spec) == ("created", "new")


def test_compose_creates_what_is_named_and_what_it_needs(place: Place) -> None:
    file = place.compose(one=SLEEPER, two=f"{SLEEPER}\ndepends_on: [one]", three=SLEEPER)
    place.engine.create(file, ["two"], quiet)
    assert {one.service for one in place.engine.observe(place.project).containers} == {"one", "two"}


def test_compose_leaves_replicas_alone_when_others_come_or_go(place: Place) -> None:
    def ids() -> set[str]:
        return {one.id for one in place.engine.observe(place.project).containers}

    place.engine.create(place.compose(one=SLEEPER), None, quiet)
    first = ids()
    place.engine.create(place.compose(one=f"{SLEEPER}\nscale: 3"), None, quiet)
    more = ids()
    place.engine.create(place.compose(one=f"{SLEEPER}\nscale: 2"), None, quiet)
    assert first < more
    assert len(more) == 3
    assert ids() < more
    assert len(ids()) == 2


def test_compose_removes_what_is_no_longer_defined(place: Place) -> None:
    place.engine.create(place.compose(one=SLEEPER, two=f"{SLEEPER}\ndeploy: {{replicas: 2}}"), None, quiet)
    place.engine.create(place.compose(two=SLEEPER), None, quiet)
    state = place.engine.observe(place.project)
    assert [one.service for one in state.containers] == ["two"], "which one stays is for Compose to choose"


def test_compose_takes_a_volume_and_a_network_that_we_made(place: Place) -> None:
    ours = {"com.docker.compose.project": place.project}
    volume = {Label.PROJECT: place.project, Label.KIND: "database"}
    place.engine.create_volume(
        f"{place.project}_data", {**volume, **ours, "com.docker.compose.volume": "data"}
    )
    place.engine.create_network(f"{place.project}_default", {**ours, "com.docker.compose.network": "default"})
    file = place.compose(one=f"{SLEEPER}\nvolumes: [{{type: volume, source: data, target: /data}}]")
    lines: list[str] = []
    place.engine.create(file, None, lines.append)
    assert not [line for line in lines if "already exists" in line or "warn" in line.lower()]
    assert place.engine.observe(place.project).volumes[0].labels[Label.KIND] == "database"


def test_compose_on_an_image_that_cannot_be_had(place: Place) -> None:
    place.image = NOWHERE
    with pytest.raises(OperationError) as caught:
        place.engine.create(place.compose(one=SLEEPER), None, quiet)
    assert caught.value.code == "registry_unreachable"
    assert caught.value.evidence
    assert place.engine.observe(place.project).containers == ()


def test_compose_makes_the_project_of_that_name_whatever_the_user_calls_his(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = f"{place.project}-other"
    (place.folder / ".env").write_text(f"COMPOSE_PROJECT_NAME={other}\n")
    place.engine.create(place.compose(one=SLEEPER), None, quiet)
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", other)
    place.engine.create(place.compose(one=SLEEPER, two=SLEEPER), None, quiet)
    assert {one.service for one in place.engine.observe(place.project).containers} == {"one", "two"}
    assert place.engine.observe(other).containers == ()


def test_compose_on_a_folder_that_is_not_there(place: Place) -> None:
    missing = f"{{type: bind, source: {place.folder}/missing, target: /x, bind: {{create_host_path: false}}}}"
    with pytest.raises(OperationError) as caught:
        place.engine.create(place.compose(one=f"{SLEEPER}\nvolumes: [{missing}]"), None, quiet)
    assert caught.value.code == "mount_missing"
    assert any("missing" in line for line in caught.value.evidence)
    assert not (place.folder / "missing").exists()


def test_start_stop_and_start_again(place: Place) -> None:
    file = place.compose(one=SLEEPER, two=SLEEPER)
    place.engine.create(file, None, quiet)
    for service in ("one", "two"):
        place.engine.start_container(place.one(service).id)
        place.engine.start_container(place.one(service).id)
    assert place.one("one").is_running
    assert place.one("one").is_healthy
    assert place.one("one").started_at != ""
    place.engine.stop_container(place.one("one").id, None)
    assert (place.one("one").state, place.one("two").state) == ("exited", "running")
    identity = place.one("one").id
    place.engine.start_container(identity)
    assert (place.one("one").id, place.one("one").state) == (identity, "running")


def test_a_restart_is_a_new_start_of_the_same_container(place: Place) -> None:
    place.engine.create(place.compose(one=SLEEPER), None, quiet)
    identity = place.one("one").id
    place.engine.restart_container(identity, 0)
    assert (place.one("one").id, place.one("one").state) == (identity, "running")


def test_health_begins_with_starting_and_says_what_the_probe_said(place: Place) -> None:
    place.run("clock", "sleep infinity")
    probe = "test: [CMD-SHELL, 'test -e /ready && echo here || {{ echo not yet; exit 1; }}']"
    pace = "interval: 100ms, timeout: 5s, retries: 2, start_period: 100ms"
    file = place.compose(one=f"{SLEEPER}\nhealthcheck: {{{probe.format()}, {pace}}}")
    place.engine.create(file, None, quiet)
    if isinstance(place.engine, FakeEngine):
        script_health(place.engine)
    place.engine.start_container(place.one("one").id)
    found = place.until("one", lambda one: one.health == "unhealthy")
    assert found.probe is not None
    assert (found.probe.exit_status, found.probe.output) == (1, "not yet")
    assert (found.is_healthy, found.is_unhealthy) == (False, True)
    place.engine.execute(found.id, ("touch", "/ready"))
    found = place.until("one", lambda one: one.health == "healthy")
    assert found.probe is not None
    assert (found.probe.exit_status, found.probe.output, found.is_healthy) == (0, "here", True)
    place.engine.stop_container(found.id, None)
    ended = place.one("one")
    assert (ended.is_running, ended.is_healthy, ended.is_unhealthy) == (False, False, False)


def script_health(engine: FakeEngine) -> None:
    """The fake runs no probes: it is told what they find."""
    from devenv.engine.observed import ProbeResult  # noqa: PLC0415 - only here
    from tests.fakes import STARTING, Turn, unhealthy  # noqa: PLC0415 - only here

    engine.scripts["one"] = [STARTING, unhealthy("not yet"), Turn("healthy", probe=ProbeResult(0, "here"))]


def test_how_a_service_ended(place: Place) -> None:
    place.run("clock", "sleep infinity")
    place.engine.create(place.compose(one="command: [sh, -c, 'echo bye; exit 9']"), None, quiet)
    if isinstance(place.engine, FakeEngine):
        from tests.fakes import exited  # noqa: PLC0415 - only here

        place.engine.scripts["one"] = [exited(9)]
    place.engine.start_container(place.one("one").id)
    found = place.until("one", lambda one: one.state == "exited")
    assert (found.exit_status, found.oom_killed, found.started_at) == (9, False, "")


def test_published_ports_and_who_holds_them(place: Place) -> None:
    port = f"{{target: 80, published: '{PORT}', host_ip: 127.0.0.1, protocol: tcp}}"
    file = place.compose(one=f"{SLEEPER}\nports: [{port}]")
    place.engine.create(file, None, quiet)
    assert PORT not in [holder.port for holder in place.engine.published_ports()]
    place.engine.start_container(place.one("one").id)
    (holder,) = [holder for holder in place.engine.published_ports() if holder.port == PORT]
    assert (holder.container, holder.project) == (f"{place.project}-one-1", place.project)
    assert place.one("one").ports == {80: PORT}
    place.engine.stop_container(place.one("one").id, None)
    # The engine's list lags a moment behind what it has done.
    until(
        lambda: PORT not in [holder.port for holder in place.engine.published_ports()],
        "the port is given back",
    )


def test_how_a_service_was_made(place: Place) -> None:
    text = f"""\
command: [sh, -c, "{SERVER}"]
user: "1000:1000"
environment: {{ONE: "1", TWO: a b}}
ports: [{{target: 80, published: {PORT}, host_ip: 127.0.0.1}}]
volumes: [{{type: volume, source: data, target: /data, read_only: true}}]
healthcheck: {{test: [CMD-SHELL, "true"], interval: 2s, timeout: 3s}}"""
    place.engine.create(place.compose(web=text), None, quiet)

    made = place.engine.definition(place.one("web").id)

    assert made.container_id == place.one("web").id
    assert made.image == place.image
    assert made.entrypoint == made.own.entrypoint
    assert made.command == ("sh", "-c", SERVER)
    assert made.user == "1000:1000"
    assert {"ONE": "1", "TWO": "a b"}.items() <= made.environment.items()
    assert made.mounts == (ObservedMount("/data", "volume", f"{place.project}_data", read_only=True),)
    assert made.ports == (ObservedPort(80, PORT, "127.0.0.1"),)
    assert "web" in made.aliases
    assert (made.memory, made.cpus, made.read_only) == (0, 0, False)
    assert made.health_test == ("CMD-SHELL", "true")
    assert made.health_times == {"interval": 2, "timeout": 3}


def test_what_is_not_there_was_not_made(place: Place) -> None:
    with pytest.raises(OperationError):
        place.engine.definition(place.name("nothing"))


def test_the_rest_of_a_project_goes_and_its_volumes_stay(place: Place) -> None:
    file = place.compose(one=f"{SLEEPER}\nvolumes: [{{type: volume, source: data, target: /data}}]")
    place.engine.create(file, None, quiet)
    place.engine.start_container(place.one("one").id)
    for _ in range(2):
        assert place.engine.remove_rest(place.project) == ()
        state = place.engine.observe(place.project)
        assert (state.containers, len(state.volumes)) == ((), 1)
    with pytest.raises(OperationError):
        place.run(network=f"{place.project}_default")


def test_a_network_that_somebody_else_is_on_stays(place: Place) -> None:
    if isinstance(place.engine, FakeEngine):
        return  # its networks have nobody on them
    place.engine.create(place.compose(one=SLEEPER), None, quiet)
    other = place.run(network=f"{place.project}_default")
    assert place.engine.remove_rest(place.project) == (f"{place.project}_default",)
    place.engine.remove_container(other)
    assert place.engine.remove_rest(place.project) == ()


def test_what_a_service_depends_on(place: Place) -> None:
    place.engine.create(place.compose(one=SLEEPER, two=f"{SLEEPER}\ndepends_on: [one]"), None, quiet)
    assert place.one("one").depends_on == frozenset()
    assert place.one("two").depends_on == frozenset({"one"})


def test_an_anonymous_volume_goes_with_its_container_or_stays(place: Place) -> None:
    if isinstance(place.engine, FakeEngine):
        return  # it knows none
    for goes in (True, False):
        place.engine.create(place.compose(one=f"{SLEEPER}\nvolumes: [/data]"), None, quiet)
        one = place.one("one")
        (volume,) = one.volumes.values()
        place.engine.remove_container(one.id, anonymous_volumes=goes)
        # Made anew it has these labels; one that is there keeps its own.
        found = place.engine.create_volume(volume, {Label.PROJECT: place.project})
        assert (Label.PROJECT in found.labels) is goes
        place.engine.remove_volume(volume)


def test_a_command_in_a_container_of_its_own(place: Place) -> None:
    file = place.compose(one=f"{SLEEPER}\nenvironment: {{FIRST: '1'}}\ndepends_on: [two]", two=SLEEPER)
    name = place.name("once")
    script = "echo out; echo err >&2; printenv FIRST; printenv SECOND; exit 6"
    result = place.engine.run_once(file, "one", ("sh", "-c", script), {"FIRST": "a", "SECOND": "b"}, name)
    assert result.exit_status == 6
    assert {"out", "err", "a", "b"} <= set(result.output.split()), "Compose adds lines of its own"
    assert place.engine.container_state(name) is None
    assert place.engine.run_once(file, "one", ("true",), {}, name).exit_status == 0
    assert place.engine.observe(place.project).containers == ()


def test_a_command_that_waits_until_it_is_released(place: Place) -> None:
    file = place.compose(one=f"{SLEEPER}\nentrypoint: [echo, not this]")
    name = place.name("once")
    script = "echo out; cat; printenv FIRST; exit 6"
    with place.engine.hold_once(file, "one", ("sh", "-c", script), {"FIRST": "a"}, name) as held:
        until(lambda: place.engine.container_state(name) == "running", "its container runs")
        result = held.release()
    assert result is not None
    assert result.exit_status == 6
    assert {"out", "a"} <= set(result.output.split())
    assert "not this" not in result.output
    assert place.engine.container_state(name) is None
    with place.engine.hold_once(file, "one", ("sleep", "infinity"), {}, name):
        until(lambda: place.engine.container_state(name) == "running", "its container runs")
    assert place.engine.container_state(name) is None
    with place.engine.hold_once(file, "one", ("sleep", "infinity"), {}, name) as held:
        until(lambda: place.engine.container_state(name) == "running", "its container runs")
        place.engine.remove_container(name)
        until(lambda: held.release() is None, "its client has ended")


def test_logs_are_merged_in_their_order(place: Place) -> None:
    place.run("clock", "sleep infinity")
    file = place.compose(one="command: [sh, -c, 'echo one; echo two']", two="command: [sh, -c, 'echo three']")
    place.engine.create(file, None, quiet)
    if isinstance(place.engine, FakeEngine):
        from tests.fakes import exited  # noqa: PLC0415 - only here

        place.engine.written += [("one", "one"), ("one", "two"), ("two", "three")]
        place.engine.scripts |= {"one": [exited(0)], "two": [exited(0)]}
    for service in ("one", "two"):
        place.engine.start_container(place.one(service).id)
        place.until(service, lambda one: one.state == "exited")
    state = place.engine.observe(place.project)
    lines = list(place.logs(state))
    assert [(line.service, line.text) for line in lines] == [("one", "one"), ("one", "two"), ("two", "three")]
    assert lines[0].container == f"{place.project}-one-1"
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    last = list(place.logs(state, tail=1))
    assert [line.text for line in last] == ["two", "three"]
    assert list(place.logs(state, tail=0)) == []
    followed = place.logs(state, follow=True)
    assert sorted(line.text for line in followed) == ["one", "three", "two"]


SERVICES = ("mute", "terminal", "gone", "loud")


@pytest.mark.parametrize("follow", [False, True])
def test_a_log_that_cannot_be_read_is_told_and_the_others_are_read(place: Place, *, follow: bool) -> None:
    place.run("clock", "sleep infinity")
    file = place.compose(
        mute="command: [sh, -c, 'echo one']\nlogging: {driver: none}",
        terminal="command: [sh, -c, 'echo four']\nlogging: {driver: none}\ntty: true",
        gone="command: [sh, -c, 'echo two']",
        loud="command: [sh, -c, 'echo three']",
    )
    place.engine.create(file, None, quiet)
    if isinstance(place.engine, FakeEngine):
        from tests.fakes import exited  # noqa: PLC0415 - only here

        place.engine.written += [("mute", "one"), ("terminal", "four"), ("gone", "two"), ("loud", "three")]
        place.engine.scripts |= {service: [exited(0)] for service in SERVICES}
    for service in SERVICES:
        place.engine.start_container(place.one(service).id)
        place.until(service, lambda one: one.state == "exited")
    state = place.engine.observe(place.project)
    place.engine.remove_container(place.one("gone").id)
    told: dict[str, str] = {}

    lines = place.logs(
        state, follow=follow, on_unreadable=lambda one, why: told.update({one.service: str(why)})
    )

    assert [line.text for line in lines] == ["three"]
    assert told.keys() == {"mute", "terminal", "gone"}
    for service in ("mute", "terminal"):
        assert "configured logging driver does not support reading" in told[service]
    assert "No such container" in told["gone"]
    with pytest.raises(OperationError, match="does not support reading"):
        place.engine.container_logs(place.one("mute").id, 5)


# -- data


def test_a_container_that_runs_to_its_end_and_is_gone(place: Place) -> None:
    name = place.name("worker")
    request = ContainerRequest(
        name,
        place.image,
        ("echo one; printenv WORD; exit 3",),
        entrypoint=("sh", "-c"),
        environment={"WORD": "two"},
        volumes={place.name("data"): "/data:ro"},
        user="0:0",
    )
    assert place.engine.run_to_end(request) == ExecResult(3, "one\ntwo\n")
    assert place.engine.container_state(name) is None
    assert place.engine.run_to_end(request).exit_status == 3


def test_a_container_that_cannot_start_is_not_left_behind(place: Place) -> None:
    options = {"type": "none", "o": "bind", "device": "/nowhere/at/all"}
    place.engine.create_volume(place.name("v"), {Label.PROJECT: place.project}, options)
    request = ContainerRequest(place.name("worker"), place.image, ("true",), volumes={place.name("v"): "/v"})
    with pytest.raises(OperationError):
        place.engine.run_to_end(request)
    assert place.engine.container_state(place.name("worker")) is None
    place.engine.remove_volume(place.name("v"))


@pytest.mark.parametrize(("privileged", "status"), [(False, 32), (True, 0)])
def test_only_a_privileged_container_may_change_mounts_and_sees_the_machine(
    place: Place, *, privileged: bool, status: int
) -> None:
    script = "unshare --mount true || exit 32\ngrep -q kthreadd /proc/2/comm || exit 33"
    request = ContainerRequest(place.name("worker"), place.image, ("sh", "-c", script), privileged=privileged)
    assert place.engine.run_to_end(request).exit_status == status


def test_nothing_runs_to_its_end_without_an_image(place: Place) -> None:
    with pytest.raises(OperationError):
        place.engine.run_to_end(ContainerRequest(place.name("worker"), NOWHERE, ("true",)))
    assert place.engine.container_state(place.name("worker")) is None


def test_a_volume_is_found_by_its_label(place: Place) -> None:
    label = f"devenv.test.{place.project}"
    assert place.engine.volumes(label) == ()
    second = place.engine.create_volume(place.name("b"), {label: "two"})
    first = place.engine.create_volume(place.name("a"), {label: "one", "other": "label"})
    place.engine.create_volume(place.name("c"), {"other": label})
    assert (first.name, first.labels) == (place.name("a"), {label: "one", "other": "label"})
    assert first.mountpoint.endswith(f"/{first.name}/_data")
    assert first.created != ""
    found = place.engine.volumes(label)
    assert [(one.name, one.labels, one.mountpoint) for one in found] == [
        (one.name, one.labels, one.mountpoint) for one in (first, second)
    ]
    assert [one.name for one in place.engine.volumes(f"{label}=two")] == [second.name]
    assert place.engine.volumes(f"{label}=three") == ()


def test_a_volume_that_exists_is_found_and_stays_as_it_is(place: Place) -> None:
    label = f"devenv.test.{place.project}"
    made = place.engine.create_volume(place.name("a"), {label: "one"})
    again = place.engine.create_volume(place.name("a"), {label: "two"})
    assert (again.name, again.labels, again.mountpoint) == (made.name, {label: "one"}, made.mountpoint)


def test_the_options_of_a_volume(place: Place) -> None:
    label = f"devenv.test.{place.project}"
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}
    assert place.engine.create_volume(place.name("a"), {label: ""}, options).options == options
    assert place.engine.create_volume(place.name("b"), {label: ""}).options == {}
    assert [one.options for one in place.engine.volumes(label)] == [options, {}]
    request = ContainerRequest(place.name("worker"), place.image, ("true",), volumes={place.name("a"): "/a"})
    assert place.engine.run_to_end(request).exit_status == 0


def on_volume(place: Place, name: str) -> ComposeProject:
    """A Compose project with a published service on the volume of that name, whose key stays the same."""
    ports = f"ports: [{{target: 80, published: '{PORT}', host_ip: 127.0.0.1, protocol: tcp}}]"
    mount = "volumes: [{type: volume, source: data, target: /data}]"
    project = place.compose(one=f"{SLEEPER}\n{ports}\n{mount}\nenvironment: {{WORD: kept}}", two=SLEEPER)
    text = project.file.read_text().replace(f"name: {place.project}_data", f"name: {name}")
    project.file.write_text(text)
    return project


def test_a_replaced_container_is_the_same_on_another_volume(place: Place) -> None:
    first, second = place.name("data-1"), place.name("data-2")
    for name in (first, second):
        place.engine.create_volume(name, {Label.PROJECT: place.project})
    file = on_volume(place, first)
    place.engine.create(file, None, quiet)
    place.engine.start_container(place.one("one").id)
    old, beside = place.one("one"), place.one("two")
    assert old.volumes == {"/data": first}
    identity = place.engine.replace_container(old.id, {first: second})
    new = place.one("one")
    assert (new.id, new.state, new.volumes) == (identity, "created", {"/data": second})
    assert new.id != old.id
    assert (new.name, new.number, new.image, new.image_id) == (old.name, old.number, old.image, old.image_id)
    assert new.labels == old.labels
    assert place.one("two").id == beside.id
    place.engine.start_container(identity)
    assert place.one("one").ports == {80: PORT}
    assert place.sh(identity, "printenv WORD") == ExecResult(0, "kept\n")
    assert {first, second} == {one.name for one in place.engine.observe(place.project).volumes}
    place.engine.remove_volume(first)


def test_compose_takes_a_replaced_container_for_its_own(place: Place) -> None:
    first, second = place.name("data-1"), place.name("data-2")
    place.engine.create(on_volume(place, first), None, quiet)
    identity = place.engine.replace_container(place.one("one").id, {first: second})
    place.engine.start_container(identity)
    file = on_volume(place, second)
    place.engine.create(file, None, quiet)
    assert place.one("one").id == identity
    assert place.one("one").is_running
    place.engine.remove_rest(place.project)
    assert place.engine.observe(place.project).containers == ()


def test_a_replaced_container_is_found_by_its_service_name(place: Place) -> None:
    first, second = place.name("data-1"), place.name("data-2")
    place.engine.create(on_volume(place, first), None, quiet)
    for service in ("one", "two"):
        place.engine.start_container(place.one(service).id)
    place.engine.start_container(place.engine.replace_container(place.one("one").id, {first: second}))
    assert place.sh(place.one("two").id, "getent hosts one").exit_status == 0


@pytest.mark.parametrize("ended", [None, lambda: True, lambda: False], ids=["unknown", "heard", "not heard"])
def test_a_duplicate_takes_the_place_of_a_container(place: Place, ended: Callable[[], bool] | None) -> None:
    first, second = place.name("data-1"), place.name("data-2")
    for name in (first, second):
        place.engine.create_volume(name, {Label.PROJECT: place.project})
    place.engine.create(on_volume(place, first), None, quiet)
    for service in ("one", "two"):
        place.engine.start_container(place.one(service).id)
    old = place.one("one")

    spare = place.engine.duplicate_container(old.id, place.name("spare"), {first: second})

    beside = next(one for one in place.engine.observe(place.project).containers if one.id == spare)
    assert (beside.name, beside.service, beside.number) == (place.name("spare"), "one", old.number + 1)
    assert (beside.volumes, beside.ports, beside.addresses) == ({"/data": second}, {}, {})
    assert (beside.spec, beside.image, beside.image_id) == (old.spec, old.image, old.image_id)
    assert place.sh(spare, "printenv WORD") == ExecResult(0, "kept\n")
    assert place.one("one").id == old.id

    place.engine.substitute_container(old.id, spare, ended)

    new = place.one("one", 2)
    assert (new.id, new.name, new.state) == (spare, old.name, "running")
    assert (new.volumes, new.ports) == ({"/data": second}, old.ports)
    assert place.engine.container_state(place.name("spare")) is None
    assert place.sh(place.one("two").id, "getent hosts one").exit_status == 0


def test_a_container_gets_another_name_unless_that_is_taken(place: Place) -> None:
    place.engine.create(on_volume(place, place.name("data-1")), None, quiet)
    one, two = place.one("one"), place.one("two")
    with pytest.raises(OperationError):
        place.engine.rename_container(one.id, two.name)
    place.engine.rename_container(one.id, place.name("renamed"))
    assert (place.one("one").id, place.one("one").name) == (one.id, place.name("renamed"))


def test_compose_takes_a_substitute_for_its_own_and_it_can_be_replaced(place: Place) -> None:
    first, second, third = (place.name(f"data-{number}") for number in (1, 2, 3))
    place.engine.create(on_volume(place, first), None, quiet)
    place.engine.start_container(place.one("one").id)
    spare = place.engine.duplicate_container(place.one("one").id, place.name("spare"), {first: second})
    place.engine.substitute_container(place.one("one").id, spare)
    place.engine.create(on_volume(place, second), None, quiet)
    assert place.one("one", 2).id == spare
    replaced = place.engine.replace_container(spare, {second: third})
    place.engine.start_container(replaced)
    assert place.one("one", 2).ports == {80: PORT}
    project = on_volume(place, third)
    place.engine.create(project, None, quiet)
    assert place.one("one", 2).id == replaced
    # One of another definition is called by its number.
    project.file.write_text(project.file.read_text().replace("kept", "changed"))
    place.engine.create(project, None, quiet)
    assert place.one("one", 2).name == f"{place.project}-one-2"
    place.engine.remove_rest(place.project)
    assert place.engine.observe(place.project).containers == ()


def test_a_duplicate_that_does_not_start_is_removed(place: Place) -> None:
    volume = place.name("data-1")
    place.engine.create(on_volume(place, volume), None, quiet)
    old = place.one("one")
    place.engine.start_container(old.id)
    nowhere = {"type": "none", "o": "bind", "device": "/nowhere/data"}
    place.engine.create_volume(place.name("data-2"), {Label.PROJECT: place.project}, nowhere)

    with pytest.raises(OperationError):
        place.engine.duplicate_container(old.id, place.name("spare"), {volume: place.name("data-2")})

    assert place.engine.container_state(place.name("spare")) is None
    assert place.engine.container_state(old.id) == "running"


def test_what_is_not_there_cannot_be_duplicated_or_substituted(place: Place) -> None:
    with pytest.raises(OperationError):
        place.engine.duplicate_container(place.name("nothing"), place.name("spare"), {})
    with pytest.raises(OperationError):
        place.engine.substitute_container(place.name("nothing"), place.name("spare"))


def test_what_is_not_there_cannot_be_replaced(place: Place) -> None:
    with pytest.raises(OperationError):
        place.engine.replace_container(place.name("nothing"), {})


def test_a_commands_output_as_a_stream(place: Place) -> None:
    server = place.run()
    script = ("sh", "-c", "echo one; printenv WORD")
    assert b"".join(place.engine.execute_stream(server, script, environment={"WORD": "two"})) == b"one\ntwo\n"
    with pytest.raises(OperationError) as caught:
        list(place.engine.execute_stream(server, ("sh", "-c", "echo broken >&2; exit 4")))
    assert caught.value.code == "command_failed"
    assert caught.value.message.startswith("sh ended with exit status 4 in ")
    assert caught.value.evidence == ("broken",)


def test_what_happens_to_a_container_ends_a_wait(place: Place) -> None:
    with place.engine.watch() as news:
        if news is None:  # who is told nothing looks by himself
            assert isinstance(place.engine, FakeEngine)
            return
        begun = time.monotonic()
        place.run(labels={Label.PROJECT: place.project})
        news.wait(10)
        place.engine.remove_container(place.name("server"))
        news.wait(10)
        assert time.monotonic() - begun < 10


def test_somebody_else_can_end_a_wait(place: Place) -> None:
    with place.engine.watch() as news:
        if news is None:
            assert isinstance(place.engine, FakeEngine)
            return
        begun = time.monotonic()
        news.tell()
        news.wait(10)
        assert time.monotonic() - begun < 5


def test_a_conversation_with_a_command(place: Place) -> None:
    server = place.run()
    with place.engine.converse(server, ("cat",)) as cat:
        assert cat.write(b"one\ntwo\n")
        assert [cat.read_line(), cat.read_line()] == ["one", "two"]
        # More than any pipe holds, and nobody reads it meanwhile.
        assert all(cat.write(b"x" * 999 + b"\n") for _ in range(1000))
        assert cat.write("drei ß\n".encode())
        assert cat.end() == ExecResult(0, ("x" * 999 + "\n") * 1000 + "drei ß\n")
        assert cat.read_line() is None
        assert not cat.write(b"four\n")


@pytest.mark.parametrize("what", ["ended", "missing"])
def test_a_conversation_with_nobody(place: Place, what: str) -> None:
    server = place.run() if what == "ended" else place.name("missing")
    with place.engine.converse(server, ("sh", "-c", "echo bye >&2; exit 3")) as found:
        line = found.read_line()
        assert line == "bye" if what == "ended" else "No such container" in str(line)
        assert found.read_line() is None
        result = found.end()
        assert (result.exit_status, result.output) == (3 if what == "ended" else 1, "")


def test_a_file_is_written_into_a_container_and_over_another(place: Place) -> None:
    server = place.run()
    for text in ("one\ntwo", ""):
        pieces = [text[:3].encode(), text[3:].encode()]
        place.engine.put_file(server, "/tmp/found", pieces, len(text))
        result = place.engine.execute(server, ("cat", "/tmp/found"))
        assert result.output.splitlines() == text.splitlines()


def test_a_file_says_when_it_was_written(place: Place) -> None:
    server, begun = place.run(), time.time()
    assert place.engine.modified(server, "/tmp/found") is None
    place.engine.put_file(server, "/tmp/found", [b"x"], 1)
    modified = place.engine.modified(server, "/tmp/found")
    assert modified is not None
    assert int(begun) <= modified <= time.time()


def test_no_file_is_written_where_there_is_no_folder(place: Place) -> None:
    server = place.run()
    with pytest.raises(OperationError) as caught:
        place.engine.put_file(server, "/nowhere/found", [b"x"], 1)
    assert caught.value.code == "engine_refused"
