"""The first start, images present: devenv with its seed, and Compose with the image's own initialisation."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import zstandard

from tests.bench.command import output, run
from tests.bench.environment import Environment
from tests.harness import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    import docker

    from tests.bench.lifecycle import Times

MIGRATE = "python manage.py migrate"
INITIAL = "/docker-entrypoint-initdb.d/10-seed.sql"
SEEDS = "fixtures/*.sql.zst"


def seeded(api: docker.APIClient, name: str) -> Environment:
    """An environment with the reference seed, and one line more, so that no snapshot has it yet."""
    seed = [str(REPOSITORY / SEEDS), "mark.sql", {"run": MIGRATE, "service": "backend"}]
    return Environment(api, name, {"mark.sql": f"-- {name}\nDO 1;\n"}, {"seed": seed})


def first_start(api: docker.APIClient, name: str, times: Times) -> None:
    """One start from nothing by the one, and one by the other.

    By devenv twice: where no environment ever started this server, and where one did, or the image was
    pulled or built by devenv, which initialises an empty server meanwhile.
    """
    environment = seeded(api, f"{name}-new")
    try:
        environment.forget_empty()
        times.add("first up, new server", environment.devenv("up").seconds)
    finally:
        environment.remove(empty=False)
    environment = seeded(api, name)
    try:
        times.add("first up", environment.devenv("up").seconds)
        file = _stock(environment)
        run(*environment.command("down"))
        times.add("compose first up", _by_hand(file))
    finally:
        environment.remove()


def _by_hand(file: Path) -> float:
    """Compose alone: the database with the seed, the migrations, all the rest; the seconds that it took."""
    compose = ("docker", "compose", "--file", str(file))
    begun = time.monotonic()
    try:
        run(*compose, "up", "-d", "--wait", "databasemaster")
        run(*compose, "run", "--rm", "--no-deps", "-T", "backend", *MIGRATE.split())
        run(*compose, "up", "-d", "--wait")
        return time.monotonic() - begun
    finally:
        run(*compose, "down", "--volumes")


def _stock(environment: Environment) -> Path:
    """The generated file with the database as its image starts by itself, the seed in its folder for that."""
    generated = str(environment.root / ".devenv/compose.yaml")
    config: dict[str, Any] = json.loads(
        output("docker", "compose", "--file", generated, "config", "--format", "json")
    )
    config["name"] = f"{environment.name}-stock"
    for service in config["services"].values():
        service["labels"] = {"devenv.project": environment.name}
    for kind in ("volumes", "networks"):
        for key, one in config[kind].items():
            config[kind][key] = {
                "name": f"{one['name']}-stock",
                "labels": {"devenv.project": environment.name},
            }
    seed = environment.root / "seed.sql"
    packed = min(REPOSITORY.glob(SEEDS)).read_bytes()
    seed.write_bytes(zstandard.ZstdDecompressor().decompress(packed, max_output_size=1 << 30))
    database = config["services"]["databasemaster"]
    del database["entrypoint"]
    database["command"] = ["mysqld", *database["command"]]
    database["volumes"].append({"type": "bind", "source": str(seed), "target": INITIAL, "read_only": True})
    return environment.write("stock.json", json.dumps(config))
