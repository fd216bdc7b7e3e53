"""What the commands say with `--production`, word for word, on an engine and a balancer in memory."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from devenv.environments.authority import authority_files
from tests.balancer import FakeBalancer
from tests.samples import ADDRESS

if TYPE_CHECKING:
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

TABLE = """
    SERVICE         STATE    REACHED AT                                           IMAGE
    databasemaster  healthy  mysql://127.9.8.101:43061                            mysql:8.4 (pulled)
    mailcatcher     healthy  http://127.9.8.101:20801/  smtp://127.9.8.101:20251  sj26/mailcatcher:v0.10.0 (pulled)
    backend-1       healthy  -                                                    shop/backend:1 (pulled)
    frontend-1      healthy  -                                                    shop/frontend:1 (pulled)
    taskrunner      healthy  -                                                    shop/backend:1 (pulled)
    loadbalancer    healthy  http://127.9.8.101:8080/                             haproxy:3.0 (pulled)
    data: volume shop-production_database_1, branch of snapshot <key> (reflink)
"""


@pytest.fixture
def balanced(shop: Shop) -> Shop:
    """A shop whose registry has HAProxy, which answers."""
    shop.engine.registry = (shop.engine.registry or set()) | {"haproxy:3.0"}
    FakeBalancer(shop.engine, shop.root / ".devenv" / "production" / "loadbalancer")
    return shop


def shown(text: str) -> str:
    text = re.sub(r"\bsnapshot [0-9a-f]{16}\b", "snapshot <key>", text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def test_up_shows_the_pods_and_the_entrance(balanced: Shop) -> None:
    found = balanced.run("up", "--production", "--pods", "1").ok()
    table = dedent(TABLE).strip("\n").replace("127.9.8.101", ADDRESS)
    assert shown(found.out) == f"{table}\n\nshop-production is healthy after 0.3 s (13 steps)"
    assert shown(balanced.run("--env", "production", "status").ok().out) == table
    assert shown(balanced.run("status", "--production").ok().out) == table


def test_with_https_it_says_whom_to_trust(balanced: Shop) -> None:
    found = balanced.run("up", "--production", "--tls").ok()
    assert f"https://{ADDRESS}:8443/  http://{ADDRESS}:8080/" in found.out
    trusted = authority_files().certificate
    assert f"https: signed by {trusted}, which browsers and `curl --cacert` are to trust" in found.out
    assert balanced.run("status", "--production", "--json").data["authority"] == str(trusted)
    assert balanced.run("up", "--production", "--no-tls", "--json").data["status"]["authority"] is None


def test_a_rolling_restart_names_what_it_does(balanced: Shop) -> None:
    balanced.run("up", "--production", "--pods", "1").ok()
    found = balanced.run("restart", "--rolling", "--production").ok()
    assert found.out == "shop-production: backend-1, frontend-1 restarted and healthy\n"
    assert found.err.splitlines() == [
        "!! pod-1: is the only pod: visitors meet the maintenance page meanwhile",
        ".. pod-1: answering the requests in hand",
        ".. pod-1: out of the load balancer",
        "ok backend-1: healthy",
        "ok frontend-1: healthy",
        "ok pod-1: renewed",
    ]


@pytest.mark.parametrize("option", [["--pods", "3"], ["--tls"], ["--no-tls"]])
def test_what_belongs_to_production_is_refused_without_it(shop: Shop, option: list[str]) -> None:
    found = shop.run("up", *option)
    assert (found.code, found.out) == (2, "")
    assert found.err == (
        "error: --pods and --tls are of production's shape\nhint: say `devenv up --production` too\n"
    )
    assert shop.engine.changes == []


def test_development_does_not_roll(shop: Shop) -> None:
    shop.up()
    found = shop.run("restart", "--rolling")
    assert (found.code, found.out) == (2, "")
    assert "hint: say `devenv restart --rolling --production`, or leave --rolling out" in found.err
