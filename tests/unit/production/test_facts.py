"""Facts from the engine's report and from the model: what is rendered of a model is the same as the model."""

from __future__ import annotations

from devenv.engine.docker.definitions import container_definition
from devenv.engine.observed import ObservedMount
from devenv.production.combine import read_manifest
from devenv.production.compare import compare
from devenv.production.facts import PortFact, of_container, of_project
from devenv.render import compose
from tests.samples import IMAGES, PLACEMENT, project

INSPECTED = {
    "Id": "0123456789abcdef",
    "Image": "sha256:1",
    "Config": {
        "Image": "shop/backend:1", "User": "1000:1000", "Entrypoint": ["entrypoint"], "Cmd": None,
        "Env": ["PATH=/bin", "DB_PWD=toor", "EMPTY="],
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 2_000_000_000, "Retries": 5},
    },
    "HostConfig": {
        "PortBindings": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18000"}], "53/udp": [{"HostIp": "", "HostPort": "53"}], "9/tcp": None},
        "RestartPolicy": {"Name": "no"}, "Memory": 2**29, "NanoCpus": 1_500_000_000, "ReadonlyRootfs": True, "Tmpfs": {"/tmp": ""},
    },
    "Mounts": [
        {"Type": "volume", "Name": "shop_generated", "Source": "/var/lib/x", "Destination": "/opt/app/generated_content", "RW": True},
        {"Type": "bind", "Source": "/srv/app", "Destination": "/opt/app", "RW": False},
    ],
    "NetworkSettings": {"Networks": {"shop_default": {"Aliases": ["backend", "shop-backend-1", "0123456789ab"]}}},
}  # fmt: skip
IMAGE = {
    "RepoDigests": ["shop/backend@sha256:abc"],
    "Config": {"Entrypoint": ["entrypoint"], "Cmd": ["web"], "User": "app", "Env": ["PATH=/bin"], "Volumes": {"/opt/app/generated_content": {}}, "Labels": None},
}  # fmt: skip


def test_what_the_engine_says_of_a_container() -> None:
    defined = project(PLACEMENT, backend={"image": "shop/backend:1"}).service("backend")
    facts = of_container(defined, [container_definition(INSPECTED, IMAGE)] * 2, "shop/backend:1")
    assert (facts.replicas, facts.image, facts.is_built, facts.digests) == (
        2,
        "shop/backend:1",
        False,
        ("sha256:abc",),
    )
    assert (facts.entrypoint, facts.command, facts.own_command) == (None, (), ("web",))
    assert (facts.user, facts.own_user) == ("1000:1000", "app")
    assert facts.environment == {"DB_PWD": "toor", "EMPTY": ""}
    assert facts.mounts == (
        ObservedMount("/opt/app/generated_content", "volume", "shop_generated"),
        ObservedMount("/opt/app", "bind", "/srv/app", read_only=True),
        ObservedMount("/tmp", "tmpfs"),
    )
    assert facts.ports == (PortFact(8000, 18000, "127.0.0.1", wanted=8000), PortFact(53, 53, "", "udp"))
    assert facts.names == {"backend", "shop-backend-1"}
    assert (facts.memory, facts.cpus, facts.restart, facts.read_only) == (2**29, 1.5, "", True)
    assert facts.health_times == {"interval": 2, "retries": 5}
    assert "toor" not in repr(facts)


def test_a_model_that_is_written_down_and_read_back_has_no_drift() -> None:
    """What an export promises, with the one that is there already: the Compose file for this machine."""
    defined = project(
        database={"parameters": {"sql_mode": "ANSI", "slow_query_log": True}}, taskrunner={"replicas": 3}
    )
    text = compose.render(defined, IMAGES, start_interval=True)
    facts = of_project(defined, IMAGES, {"sql_mode": "ANSI", "slow_query_log": True})

    found = compare(read_manifest({"compose.yaml": text}, "compose.yaml"), facts)

    assert [str(row) for row in found.drift] == []
    rows = {row.what: row for row in found.rows}
    assert rows["taskrunner.replicas"].production == "3"
    assert rows["database.parameters.sql_mode"].verdict == "same"
