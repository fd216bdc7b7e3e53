"""A machine with nothing but Python, make and CA certificates types `make up` and has a proven environment.

The machine is a privileged container with its own engine storage, made from Debian packages and thrown away.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devenv.engine.apt import AptSource, read_apt_sources
from devenv.engine.host import HostCommand, run, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

pytestmark = [pytest.mark.bare, pytest.mark.docker]

REPOSITORY = Path(__file__).resolve().parents[2]
CHECKOUT = "/srv/devenv"
UP_SECONDS = 1200
INCLUDED = "python3,make,ca-certificates"

CA_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)
PLAIN_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
ADDRESS_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "NPM_CONFIG_REGISTRY", "npm_config_registry")

# PID 1 does what systemd does on a real machine with cgroup v2: it leaves the root group, so that the engine may
# hand out controllers to groups below it. With cgroup v1 there is nothing to do.
FIRST_PROCESS = """
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p /sys/fs/cgroup/init
    xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/init/cgroup.procs || :
    sed -e 's/ / +/g' -e 's/^/+/' < /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
fi
exec sleep infinity
"""


@dataclass(frozen=True)
class BareMachine:
    """The container that plays the machine."""

    name: str
    release: str
    artifacts: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, script: str, *, artifact: str | None = None, timeout: float = 120) -> tuple[int, str]:
        """Runs a shell script as root in the checkout; its output goes to a file as it comes."""
        variables = [word for key, value in self.environment.items() for word in ("--env", f"{key}={value}")]
        argv = ["docker", "exec", *variables, "--workdir", CHECKOUT, self.name, "sh", "-c", script]
        file = self.artifacts / (artifact or f"{uuid.uuid4().hex[:8]}.txt")
        with file.open("wb") as output:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        return done.returncode, file.read_text(encoding="utf-8", errors="replace")

    def document(self, command: str) -> dict[str, Any]:
        """The one JSON document a devenv command writes to standard output; it must end 0."""
        status, output = self.run(
            f".venv/bin/devenv {command} --json 2>/tmp/stderr || {{ s=$?; cat /tmp/stderr; exit $s; }}"
        )
        assert status == 0, output
        document = json.loads(output)
        assert isinstance(document, dict)
        return document

    def image_ids(self) -> list[str]:
        """Every image of the inner engine."""
        status, output = self.run("docker image ls --all --quiet --no-trunc")
        assert status == 0, output
        return sorted(set(output.split()))


@pytest.fixture(params=["bookworm", "trixie"])
def bare_machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BareMachine]:
    release: str = request.param
    token = uuid.uuid4().hex[:8]
    image, name = f"devenv-test-bare:{release}-{token}", f"devenv-test-bare-{release}-{token}"
    kept = os.environ.get("DEVENV_TEST_ARTIFACTS")
    artifacts = Path(kept) / f"bare-{release}" if kept else tmp_path
    artifacts.mkdir(parents=True, exist_ok=True)
    try:
        import_image(release, image)
        docker(
            *("run", "--detach", "--init", "--privileged", "--name", name, "--hostname", f"bare-{release}"),
            *("--volume", "/var/lib/docker", image, "sh", "-c", FIRST_PROCESS),
        )
        environment = carry_over(name)
        docker("cp", "-", f"{name}:/", stdin=archive(CHECKOUT.lstrip("/"), checkout()))
        yield BareMachine(name, release, artifacts, environment)
    finally:
        # --volumes: the inner engine's storage goes with its machine
        docker("rm", "--force", "--volumes", name, check=False)
        docker("image", "rm", "--force", image, check=False)


def test_make_up_on_a_bare_machine(
    bare_machine: BareMachine, record_property: Callable[[str, object], None]
) -> None:
    assert_bare(bare_machine)

    first = make_up(bare_machine, "make-up-1.log")
    images = bare_machine.image_ids()
    second = make_up(bare_machine, "make-up-2.log")

    assert bare_machine.image_ids() == images, "the second make up built or pulled something"
    assert images, "nothing runs on the inner engine"
    checked = bare_machine.document("check")
    assert checked["ok"] is True, checked
    status = bare_machine.document("status")
    services = {service["name"]: service["health"] for service in status["data"]["services"]}
    assert set(services) >= {"databasemaster", "mailcatcher", "backend", "taskrunner", "frontend"}
    assert set(services.values()) == {"healthy"}, services

    record_property("first_make_up_seconds", round(first, 1))
    record_property("second_make_up_seconds", round(second, 1))
    sys.stderr.write(f"\n{bare_machine.release}: make up {first:.1f} s, again {second:.1f} s\n")


def assert_bare(machine: BareMachine) -> None:
    """What would make the proof worthless is not there."""
    status, output = machine.run(
        "for program in docker dockerd docker-compose pip pip3 sudo git curl iptables; do command -v $program; done; "
        'for module in pip ensurepip; do python3 -c "import $module" 2>/dev/null && echo module $module; done; '
        'test -z "$(ls -A /var/lib/docker)" || echo engine storage is not empty; '
        "ls -d .venv .devenv /root/.docker 2>/dev/null; true"
    )
    assert (status, output) == (0, ""), f"not a bare machine: {output}"
    status, output = machine.run(
        "python3 -c 'import sys; print(sys.version_info[:2])' && make --version | head -1"
    )
    assert status == 0, output


def make_up(machine: BareMachine, artifact: str) -> float:
    """Seconds that `make up` took; it must end 0."""
    began = time.monotonic()
    status, output = machine.run("make up", artifact=artifact, timeout=UP_SECONDS)
    took = time.monotonic() - began
    if status != 0:
        _, state = machine.run(
            "tail -n 40 /var/log/devenv-dockerd.log; docker ps --all; "
            "for id in $(docker ps --all --quiet); do docker inspect --format '== {{.Name}} {{.State.Status}}' $id; "
            "docker logs --tail 15 $id; done; df -h / /var/lib/docker; free -m",
            artifact=f"{artifact}.state",
        )
        pytest.fail(
            f"make up ended with {status} after {took:.0f} s; all of it is in {machine.artifacts / artifact}\n"
            f"{tail(output, 80)}\n--- the machine:\n{tail(state, 80)}"
        )
    return took


def import_image(release: str, image: str) -> None:
    """A minimal Debian from packages, as an image of the outer engine."""
    builder = ("mmdebstrap", "--quiet", "--variant=minbase", f"--include={INCLUDED}", release, "-")
    with stream(HostCommand((*builder, *mirror(release)))) as root:
        subprocess.run(["docker", "import", "-", image], stdin=root, capture_output=True, check=True)


def mirror(release: str) -> tuple[str, ...]:
    """The source line for a release at this machine's own Debian mirror; mmdebstrap's own default elsewhere."""
    source: AptSource | None = next(
        (
            one
            for one in read_apt_sources()
            if {"bookworm", "trixie"} & set(one.suites) and "main" in one.components
        ),
        None,
    )
    if source is None:
        return ()
    options = "[trusted=yes] " if source.trusted else ""
    return tuple(f"deb {options}{uri} {release} main" for uri in source.uris)


def carry_over(name: str) -> dict[str, str]:
    """Gives the machine what every machine on this network has: its CA bundle, proxies and package index."""
    environment = {key: os.environ[key] for key in PLAIN_VARIABLES if os.environ.get(key)}
    for key in ADDRESS_VARIABLES:
        add_addresses(environment, key, os.environ.get(key, ""))
    certificates = {key: os.environ.get(key, "") for key in CA_VARIABLES}
    for key, value in pip_configuration().items():
        if key == "cert":
            certificates["PIP_CERT"] = certificates["PIP_CERT"] or value
        elif key in ("index-url", "extra-index-url"):
            add_addresses(environment, f"PIP_{key.replace('-', '_').upper()}", value)
    bundles: dict[str, bytes] = {}
    for key, value in certificates.items():
        if value and Path(value).is_file():
            bundles.setdefault(Path(value).resolve().name, Path(value).read_bytes())
            environment[key] = f"/etc/devenv-test/{Path(value).resolve().name}"
    if bundles:
        docker("cp", "-", f"{name}:/", stdin=archive("etc/devenv-test", bundles))
    return environment


def add_addresses(environment: dict[str, str], key: str, value: str) -> None:
    """Sets a variable to those of its addresses that mean something on another machine: not file://."""
    addresses = [word for word in value.split() if word.startswith(("http://", "https://"))]
    if addresses and key not in environment:
        environment[key] = " ".join(addresses)


def pip_configuration() -> dict[str, str]:
    """What pip's configuration files say, by option."""
    result = run(HostCommand((sys.executable, "-m", "pip", "config", "list")), check=False)
    found = {}
    for line in result.output.splitlines():
        key, separator, value = line.partition("=")
        if separator and key.startswith(("global.", "install.", "user.", "site.")):
            found[key.partition(".")[2]] = value.strip("'\"").replace("\\n", " ")
    return found


def checkout() -> dict[str, Path]:
    """The files of the repository as a fresh clone of the present state would have them."""
    argv = ["git", "-C", str(REPOSITORY), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(argv, capture_output=True, check=True).stdout.decode()
    names = (name for name in sorted(set(listed.split("\0"))) if name)
    return {name: REPOSITORY / name for name in names if (REPOSITORY / name).is_file()}


def archive(folder: str, files: Mapping[str, Path] | Mapping[str, bytes]) -> bytes:
    """A tar archive of files below a folder, all of them root's."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        top = tarfile.TarInfo(folder)
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(top)
        for name, source in files.items():
            content = source if isinstance(source, bytes) else source.read_bytes()
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime = len(content), int(time.time())
            entry.mode = 0o644 if isinstance(source, bytes) else source.stat().st_mode & 0o777
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def docker(*words: str, stdin: bytes | None = None, check: bool = True) -> None:
    """The outer engine; what it says is the error's evidence."""
    run(HostCommand(("docker", *words), stdin=stdin), check=check)


def tail(text: str, lines: int) -> str:
    return "\n".join(text.splitlines()[-lines:])
