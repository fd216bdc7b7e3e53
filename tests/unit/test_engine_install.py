"""What `devenv setup` decides for which machine, as the text it shows; and that the steps are done as they say."""

from __future__ import annotations

import stat
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from devenv.engine.apt import (
    AptSource,
    parse_deb822_sources,
    parse_one_line_sources,
    parse_pinned,
    read_apt_sources,
)
from devenv.engine.host import HostCommand, run, stream
from devenv.engine.install import execute, setup_lock, setup_report
from devenv.engine.machine import Machine, parse_os_release
from devenv.engine.setup_plan import SOURCES_FILE, SetupStep, StartEngine, WriteFile, plan_setup
from devenv.errors import EngineUnavailableError, OperationError

if TYPE_CHECKING:
    from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BOOKWORM = AptSource(("http://mirror.test/debian",), ("bookworm", "bookworm-updates"), ("main",), KEYRING)
SECURITY = AptSource(("http://mirror.test/debian-security",), ("bookworm-security",), ("main",), KEYRING)

DEBIAN_12 = Machine(
    distribution="debian",
    version="12",
    codename="bookworm",
    packages=frozenset({"ca-certificates"}),
    apt_sources=(SECURITY, BOOKWORM),
    keyring=KEYRING,
    engine_reason="there is no docker command",
)
DEBIAN_13 = replace(DEBIAN_12, version="13", codename="trixie", apt_sources=())
UBUNTU = replace(
    DEBIAN_13, distribution="ubuntu", version="24.04", codename="noble", distribution_like=("debian",)
)
READY = replace(
    DEBIAN_12,
    docker="/usr/bin/docker",
    dockerd="/usr/sbin/dockerd",
    engine="26.1.5",
    engine_reason="",
    engine_runs=True,
    compose="2.26.1",
    buildx="0.13.1",
    mmdebstrap="/usr/bin/mmdebstrap",
    packages=frozenset({"ca-certificates", "docker.io", "mmdebstrap"}),
)
STOPPED = replace(READY, engine=None, engine_reason="Cannot connect to the Docker daemon", engine_runs=False)

APT = "env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3"
START_DETACHED = """\
start the engine as a process of its own that logs to /var/log/devenv-dockerd.log
  because {cause}
  sh -c 'nohup setsid dockerd >>/var/log/devenv-dockerd.log 2>&1 </dev/null &'
  wait until docker version answers, at most 60 s"""


def as_user(machine: Machine) -> Machine:
    return replace(machine, is_root=False, has_sudo=True, user="ada")


def text(machine: Machine) -> str:
    return "\n".join(str(step) for step in plan_setup(machine))


def titles(machine: Machine) -> list[str]:
    return [step.title for step in plan_setup(machine)]


def commands(machine: Machine) -> list[str]:
    return [str(step.action) for step in plan_setup(machine) if isinstance(step.action, HostCommand)]


def written(machine: Machine) -> dict[str, str]:
    actions = (step.action for step in plan_setup(machine))
    return {action.path: action.content for action in actions if isinstance(action, WriteFile)}


def test_debian_12_bare_root() -> None:
    assert text(DEBIAN_12) == (
        f"""\
add Debian 13 as a package source
  because Debian 12 has no Compose v2; the address is that of this machine's own Debian source
  write /etc/apt/sources.list.d/devenv-trixie.sources
      Types: deb
      URIs: http://mirror.test/debian
      Suites: trixie
      Components: main
      Signed-By: {KEYRING}
pin docker.io docker-cli docker-compose docker-buildx to Debian 13
  because only these come from Debian 13; everything else stays as it is
  write /etc/apt/preferences.d/devenv-trixie
      Package: docker.io docker-cli docker-compose docker-buildx
      Pin: release n=trixie
      Pin-Priority: 990

      Package: *
      Pin: release n=trixie
      Pin-Priority: 100
read the package lists
  because the packages to install have to be known to apt
  {APT} update
install docker.io docker-cli docker-compose docker-buildx mmdebstrap
  because a Docker engine, the docker command, Compose v2, buildx not found; \
mmdebstrap builds the base image where no registry can be reached
  {APT} install -y --no-install-recommends docker.io docker-cli docker-compose docker-buildx mmdebstrap
"""
        + START_DETACHED.format(cause="it was just installed")
    )


def test_debian_12_without_root_uses_sudo_and_opens_the_socket_to_the_present_shell() -> None:
    machine = as_user(DEBIAN_12)
    plan = text(machine)
    assert commands(machine) == [
        f"sudo {APT} update",
        f"sudo {APT} install -y --no-install-recommends docker.io docker-cli docker-compose docker-buildx acl mmdebstrap",
        "sudo usermod -aG docker ada",
        "sudo setfacl -m u:ada:rw /var/run/docker.sock",
    ]
    assert "  sudo write /etc/apt/preferences.d/devenv-trixie\n" in plan
    assert "  sudo sh -c 'nohup setsid dockerd" in plan
    assert "because this shell was started before the group was joined" in plan


def test_where_root_cannot_be_had_nothing_is_planned() -> None:
    with pytest.raises(OperationError, match="root's rights") as caught:
        plan_setup(replace(DEBIAN_12, is_root=False))
    assert caught.value.code == "need_root"


@pytest.mark.parametrize(
    ("machine", "install"),
    [
        (DEBIAN_13, "docker.io docker-cli docker-compose docker-buildx mmdebstrap"),
        (
            replace(DEBIAN_13, version="", codename="sid"),
            "docker.io docker-cli docker-compose docker-buildx mmdebstrap",
        ),
        (UBUNTU, "docker.io docker-compose-v2 docker-buildx mmdebstrap"),
        (
            replace(UBUNTU, distribution="linuxmint", distribution_like=("ubuntu", "debian"), version="22"),
            "docker.io docker-compose-v2 docker-buildx mmdebstrap",
        ),
    ],
)
def test_a_distribution_with_compose_v2_needs_no_other_source(machine: Machine, install: str) -> None:
    assert titles(machine) == [
        "read the package lists",
        f"install {install}",
        "start the engine as a process of its own that logs to /var/log/devenv-dockerd.log",
    ]


def test_the_certificates_the_engine_pulls_with_are_part_of_it() -> None:
    assert "docker-buildx ca-certificates mmdebstrap" in text(replace(DEBIAN_13, packages=frozenset()))


def test_everything_there_needs_nothing() -> None:
    assert plan_setup(READY) == ()
    assert plan_setup(replace(READY, system="Darwin", distribution="", mmdebstrap=None)) == ()
    assert plan_setup(replace(READY, endpoint="ssh://far", endpoint_chosen=True)) == ()


def test_only_compose_missing_gets_only_compose_and_leaves_the_engine_alone() -> None:
    machine = replace(READY, compose=None, engine="20.10.24", packages=READY.packages | {"docker-compose"})
    assert written(machine)["/etc/apt/preferences.d/devenv-trixie"].startswith("Package: docker-compose\n")
    assert commands(machine)[1:] == [f"{APT} install -y --no-install-recommends docker-compose"]
    assert "version 1, and this replaces it" in text(machine)
    assert "start the engine" not in text(machine)


def test_what_an_earlier_run_pinned_stays_pinned() -> None:
    pinned = ("docker.io", "docker-cli")
    machine = replace(READY, compose=None, pinned=pinned)
    assert "Package: docker.io docker-cli docker-compose\n" in text(machine)


def test_plugins_for_dockers_own_packages_come_from_their_repository() -> None:
    machine = replace(READY, compose=None, buildx=None, packages=frozenset({"docker-ce", "docker-ce-cli"}))
    assert titles(machine)[-1] == "install docker-compose-plugin docker-buildx-plugin ca-certificates"
    assert written(machine) == {}


def test_a_stopped_engine_is_only_started() -> None:
    cause = "it is here and does not answer: Cannot connect to the Docker daemon"
    assert text(STOPPED) == START_DETACHED.format(cause=cause)
    assert (
        text(replace(STOPPED, systemd=True))
        == f"""\
start the engine through systemd
  because {cause}
  systemctl enable --now docker
  wait until docker version answers, at most 60 s"""
    )
    assert titles(replace(STOPPED, distribution="fedora")) == titles(STOPPED)


def test_a_user_without_access_gets_access_and_the_engine_is_left_alone() -> None:
    denied = as_user(replace(READY, engine=None, engine_reason="permission denied while trying to connect"))
    packages = denied.packages | {"acl"}
    assert titles(replace(denied, packages=packages)) == [
        "add ada to the group docker",
        "open the engine's socket to ada now",
    ]
    assert titles(replace(denied, packages=packages, in_docker_group=True)) == [
        "open the engine's socket to ada now"
    ]
    assert titles(denied)[1] == "install acl"


def test_a_dead_engines_socket_that_denies_access_is_no_running_engine() -> None:
    stopped = as_user(replace(STOPPED, engine_reason="permission denied while trying to connect"))
    assert any(isinstance(step.action, StartEngine) for step in plan_setup(stopped))


def test_a_socket_of_another_machine_that_denies_access_is_opened_and_nothing_else() -> None:
    """As in a container for development that has the host's mounted: no engine is installed beside it."""
    mounted = replace(READY, dockerd=None, engine=None, engine_runs=False, in_container=True)
    denied = as_user(replace(mounted, engine_reason="permission denied while trying to connect"))
    assert titles(denied) == ["read the package lists", "install acl", "open the engine's socket to ada now"]


def test_the_base_images_tool_alone_is_optional_and_never_asks_for_the_impossible() -> None:
    machine = replace(READY, mmdebstrap=None)
    assert titles(machine) == ["read the package lists", "install mmdebstrap"]
    assert all(step.optional for step in plan_setup(machine))
    assert plan_setup(replace(machine, is_root=False)) == ()


@pytest.mark.parametrize(
    ("machine", "hint"),
    [
        (Machine(system="Darwin"), "Docker Desktop, OrbStack or Colima"),
        (Machine(system="Windows"), "Docker Desktop, or Docker Engine inside WSL2"),
        (Machine(distribution="fedora"), "sudo dnf install moby-engine"),
        (Machine(distribution="endeavouros", distribution_like=("arch",)), "sudo pacman -S docker"),
        (Machine(distribution="alpine"), "apk add docker"),
        (Machine(distribution="opensuse-leap"), "sudo zypper install docker"),
        (Machine(distribution="debian", version="11"), "Docker Engine 23 or newer"),
        (Machine(distribution="ubuntu", version="20.04"), "Docker Engine 23 or newer"),
        (replace(READY, distribution="fedora", compose=None), "sudo dnf install"),
        (replace(STOPPED, system="Darwin"), "Docker Desktop, OrbStack or Colima"),
    ],
)
def test_elsewhere_the_product_to_install_is_named(machine: Machine, hint: str) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        plan_setup(machine)
    assert hint in (caught.value.hint or "")


def test_a_chosen_engine_that_does_not_answer_is_never_replaced() -> None:
    machine = replace(DEBIAN_12, endpoint="tcp://build:2375", endpoint_chosen=True, engine_reason="no route")
    with pytest.raises(EngineUnavailableError, match="tcp://build:2375 does not answer: no route"):
        plan_setup(machine)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "deb http://10.0.0.7:3142/debian bookworm main contrib",
            f"URIs: http://10.0.0.7:3142/debian|{KEYRING}",
        ),
        (
            "deb [arch=amd64 signed-by=/etc/k.gpg] https://m.test/d bookworm main # ours",
            "URIs: https://m.test/d|/etc/k.gpg",
        ),
        (
            "deb [trusted=yes] file:/srv/mirror bookworm main",
            f"URIs: file:/srv/mirror|Trusted: yes|{KEYRING}",
        ),
        (
            (
                "# deb http://no.test/d bookworm main\ndeb-src http://no.test/d bookworm main\n"
                "deb cdrom:[Debian] bookworm main\ndeb http://yes.test/d bookworm main"
            ),
            f"URIs: http://yes.test/d|{KEYRING}",
        ),
    ],
)
def test_debian_13s_address_follows_a_one_line_source(source: str, expected: str) -> None:
    machine = replace(DEBIAN_12, apt_sources=parse_one_line_sources(source))
    assert_source(machine, expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            (
                "Types: deb deb-src\nURIs: http://a.test/debian http://b.test/debian\nSuites: bookworm bookworm-updates\n"
                "Components: main\nSigned-By: /etc/k.gpg\n"
            ),
            "URIs: http://a.test/debian http://b.test/debian|/etc/k.gpg",
        ),
        (
            (
                "# a comment\nTypes: deb\nURIs:\n http://a.test/debian\n# another\n http://b.test/debian\nSuites: bookworm\n"
                "Components: main\n"
            ),
            f"URIs: http://a.test/debian http://b.test/debian|{KEYRING}",
        ),
        (
            (
                "Enabled: no\nTypes: deb\nURIs: http://no.test/d\nSuites: bookworm\nComponents: main\n\n"
                "Types: deb\nURIs: http://yes.test/d\nSuites: bookworm\nComponents: main\nSigned-By:\n"
                " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n xyz\n"
            ),
            "URIs: http://yes.test/d|\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n xyz",
        ),
    ],
)
def test_debian_13s_address_follows_a_deb822_source(source: str, expected: str) -> None:
    machine = replace(DEBIAN_12, apt_sources=parse_deb822_sources(source))
    assert_source(machine, expected)


def assert_source(machine: Machine, expected: str) -> None:
    uris, *trusted, key = expected.split("|")
    lines = ["Types: deb", uris, "Suites: trixie", "Components: main", *trusted]
    separator = "" if key.startswith("\n") else " "
    assert written(machine)[SOURCES_FILE] == "\n".join([*lines, f"Signed-By:{separator}{key}", ""])


def test_security_alone_is_no_address() -> None:
    with pytest.raises(EngineUnavailableError, match="no network source for bookworm"):
        plan_setup(replace(DEBIAN_12, apt_sources=(SECURITY,)))


def test_someones_own_debian_13_source_is_neither_doubled_nor_given_a_priority() -> None:
    own = replace(BOOKWORM, suites=("trixie",), file="/etc/apt/sources.list")
    machine = replace(DEBIAN_12, apt_sources=(BOOKWORM, own))
    assert list(written(machine)) == ["/etc/apt/preferences.d/devenv-trixie"]
    assert "Package: *" not in text(machine)
    ours = replace(own, file=SOURCES_FILE)
    assert written(replace(DEBIAN_12, apt_sources=(BOOKWORM, ours))) == written(DEBIAN_12)


def test_apt_sources_are_read_in_both_formats(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://a.test/d bookworm main\n")
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "b.sources").write_text("Types: deb\nURIs: http://b.test/d\nSuites: x\nComponents: main\n")
    (parts / "c.list.disabled").write_text("deb http://c.test/d bookworm main\n")
    assert [source.uris for source in read_apt_sources(tmp_path)] == [
        ("http://a.test/d",),
        ("http://b.test/d",),
    ]
    assert read_apt_sources(tmp_path / "nothing") == ()


def test_small_files_are_understood() -> None:
    assert parse_os_release('ID=debian\n# x=y\nVERSION_ID="12"\n') == {"ID": "debian", "VERSION_ID": "12"}
    assert parse_pinned(written(DEBIAN_12)["/etc/apt/preferences.d/devenv-trixie"]) == (
        "docker.io",
        "docker-cli",
        "docker-compose",
        "docker-buildx",
    )


def test_the_report_names_what_an_environment_runs_on() -> None:
    report = setup_report(READY)
    assert (report.engine, report.compose, report.buildx) == ("26.1.5", "2.26.1", "0.13.1")
    with pytest.raises(EngineUnavailableError, match="Compose v2"):
        setup_report(replace(READY, compose=None))


# --- doing it


def step(title: str, *argv: str, optional: bool = False) -> SetupStep:
    return SetupStep(title, "a test", HostCommand(argv), optional=optional)


def test_each_step_is_announced_before_it_is_done(tmp_path: Path) -> None:
    file = tmp_path / "etc.conf"
    seen: list[tuple[str, bool]] = []
    write = SetupStep("write", "a test", WriteFile(str(file), "new\n"))
    execute((write,), lambda one: seen.append((one.title, file.exists())), lock=tmp_path / "lock")
    assert seen == [("write", False)]
    assert file.read_text() == "new\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_file_that_is_as_wanted_is_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "etc.conf"
    file.write_text("same\n")
    before = file.stat().st_mtime_ns
    execute((SetupStep("w", "t", WriteFile(str(file), "same\n")),), lambda _: None, lock=tmp_path / "lock")
    assert file.stat().st_mtime_ns == before


def test_a_failing_step_ends_the_setup_and_shows_what_optional_ones_said(tmp_path: Path) -> None:
    steps = (
        step("lists", "sh", "-c", "echo broken mirror; exit 100", optional=True),
        step("packages", "sh", "-c", "echo no such package; exit 100"),
        step("never", "sh", "-c", f"touch {tmp_path}/never"),
    )
    with pytest.raises(OperationError) as caught:
        execute(steps, lambda _: None, lock=tmp_path / "lock")
    assert caught.value.evidence == ("lists: sh ended with exit status 100: broken mirror", "no such package")
    assert not (tmp_path / "never").exists()
    assert execute(steps[:1], lambda _: None, lock=tmp_path / "lock") == (caught.value.evidence[0],)


def test_a_setup_that_waited_for_another_does_only_what_is_left(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    announced: list[str] = []
    left = (step("left", "true"),)
    asked = threading.Event()

    def replan() -> tuple[SetupStep, ...]:
        asked.set()
        return left

    second = threading.Thread(
        target=execute,
        args=((step("mine", "true"), *left), lambda one: announced.append(one.title)),
        kwargs={"lock": lock, "replan": replan},
    )
    with setup_lock(lock) as waited:
        assert waited is False
        second.start()
        assert not asked.wait(timeout=0.3)
    second.join(timeout=10)
    assert announced == ["left"]


def test_a_failing_command_brings_its_last_lines_and_its_shell_line() -> None:
    with pytest.raises(OperationError) as caught:
        run(HostCommand(("sh", "-c", "seq 1 30; echo end >&2; exit 3")))
    assert caught.value.evidence == (*(str(n) for n in range(12, 31)), "end")
    assert caught.value.detail == {"command": "sh -c 'seq 1 30; echo end >&2; exit 3'"}
    assert run(HostCommand(("cat",), stdin=b"given")).output == "given"
    assert run(HostCommand(("cat",))).output == ""


def test_a_missing_program_and_one_that_hangs_are_errors() -> None:
    with pytest.raises(OperationError, match="no-such-program is not on this machine"):
        run(HostCommand(("no-such-program",)))
    with pytest.raises(OperationError, match="did not end within") as caught:
        run(HostCommand(("sh", "-c", "echo here; exec sleep 60")), timeout=0.3)
    assert caught.value.evidence == ("here",)


def test_root_is_asked_from_sudo_and_named_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = HostCommand(("id", "-u"), root=True)
    assert str(command) == "sudo id -u"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("devenv.engine.host.SYSTEM_FOLDERS", ())
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\necho "sudo: a password is required" >&2\nexit 1\n')
    sudo.chmod(0o755)
    (tmp_path / "id").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(OperationError, match="sudo refused: a password is required") as caught:
        run(command)
    assert caught.value.code == "need_root"
    sudo.write_text('#!/bin/sh\nprintf "%s\\n" "$*"\n')
    assert run(command).output == f"-n {tmp_path}/id -u\n"
    sudo.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperationError, match="root's rights are needed for: sudo id -u") as caught:
        run(command)
    assert caught.value.code == "need_root"


def test_a_stream_is_read_while_it_runs_and_fails_with_its_command() -> None:
    with stream(("sh", "-c", "echo data")) as output:
        assert output.read() == b"data\n"
    with (
        pytest.raises(OperationError, match="exit status 7") as caught,
        stream(("sh", "-c", "echo why >&2; exit 7")) as output,
    ):
        output.read()
    assert caught.value.evidence == ("why",)


def test_a_streams_own_failure_goes_before_its_readers() -> None:
    def read_broken(argv: tuple[str, ...]) -> None:
        with stream(argv) as output:
            output.read(1)
            raise ValueError("truncated")

    with pytest.raises(OperationError, match="exit status 7"):
        read_broken(("sh", "-c", "echo x; exit 7"))
    began = time.monotonic()
    with pytest.raises(ValueError, match="truncated"):
        read_broken(("sh", "-c", "echo x; exec sleep 60"))
    assert time.monotonic() - began < 30, "the command was waited for, not ended"
