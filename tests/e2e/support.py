"""A project of its own on the real engine, and the ways to look at it from outside."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import docker
import docker.errors
import pytest

from devenv.project import spare_name, successor_name
from tests.harness import REPOSITORY, DevenvProject, Outcome, Spawned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SERVICES = ("databasemaster", "mailcatcher", "backend", "taskrunner", "frontend")
OWNER = (1000, 1000) if os.getuid() == 0 else (os.getuid(), os.getgid())
"""Who the project's files belong to: as root we are somebody who called sudo."""
KEYS = ("frontend.port", "backend.port", "mail.port", "mail.smtp_port", "database.port")
POLL_SECONDS = 0.1
PATIENCE = 60.0
Found = TypeVar("Found")
LIVE: list[Stack] = []
"""The projects that exist now: what they look like is kept when a test fails."""


def compose(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Plain Docker Compose on a file."""
    argv = ["docker", "compose", "-f", str(file), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)


def until(look: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
    """What `look` gives once it is truthy; fails with `what` and the last look after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}; last seen: {found!r}")
        time.sleep(POLL_SECONDS)


def client() -> docker.APIClient:
    """The engine, as `docker.from_env` finds it; the caller closes it."""
    return docker.from_env().api


class Engine:
    """What the engine holds of one Compose project."""

    def __init__(self, api: docker.APIClient, project: str) -> None:
        self.api = api
        self.project = project

    def containers(self) -> list[dict[str, Any]]:
        """Every container that belongs to the project by label or name, one-off runs and builders too."""
        rows = self.api.containers(all=True)
        mine = [
            row
            for row in rows
            if self.project
            in ((row["Labels"] or {}).get("com.docker.compose.project"), row["Labels"].get("devenv.project"))
        ]
        found = []
        for row in mine:
            with suppress(docker.errors.NotFound):  # gone since it was listed
                found.append(self.api.inspect_container(row["Id"]))
        return found

    def services(self) -> dict[str, Any]:
        """The inspection of each service's container; the database's copies beside it are none."""
        copies = {f"/{spare_name(self.project)}", f"/{successor_name(self.project)}"}
        return {
            raw["Config"]["Labels"]["com.docker.compose.service"]: raw
            for raw in self.containers()
            if raw["Config"]["Labels"].get("com.docker.compose.oneoff") == "False"
            and raw["Name"] not in copies
        }

    def service(self, name: str) -> Any:
        """The inspection of one service's container, which must exist."""
        found = self.services()
        assert name in found, f"{name} has no container; there are {sorted(found)}"
        return found[name]

    def healths(self) -> dict[str, str]:
        """Health of every service that runs, else its state."""
        return {name: health(raw) for name, raw in self.services().items()}

    def settled(self) -> dict[str, str]:
        """The same, once every probe has said something: a service answers from outside before its probe does."""
        deadline = time.monotonic() + PATIENCE
        while "starting" in (found := self.healths()).values() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return found

    def starts(self) -> dict[str, tuple[str, str]]:
        """Which container each service has, and since when it runs."""
        return {name: (raw["Id"], raw["State"]["StartedAt"]) for name, raw in self.services().items()}

    def volumes(self) -> set[str]:
        """Names of the project's named volumes."""
        found = self.api.volumes()["Volumes"] or []
        return {
            row["Name"]
            for row in found
            if self.project
            in (
                (row["Labels"] or {}).get("devenv.project"),
                (row["Labels"] or {}).get("com.docker.compose.project"),
            )
        }

    def database_volumes(self) -> set[str]:
        """Names of the volumes with a database's data, whole or half."""
        layers = ("_upper", "_work")
        return {name for name in self.volumes() if "_database" in name and not name.endswith(layers)}

    def networks(self) -> set[str]:
        """Names of the project's networks."""
        rows = self.api.networks(filters={"label": f"com.docker.compose.project={self.project}"})
        return {row["Name"] for row in rows}

    def builders(self) -> list[str]:
        """Names of containers that are no service's; the server of an import is a copy of one that is."""
        return [
            name
            for raw in self.containers()
            if (name := raw["Name"].lstrip("/")) == successor_name(self.project)
            or raw["Config"]["Labels"].get("com.docker.compose.oneoff") != "False"
        ]

    def execute(self, container: str, *command: str, user: str = "", variable: str = "") -> tuple[int, str]:
        """Exit status and output of a command in a container.

        Not by the SDK: it loses what the engine sends together with the head of its answer, as it does where
        we are late to read (docker-py #3332).
        """
        options = [*(["--user", user] if user else []), *(["--env", variable] if variable else [])]
        result = subprocess.run(
            ["docker", "exec", *options, container, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=180,
            check=False,
        )
        return result.returncode, result.stdout.decode(errors="replace")

    def mysql(self, sql: str, database: str = "app") -> list[list[str]]:
        """The rows that a statement gives, asked for inside the database's container."""
        words = ("mysql", "-uroot", "--protocol=tcp", "-h127.0.0.1", "-N", "-B", "--raw")
        command = (*words, "--default-character-set=utf8mb4", database, "-e", sql)
        # On the command line the password would be warned of, in the middle of the rows.
        container = self.service("databasemaster")["Id"]
        status, output = self.execute(container, *command, variable="MYSQL_PWD=toor")
        assert status == 0, output
        return [line.split("\t") for line in output.splitlines()]

    def count(self, table: str) -> int:
        """Rows of a table of the application."""
        return int(self.mysql(f"SELECT COUNT(*) FROM `{table}`")[0][0])

    def log(self, service: str) -> str:
        """All that a service wrote."""
        raw: bytes = self.api.logs(self.service(service)["Id"])
        return raw.decode(errors="replace")

    def run_beside(self, image: str, *command: str, **options: Any) -> str:
        """Start a container in the project's network which no service is; its id."""
        network = f"{self.project}_default"
        attached: Any = {network: self.api.create_endpoint_config()}
        container = self.api.create_container(
            image,
            list(command) or None,
            labels={"devenv.project": self.project},
            networking_config=self.api.create_networking_config(attached),
            **options,
        )
        self.api.start(container["Id"])
        return str(container["Id"])

    def remove_service(self, name: str) -> None:
        """Remove a service's container, where it has one."""
        found = self.services().get(name)
        if found is not None:
            self.api.remove_container(found["Id"], force=True, v=True)

    def remove_all(self) -> None:
        """Remove whatever the project has: containers, volumes, networks."""
        for raw in self.containers():
            with suppress(docker.errors.APIError):
                self.api.remove_container(raw["Id"], force=True, v=True)
        for name in self.volumes():
            with suppress(docker.errors.APIError):
                self.api.remove_volume(name, force=True)
        for name in self.networks() | {f"{self.project}_default"}:
            with suppress(docker.errors.APIError):
                self.api.remove_network(name)


def health(raw: Mapping[str, Any]) -> str:
    """One word for an inspected container."""
    state = raw["State"]
    if state["Status"] != "running":
        return str(state["Status"])
    return str(state.get("Health", {}).get("Status", "running"))


@dataclass(frozen=True)
class Response:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(port: int, path: str = "/", method: str = "GET", **headers: str) -> Response:
    """Ask 127.0.0.1; raises OSError or HTTPException where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers={"Accept": "text/html, application/json", **headers})
        answer = connection.getresponse()
        return Response(
            answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        )
    finally:
        connection.close()


def tried(port: int, path: str = "/") -> Response | None:
    """The answer, or None where there is none."""
    try:
        return request(port, path)
    except (OSError, http.client.HTTPException):
        return None


def free_ports(count: int) -> list[int]:
    """Ports that nobody holds, below those the system gives to whoever connects to something."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


def copy_sources(target: Path) -> None:
    """`compose/` and `fixtures/` as a fresh clone would have them, the owner's."""
    argv = [
        "git",
        "-C",
        str(REPOSITORY),
        "ls-files",
        "-co",
        "--exclude-standard",
        "-z",
        "compose",
        "fixtures",
    ]
    listed = subprocess.run(argv, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target / name)
    give_to_owner(target)


def give_to_owner(folder: Path) -> None:
    """Everything below belongs to the owner, as it would in his own checkout."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *OWNER, follow_symlinks=False)


class Stack(DevenvProject):
    """A project in its own folder with its own name and ports, and its engine's view of it."""

    def __init__(self, root: Path, api: docker.APIClient, name: str | None = None) -> None:
        super().__init__(root)
        self.name = name or f"e2e-{uuid.uuid4().hex[:8]}"
        self.engine = Engine(api, self.name)
        self.configured = dict(zip(KEYS, free_ports(len(KEYS)), strict=True))
        self.settings: dict[str, Any] = {}
        self.changed = False
        self._pristine: dict[str, bytes] = {}
        self.configure()

    def configure(self, **sections: Any) -> None:
        """Write `devenv.yaml` with name and ports, these sections merged over it; without any, as it was."""
        self.settings = {"name": self.name}
        for key, port in self.configured.items():
            section, _, option = key.partition(".")
            self.settings.setdefault(section, {})[option] = port
        for key, value in sections.items():
            known = self.settings.get(key)
            self.settings[key] = {**known, **value} if isinstance(known, dict) else value
        self.write("devenv.yaml", json.dumps(self.settings, indent=2) + "\n")
        self.changed = True

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a part of a file, which must be in it; `restore` takes it back."""
        text = self.read(name)
        assert old in text, f"{name} does not hold {old!r}"
        self._pristine.setdefault(name, text.encode())
        self.write(name, text.replace(old, new))
        self.changed = True

    def restore(self) -> None:
        """Every file as it was."""
        for name, content in self._pristine.items():
            self.write(name, content)
        self._pristine.clear()
        self.configure()

    def port(self, key: str) -> int:
        """Where a service is published now, as the environment remembers it."""
        return int(self.memory["ports"][key])

    def page(self, path: str = "/", method: str = "GET") -> Response:
        """A page through Nginx."""
        return request(self.port("frontend.port"), path, method)

    def run(self, *arguments: str, **options: Any) -> Outcome:
        """As somebody who called sudo where we are root."""
        with _environment(self.variables):
            return super().run(*arguments, **options)

    def up(self, *arguments: str) -> Outcome:
        """`devenv up`, which must end 0."""
        return self.run("up", "--json", *arguments).ok()

    @contextmanager
    def spawned(self, *arguments: str) -> Iterator[Spawned]:
        """A process of its own, as `spawn`."""
        with self.spawn(*arguments, environment=self.variables) as process:
            yield process

    def call(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """A process of its own with a pipe as standard input, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "devenv", "-C", str(self.root), *arguments],
            input=stdin,
            capture_output=True,
            env={**os.environ, **self.variables},
            timeout=120,
            check=False,
        )

    def lasting(self, *arguments: str) -> float:
        """For how many seconds a command works when nobody kills it; it must end 0."""
        begun = time.monotonic()
        self.run(*arguments).ok()
        return time.monotonic() - begun

    @property
    def variables(self) -> dict[str, str]:
        """What sudo leaves in the environment."""
        return {"SUDO_UID": str(OWNER[0]), "SUDO_GID": str(OWNER[1])} if os.getuid() == 0 else {}

    def is_whole(self) -> bool:
        """Whether all five services run and are healthy."""
        found = self.engine.settled()
        return set(found) == set(SERVICES) and set(found.values()) == {"healthy"}

    def remove(self) -> None:
        """Nothing of it stays on the engine."""
        self.engine.remove_all()

    def keep_artifacts(self, folder: Path) -> None:
        """What helps to understand a failure: status, logs, the generated file."""
        target = folder / self.name
        target.mkdir(parents=True, exist_ok=True)
        for source in ("devenv.yaml", ".devenv/compose.yaml", ".devenv/environment.json"):
            if (self.root / source).is_file():
                shutil.copy(self.root / source, target / Path(source).name)
        with suppress(Exception):
            (target / "status.json").write_text(self.run("status", "--json").out, encoding="utf-8")
        for raw in self.engine.containers():
            name = raw["Name"].lstrip("/")
            kept = {key: raw[key] for key in ("State", "NetworkSettings")}
            (target / f"{name}.json").write_text(json.dumps(kept, indent=2), encoding="utf-8")
            with suppress(docker.errors.APIError):
                (target / f"{name}.log").write_bytes(self.engine.api.logs(raw["Id"], tail=500))


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def order_report(stack: Stack) -> dict[str, Any]:
    """Ask the application for a report, and wait until a worker drew it."""
    answer = stack.page("/api/reports/", "POST")
    assert answer.status == 202, answer.text
    url = answer.json["url"]

    def drawn() -> dict[str, Any] | None:
        report: dict[str, Any] = stack.page(url).json
        assert report["state"] != "failed", report
        return report if report["state"] == "ready" else None

    found = until(drawn, f"report {url} drawn by the taskrunner", 40)
    assert found is not None
    return found


def mail_subjects(stack: Stack) -> list[str]:
    """Subjects in the catcher, whichever of the two programs it is."""
    port = stack.port("mail.port")
    answer = request(port, "/messages", Accept="application/json")
    if answer.status != http.client.OK:
        answer = request(port, "/api/email", Accept="application/json")
    assert answer.status == http.client.OK, answer.text
    return [str(row["subject"]) for row in answer.json]


def seeded_rows() -> dict[str, int]:
    """Rows per table in the seed, which counts them in its `AUTO_INCREMENT`; migrations add to theirs."""
    import zstandard  # noqa: PLC0415 - only the tests of whole environments need it

    with zstandard.open(REPOSITORY / "fixtures" / "campaigns.sql.zst", "rt", encoding="utf-8") as stream:
        text = stream.read()
    tables = re.findall(r"CREATE TABLE `(\w+)`.*?AUTO_INCREMENT=(\d+)", text, re.DOTALL)
    return {table: int(following) - 1 for table, following in tables if table != "django_migrations"}


@dataclass(frozen=True)
class Snapshot:
    """All that the databases hold and are: definitions with their counters, rows, accounts."""

    definitions: dict[str, str]
    rows: dict[str, str]
    around: dict[str, list[list[str]]] = field(default_factory=dict)


def snapshot(engine: Engine) -> Snapshot:
    """Read everything that a seed makes; only the times at which migrations were applied are left out."""
    tables = [row[0] for row in engine.mysql("SHOW TABLES")]
    definitions = {
        table: "\n".join("\t".join(row) for row in engine.mysql(f"SHOW CREATE TABLE `{table}`"))
        for table in tables
    }
    names = ", ".join(f"`{table}`" for table in tables if table != "django_migrations")
    rows = {row[0]: row[1] for row in engine.mysql(f"CHECKSUM TABLE {names} EXTENDED")}
    rows["app.django_migrations"] = str(
        engine.mysql("SELECT id, app, name FROM django_migrations ORDER BY id")
    )
    around = {
        "databases": engine.mysql("SHOW DATABASES"),
        "accounts": engine.mysql("SELECT user, host FROM mysql.user ORDER BY user, host"),
        "routines": engine.mysql(
            "SELECT routine_schema, routine_name FROM information_schema.routines "
            "WHERE routine_schema <> 'sys' ORDER BY 1, 2"
        ),
        "triggers": engine.mysql(
            "SELECT trigger_schema, trigger_name FROM information_schema.triggers "
            "WHERE trigger_schema <> 'sys' ORDER BY 1, 2"
        ),
        "marker": engine.mysql("SELECT id FROM devenv.marker"),
    }
    return Snapshot(definitions, rows, around)
