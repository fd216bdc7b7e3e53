"""An environment of the benchmark's own, and the peer that does by hand what devenv does with its database."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors

from devenv.cli.app import default_wiring
from devenv.cli.context import Context
from devenv.database.seed import seed_inputs, seed_key
from devenv.database.snapshots import Snapshot, data_volume, worker_name
from devenv.images.obtain import Obtained, resolve_all
from devenv.images.resolve import Source
from devenv.operations.session import configured_ports
from devenv.project import spare_name
from devenv.services import mysql
from tests.bench.command import DEVENV, Command, output, run
from tests.bench.prober import Connection, answers, probing
from tests.e2e.support import Engine, Stack, free_ports, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from devenv.operations.session import Session

DATABASE = "databasemaster"
READY_SECONDS = 120.0
REMOVE_SECONDS = 60.0
SHUTDOWN_SECONDS = 300
BASE = "/base"
COPY = "/copy"
DUMPS = "/dumps"
DUMP = f"{DUMPS}/dump.sql"


class Environment(Stack):
    """A project in a temporary folder; its seed's snapshot is its own as well, and removed with it."""

    def __init__(
        self, api: docker.APIClient, name: str, seed: Mapping[str, str], database: Mapping[str, Any]
    ) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix=f"{name}-")), api, name)
        for file, text in seed.items():
            self.write(file, text)
        self.configure(database=dict(database))

    def command(self, *words: str) -> tuple[str, ...]:
        """devenv's command line on this project."""
        return (*DEVENV, "-C", str(self.root), *words)

    def devenv(self, *words: str) -> Command:
        """Run devenv to its end; raises RuntimeError with what it said if it fails."""
        return run(*self.command(*words))

    @property
    def database_port(self) -> int:
        """Where the database is published."""
        return self.port("database.port")

    @property
    def database(self) -> str:
        """The database's container."""
        return f"{self.name}-{DATABASE}-1"

    def prepare(self, words: Sequence[str]) -> None:
        """Run a command, if there is one, and wait until a spare that it started can take over."""
        if words:
            self.devenv(*words)
            until(lambda: self._health(spare_name(self.name)) == "healthy", "the spare is healthy")

    def _health(self, container: str) -> str:
        return str(self.engine.api.inspect_container(container)["State"]["Health"]["Status"])

    def wake(self) -> None:
        """Start the database where it does not run, and wait until it answers."""
        self.engine.api.start(self.database)
        with probing(self.database_port, "SELECT 1", answers) as prober:
            prober.wait(READY_SECONDS)

    def mark(self, sql: str) -> None:
        """Change the data, over a connection of its own."""
        with Connection(self.database_port, READY_SECONDS) as connection:
            connection.query(sql)

    def disk_used(self) -> int:
        """Bytes in use on the disk that the database's data lie on, all that is pending written out."""
        folder = "/var/lib/mysql"
        script = f"sync -f {folder} && df --output=used --block-size=1 {folder}"
        return int(output("docker", "exec", self.database, "sh", "-c", script).split()[-1])

    def remove(self, *, empty: bool = True) -> None:
        """Nothing of it stays: no container, volume, network, snapshot or file; the `empty` server's if wanted."""
        keys: set[str] = set()
        with suppress(Exception):  # where even the configuration cannot be read nothing was made
            keys = self._keys()
        if not empty:
            keys.discard(self._empty_key())
        shutil.rmtree(self.root, ignore_errors=True)
        deadline = time.monotonic() + REMOVE_SECONDS
        while True:
            with suppress(docker.errors.APIError, OSError):
                super().remove()
                left = [*self.engine.containers(), *self.engine.volumes(), *self.engine.networks()]
                left += [key for key in keys if self._holds_snapshot(key)]
                if not left:
                    return
            if time.monotonic() > deadline:
                raise RuntimeError(f"not all of {self.name} could be removed")
            # What an interrupted command asked of the engine may still be under way.
            time.sleep(0.5)

    def _holds_snapshot(self, key: str) -> bool:
        """Whether the engine still has something of the snapshot, after it was asked to remove it."""
        api = self.engine.api
        with suppress(docker.errors.NotFound):
            api.remove_container(worker_name(key), force=True, v=True)
        names = {Snapshot(key, 0, "", "", "").manifest, data_volume(key)}
        for name in names:
            with suppress(docker.errors.APIError):
                api.remove_volume(name)
        return any(row["Name"] in names for row in api.volumes()["Volumes"] or [])

    def forget_empty(self) -> None:
        """As on a machine on which nobody has started this server yet."""
        self._holds_snapshot(self._empty_key())

    def _empty_key(self) -> str:
        settings = self._session.settings
        database = settings.database
        options = (*mysql.server_flags(settings), database.root_password, *database.databases)
        return seed_key(seed_inputs((), (), self._database_content(), options))

    def _keys(self) -> set[str]:
        """Keys of the snapshots that commands on this project make: the seed's, and the empty server's."""
        session = self._session
        return {
            seed_key(session.seed_inputs(session.seed_steps(), self._database_content())),
            self._empty_key(),
        }

    @property
    def _session(self) -> Session:
        return Context(default_wiring(), folder=self.root).session()

    def _database_content(self) -> str:
        session = self._session
        memory = session.workspace.recall()
        ports = configured_ports(session.settings)
        project = session.project(ports, memory.generation, session.engine.info())
        resolutions = resolve_all(session.engine, session.image_order(project, memory))
        found = next(one for one in resolutions if one.key == mysql.IMAGE)
        present = session.engine.images([found.reference])[found.reference]
        source = found.source or Source.PRESENT
        return Obtained(found.key, found.reference, source, present.id).content


class Peer:
    """A server with devenv's image and options on a plain copy of a volume; health checks it has none.

    The volume is as a server leaves it that has loaded the dump: where devenv's snapshot has holes, it has zeros.
    """

    def __init__(self, environment: Environment, snapshot: str) -> None:
        self.name = f"{environment.name}-peer"
        self.engine = Engine(environment.engine.api, self.name)
        self.port = free_ports(1)[0]
        self.snapshot = data_volume(snapshot)
        self._base = f"{self.snapshot}:{BASE}:ro", f"{BASE}/data/."
        self._config = environment.engine.service(DATABASE)["Config"]
        self._label = f"devenv.project={self.name}"
        self._create_volume("dumps")

    @property
    def image(self) -> str:
        """The database's image."""
        return str(self._config["Image"])

    def prepare(self) -> None:
        """A new empty volume."""
        self._create_volume("data")

    def copy(self) -> None:
        """Copy the base's data into the volume."""
        volume, folder = self._base
        mounts = ("-v", volume, "-v", f"{self.name}_data:{COPY}")
        words = ("docker", "run", "--rm", "--network", "none", "--label", self._label, *mounts)
        run(*words, "--entrypoint", "cp", self.image, "-a", folder, f"{COPY}/")

    def settle(self, database: str) -> None:
        """Dump the database, load the dump, and make what the server leaves the base of all copies."""
        self.dump(database)
        self.load(database)
        self.engine.api.stop(self.name, timeout=SHUTDOWN_SECONDS)
        self._create_volume("base")
        mounts = ("-v", f"{self.name}_data:{COPY}:ro", "-v", f"{self.name}_base:{BASE}")
        words = ("docker", "run", "--rm", "--network", "none", "--label", self._label, *mounts)
        run(*words, "--entrypoint", "cp", self.image, "-a", f"{COPY}/.", f"{BASE}/")
        self.end()
        self._base = f"{self.name}_base:{BASE}:ro", f"{BASE}/."

    def start(self) -> None:
        """Start the server on the volume; it is not ready yet."""
        entrypoint, *first = self._config["Entrypoint"]
        variables = [word for pair in self._config["Env"] for word in ("-e", pair)]
        run(
            *("docker", "run", "--detach", "--name", self.name, "--label", self._label, *variables),
            *("-p", f"127.0.0.1:{self.port}:3306", "--entrypoint", entrypoint),
            *("-v", f"{self.name}_data:/var/lib/mysql", "-v", f"{self.name}_dumps:{DUMPS}"),
            *(self.image, *first, *(self._config["Cmd"] or ())),
        )

    def wait(self) -> None:
        """Until the server answers."""
        with probing(self.port, "SELECT 1", answers) as prober:
            prober.wait(READY_SECONDS)

    def dump(self, database: str) -> None:
        """Write a dump of the database, inside the container."""
        options = "-ubench -h127.0.0.1 --single-transaction --no-tablespaces"
        self._shell(f"mysqldump {options} {database} > {DUMP}")

    def fetch_dump(self, target: Path) -> None:
        """The dump as a file on this machine."""
        run("docker", "cp", f"{self.name}:{DUMP}", str(target))

    def load(self, database: str) -> float:
        """Load the dump into the database made anew; the seconds that it took."""
        client = "mysql -ubench -h127.0.0.1"
        recreate = f"{client} -e 'DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}'"
        return self._shell(f"{recreate} && {client} {database} < {DUMP}").seconds

    def end(self) -> None:
        """Remove the server and its data; the dump stays."""
        with suppress(docker.errors.NotFound):
            self.engine.api.remove_container(self.name, force=True, v=True)
        with suppress(docker.errors.NotFound):
            self.engine.api.remove_volume(f"{self.name}_data")

    def remove(self) -> None:
        """Nothing of it stays."""
        self.engine.remove_all()

    def _shell(self, script: str) -> Command:
        return run("docker", "exec", self.name, "sh", "-c", script)

    def _create_volume(self, what: str) -> None:
        self.engine.api.create_volume(f"{self.name}_{what}", labels={"devenv.project": self.name})


@contextmanager
def awake(environment: Environment) -> Iterator[None]:
    """The database runs in the block only: those that idle would disturb others with their health checks.

    It is killed, not paused: a health check that begins while a container is frozen blocks the engine.
    """
    environment.wake()
    try:
        yield
    finally:
        with suppress(docker.errors.APIError):  # it may have died, which the block then tells
            environment.engine.api.kill(environment.database)
