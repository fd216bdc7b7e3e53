"""`databasemaster`: MySQL, reachable as `database`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from devenv.model import Mount, PublishedPort, Question, Service
from devenv.services.probes import healthcheck, mysql_probe

if TYPE_CHECKING:
    from devenv.config.settings import Settings
    from devenv.services.placement import Placement

NAME = "databasemaster"
IMAGE = "database"
"""The key of its image."""
PORT = 3306
VOLUME = "database"
"""The key of the volume with its data."""
DATA_DIRECTORY = "/var/lib/mysql"

FAST_FLAGS = (
    "--skip-name-resolve",
    "--skip-log-bin",
    "--loose-mysqlx=OFF",
    "--performance-schema=OFF",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--loose-innodb-redo-log-capacity=64M",
    "--innodb-rollback-segments=8",
)
"""Development trades durability for speed and memory: 528 -> 230 MB, start 0.65 -> 0.45 s. `loose` options
are passed over by servers that do not know them. A redo log below 32 MB would slow imports 1.7 times. Each start
reads every rollback segment, of which one serves 1,024 transactions at once: with 8 in place of 128 it is 13 %
shorter, and a branch 11 MB smaller."""


START_SCRIPT = f"""\
if [ -d {DATA_DIRECTORY}/mysql ]; then
  chown mysql: {DATA_DIRECTORY} && exec mysqld --user=mysql "$@"
fi
exec docker-entrypoint.sh mysqld "$@"
"""
"""Data that are there need no preparation: the official entrypoint runs `mysqld --verbose --help` some 17
times before it finds that out, which costs as much as the server's own start. The folder itself may be a new
layer, which the engine makes as root's; nothing below it may be touched, or it would be copied."""


OPTIONS = MappingProxyType({"time_zone": "default-time-zone"})
"""Variables whose option is called otherwise."""


def parameter_flags(settings: Settings) -> tuple[str, ...]:
    """Production's parameter group as server options, by name."""
    named = {
        OPTIONS.get(name) or name.replace("_", "-"): value
        for name, value in settings.database.parameters.items()
    }
    return tuple(
        f"--{name}" + ("" if value is None else f"={parameter_text(value)}")
        for name, value in sorted(named.items())
    )


def server_flags(settings: Settings) -> tuple[str, ...]:
    """All options of the server; production's parameters come last and therefore win."""
    return (*FAST_FLAGS, *parameter_flags(settings))


def define(settings: Settings, placement: Placement) -> Service:
    """The database on its named volume; a fresh volume gets the marker from the image's first start."""
    database = settings.database
    return Service(
        name=NAME,
        image=IMAGE,
        entrypoint=("sh", "-c", START_SCRIPT, "mysqld"),
        command=server_flags(settings),
        environment=MappingProxyType(
            {"MYSQL_ROOT_PASSWORD": database.root_password, "MYSQL_DATABASE": database.databases[0]}
        ),
        mounts=(
            Mount(VOLUME, DATA_DIRECTORY, is_bind=False),
            Mount(
                placement.seed_marker,
                "/docker-entrypoint-initdb.d/zz-devenv-marker.sql",
                is_bind=True,
                read_only=True,
            ),
        ),
        ports=(PublishedPort(placement.port("database.port", database.port), PORT, settings.bind, "mysql"),),
        healthcheck=healthcheck(mysql_probe(), questions=(Question(PORT, "mysql"),)),
        aliases=database.aliases,
        stop_grace_period=30,
    )


def parameter_text(value: object) -> str:
    """A parameter's value as the server reads it."""
    return {True: "ON", False: "OFF"}.get(value, str(value)) if isinstance(value, bool) else str(value)
