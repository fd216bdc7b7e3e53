"""An export, and an environment, on real swarms of one node and of three.

Where the kernel has no IPVS the routing mesh leads nowhere, and devenv publishes on each node itself; where it
has, every node answers by the mesh. A visitor sees the same, and it is what he sees that is tested.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from tests.e2e.support import LIVE, SERVICES, Stack, until
from tests.e2e.swarm import Node, swarm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness import Outcome

ALL = ("--with", "databasemaster", "--with", "mailcatcher")
SECRETS = {"SECRET_KEY": "e2e", "DB_PWD": "e2e", "MYSQL_ROOT_PASSWORD": "e2e"}
DEPLOY_SECONDS = 240
MESH = Path("/proc/net/ip_vs").exists()


@dataclass
class Images:
    """The images that the shared environment runs."""

    database: str
    mailcatcher: str
    backend: str
    frontend: str


@pytest.fixture(scope="module")
def images(born_stack: Stack) -> Images:
    services = {"database": "databasemaster", "mailcatcher": "mailcatcher", "backend": "backend"}
    services["frontend"] = "frontend"
    return Images(
        **{key: born_stack.engine.service(name)["Config"]["Image"] for key, name in services.items()}
    )


@pytest.fixture(scope="module")
def node(images: Images) -> Iterator[Node]:
    with swarm(1, tuple(vars(images).values())) as (only,):
        yield only


@dataclass
class Environment:
    """A project whose engine is a swarm's manager."""

    stack: Stack
    nodes: list[Node]

    def run(self, *words: str) -> Outcome:
        """One command line, on the swarm."""
        return (
            self.stack.run(*words, "--on", "swarm", "--timeout", str(DEPLOY_SECONDS))
            if words[0]
            in (
                "up",
                "scale",
            )
            else self.stack.run(*words, "--on", "swarm")
        )

    def rows(self) -> dict[str, dict[str, object]]:
        """What `status` says of each service."""
        return {row["name"]: row for row in self.run("status", "--json").ok().data["services"]}

    @property
    def port(self) -> int:
        return self.stack.configured["frontend.port"]

    def where(self, service: str) -> list[int]:
        """How many healthy containers of a service each node has, as its own engine says."""
        return [node.healths(f"{self.stack.name}-swarm_{service}").count("healthy") for node in self.nodes]


def environment(nodes: list[Node], images: Images, folder: Path, undo: ExitStack) -> Environment:
    """A project with tables and no data, so that it is seeded quickly."""
    patch = undo.enter_context(pytest.MonkeyPatch.context())
    patch.setenv("DOCKER_HOST", nodes[0].engine.host)
    api = docker.APIClient(nodes[0].engine.host)
    undo.callback(api.close)
    stack = Stack(folder, api)
    undo.callback(LIVE.remove, stack)
    LIVE.append(stack)
    stack.configure(
        database={"seed": [{"run": "python manage.py migrate", "service": "backend"}]},
        backend={"image": images.backend},
        frontend={"image": images.frontend},
    )
    return Environment(stack, nodes)


def test_an_exported_stack_becomes_healthy_and_scales(
    born_stack: Stack, images: Images, node: Node, tmp_path: Path
) -> None:
    """Deployed by Docker's own client; the tables are made by the migration, which is a job."""
    words = [word for key, name in vars(images).items() for word in ("--image", f"{key}={name}")]
    born_stack.run("export", "swarm", "-o", str(tmp_path / "stack.yaml"), *ALL, *words).ok()
    deploy = ("stack", "deploy", "--detach=true", "--resolve-image=never", "-c", str(tmp_path / "stack.yaml"))
    node.docker(*deploy, "shop", **SECRETS)

    until(
        lambda: all(node.healths(f"shop_{name}") == ["healthy"] for name in SERVICES),
        "the stack is healthy",
        DEPLOY_SECONDS,
    )
    until(lambda: "1/1 completed" in node.docker("service", "ls"), "the migration is done", 60)
    (web,) = node.containers("shop_backend")
    # By the address of its task: the service's own leads somewhere only where the kernel has IPVS.
    asked = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "tasks.frontend")
    page = node.docker("exec", web["Id"], *asked)
    assert page == "400", "Nginx passes it on to Django, which does not know the host"
    assert node.docker("exec", web["Id"], "id", "-u") == "10001\n"
    assert node.docker("exec", web["Id"], "printenv", "DB_PWD") == "e2e\n"

    (first,) = node.containers("shop_taskrunner")
    node.docker("service", "scale", "--detach", "shop_taskrunner=3")
    until(lambda: node.healths("shop_taskrunner") == ["healthy"] * 3, "three workers", 90)
    assert first["Id"] in {one["Id"] for one in node.containers("shop_taskrunner")}
    node.docker("stack", "rm", "shop")
    until(lambda: not node.docker("ps", "--quiet"), "all containers have ended", 90)


def test_an_environment_on_one_node(node: Node, images: Images, tmp_path: Path) -> None:
    with ExitStack() as undo:
        shop = environment([node], images, tmp_path, undo)
        undo.callback(shop.stack.run, "down", "--volumes", "--yes", "--on", "swarm")
        lives(shop)


@pytest.mark.long
def test_an_environment_on_three_nodes(images: Images, tmp_path: Path) -> None:
    everywhere = (images.backend, images.frontend, images.mailcatcher)
    with swarm(3, everywhere, (images.database,)) as nodes, ExitStack() as undo:
        shop = environment(nodes, images, tmp_path, undo)
        undo.callback(shop.stack.run, "down", "--volumes", "--yes", "--on", "swarm")
        lives(shop)


def lives(shop: Environment) -> None:
    """Up, seen, read, scaled and taken down again, by devenv alone; the nodes' own engines are the witnesses."""
    count = len(shop.nodes)
    up = shop.run("up", "--json").ok()
    assert ("no IPVS" in " ".join(up.json["warnings"])) == (not MESH)
    for service in ("backend", "frontend"):
        assert shop.where(service) == [1] * count, "every node has a pod"
    assert shop.where("databasemaster") == [1, *([0] * (count - 1))], "data stay on the manager"
    for node in shop.nodes:
        status, body = node.get(shop.port)
        assert (status, "Campaigns" in body) == (200, True), body

    shop.run("scale", "taskrunner=3").ok()
    assert shop.where("taskrunner") == [3 // count] * count, "replicas are spread"
    assert shop.rows()["taskrunner"]["replicas"] == 3
    assert shop.run("scale", "backend=2").code == 2
    lines = shop.run("logs", "taskrunner", "--grep", "Worker .* starts").ok().out.splitlines()
    assert len(lines) >= 3

    shop.run("down").ok()
    assert [node.docker("ps", "--quiet") for node in shop.nodes] == [""] * count
    assert shop.run("status", "--json").ok().data["state"] == "absent"
