"""Production's shape beside development: pods behind the balancer, which lose no request that could be saved."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from devenv.environments.authority import authority_files
from tests.e2e.load import VISITORS, load
from tests.e2e.support import Engine, compose, request, tried, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support import Stack
    from tests.harness import Outcome

PODS = ("backend-1", "frontend-1", "backend-2", "frontend-2")


class Production:
    """The shared environment's other, and its engine's view of it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.engine = Engine(stack.engine.api, f"{stack.name}-production")

    def run(self, *words: str) -> Outcome:
        """A command on it, which must end 0."""
        return self.stack.run("--production", "--json", *words).ok()

    @property
    def memory(self) -> Any:
        """What it remembers."""
        return json.loads(self.stack.read(".devenv/production/environment.json"))

    def port(self, key: str = "production.port") -> int:
        """Where it is published."""
        return int(self.memory["ports"][key])

    def kill_pod(self, number: int) -> None:
        """Both of its containers at once, as when its machine goes; nothing where it went already."""
        found = self.engine.services()
        pod = [found[name] for name in (f"frontend-{number}", f"backend-{number}")]
        running = [raw["Id"] for raw in pod if raw["State"]["Running"]]
        threads = [threading.Thread(target=self.engine.api.kill, args=(each,)) for each in running]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def beside(born_stack: Stack) -> Iterator[Production]:
    found = Production(born_stack)
    found.run("up")
    yield found
    found.engine.remove_all()


@pytest.fixture
def production(stack: Stack, beside: Production) -> Production:
    """Two pods, all of them up, beside the development environment."""
    healths = beside.engine.healths()
    if set(PODS) - set(healths) or set(healths.values()) != {"healthy"}:
        beside.run("up", "--pods", "2", "--no-tls")
    assert stack.is_whole()
    return beside


def test_it_stands_beside_development_and_touches_nothing_of_it(stack: Stack, production: Production) -> None:
    before = stack.engine.starts()

    production.run("up")
    status = production.run("status").data

    assert stack.engine.starts() == before
    assert stack.page().status == 200
    assert status["environment"] == "production"
    assert status["project"] == f"{stack.name}-production"
    assert status["database"]["snapshot"] == stack.run("status", "--json").data["database"]["snapshot"]
    assert set(production.memory["ports"].values()).isdisjoint(stack.memory["ports"].values())
    assert request(production.port()).status == 200
    assert stack.run("--env", "production", "status", "--json").data == status


def test_pods_run_the_images_as_built_without_root_and_within_limits(production: Production) -> None:
    found = production.engine.services()

    for name in (*PODS, "taskrunner", "loadbalancer"):
        raw = found[name]
        status, uid = production.engine.execute(raw["Id"], "id", "-u")
        assert (status, uid.strip() == "0") == (0, False), f"{name} runs as {uid}"
        assert production.engine.execute(raw["Id"], "sh", "-c", "echo > /usr/bin/x")[0] != 0
        assert raw["HostConfig"]["ReadonlyRootfs"], name
        assert raw["HostConfig"]["Memory"] == 512 * 2**20
        assert raw["HostConfig"]["NanoCpus"] == 10**9
    binds = {name: [one for one in raw["Mounts"] if one["Type"] == "bind"] for name, raw in found.items()}
    assert {name for name, mounts in binds.items() if mounts} == {"databasemaster", "loadbalancer"}
    published = {name for name, raw in found.items() if any(raw["NetworkSettings"]["Ports"].values())}
    assert published == {"databasemaster", "mailcatcher", "loadbalancer"}
    missing = request(production.port(), "/no-such-page")
    assert (missing.status, "DEBUG" in missing.text) == (404, False)


def test_the_whole_chain_holds_and_every_pod_serves_what_it_generates(production: Production) -> None:
    links = production.run("check").data["findings"]
    assert [(link["name"], link["ok"]) for link in links] == [
        (name, True) for name in ("page", "job", "static file", "row", "mail")
    ]
    path = links[2]["text"].split()[1].rstrip(":")

    found = production.engine.services()
    charts = set()
    for name in ("frontend-1", "frontend-2"):
        identity, url = found[name]["Id"], f"http://127.0.0.1{path}"
        ask = ("curl", "-sS", "-o", "/tmp/chart", "-D", "-", "-H", "Host: localhost", url)
        status, head = production.engine.execute(identity, *ask)
        assert (status, head[:12]) == (0, "HTTP/1.1 200"), head
        assert "cache-control: max-age=86400" in head.lower()
        charts.add(production.engine.execute(identity, "sha256sum", "/tmp/chart"))
    assert len(charts) == 1, "two pods drew the same report differently"
    for name in ("backend-1", "backend-2"):
        assert (
            production.engine.execute(found[name]["Id"], "test", "-s", f"generated_content{path[7:]}")[0] == 0
        )


def test_a_pod_killed_under_load_costs_no_request_that_was_not_in_its_hands(production: Production) -> None:
    with load(production.port()) as visitors:
        until(lambda: len(visitors.asked) > 40, "some load")
        begin = time.monotonic()
        production.kill_pod(1)
        end = time.monotonic()
        seen = len(visitors.asked)
        until(lambda: len(visitors.asked) > seen + 100, "the load went on")

    print(f"pod killed: {visitors}")  # noqa: T201 - the figures, for `pytest -rP`
    in_hand = visitors.under_way(begin, end)
    lost = [str(one) for one in visitors.failed() if one not in in_hand]
    assert not lost, f"{visitors}: {lost}"
    assert len(visitors.failed()) <= VISITORS


def test_without_a_pod_the_visitor_reads_a_page_and_never_a_blank_one(beside: Production) -> None:
    production = beside
    for number in (1, 2):
        production.kill_pod(number)

    answer = request(production.port())

    assert answer.status == 503
    assert "Back in a moment" in answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["cache-control"] == "no-store"
    assert production.run("status").data["state"] != "healthy"
    production.run("up")
    assert request(production.port()).status == 200


def test_a_rolling_restart_loses_no_request(production: Production) -> None:
    before = production.engine.starts()

    with load(production.port()) as visitors:
        until(lambda: len(visitors.asked) > 20, "some load")
        restarted = production.run("restart", "--rolling").data["services"]
        seen = len(visitors.asked)
        until(lambda: len(visitors.asked) > seen + 20, "the load went on")

    print(f"rolling restart: {visitors}")  # noqa: T201 - the figures, for `pytest -rP`
    after = production.engine.starts()
    assert {name for name in after if after[name] != before[name]} == set(PODS) == set(restarted)
    assert list(map(str, visitors.failed())) == []


def test_other_pods_and_more_of_them_come_without_a_lost_request(
    stack: Stack, production: Production
) -> None:
    before = production.engine.starts()
    stack.configure(production={"environment": {"GREETING": "changed"}})

    with load(production.port()) as visitors:
        until(lambda: len(visitors.asked) > 20, "some load")
        production.run("up", "--pods", "3")
        grown = production.engine.healths()
        production.run("up", "--pods", "2")
        seen = len(visitors.asked)
        until(lambda: len(visitors.asked) > seen + 20, "the load went on")

    print(f"pods replaced, 2 to 3 and back: {visitors}")  # noqa: T201 - the figures, for `pytest -rP`
    assert {"backend-3", "frontend-3"} <= set(grown)
    after = production.engine.starts()
    assert "frontend-3" not in after
    assert after["loadbalancer"] == before["loadbalancer"]
    assert after["backend-1"][0] != before["backend-1"][0]
    assert list(map(str, visitors.failed())) == []


def test_https_is_signed_by_this_machines_authority(stack: Stack, production: Production) -> None:
    production.run("up", "--tls")
    authority = authority_files()
    port = production.port("production.tls_port")
    secured = http.client.HTTPSConnection(
        "localhost", port, timeout=10, context=ssl.create_default_context(cafile=authority.certificate)
    )
    secured.request("GET", "/")
    assert secured.getresponse().status == 200
    assert secured.sock.version() in {"TLSv1.2", "TLSv1.3"}
    secured.close()
    stranger = http.client.HTTPSConnection("localhost", port, timeout=10)
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.request("GET", "/")
    plain = request(production.port(), "/campaigns?page=2")
    assert (plain.status, plain.headers["location"]) == (
        308,
        f"https://127.0.0.1:{port}/campaigns?page=2",
    )
    assert {link["ok"] for link in production.run("check").data["findings"]} == {True}
    key = stack.root / ".devenv" / "production" / "loadbalancer" / "site.pem"
    assert {file.stat().st_mode & 0o777 for file in (key, authority.key)} == {0o600}
    image = production.engine.service("loadbalancer")["Config"]["Image"]
    history = subprocess.run(
        [
            "docker",
            "run",
            "--rm",
            "--entrypoint",
            "sh",
            image,
            "-c",
            "grep -rl 'PRIVATE KEY' /etc /opt || true",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert history.stdout == ""


def test_the_generated_file_is_valid_on_its_own(stack: Stack, production: Production) -> None:
    checked = compose(stack.root / ".devenv" / "production" / "compose.yaml", "config", "-q")

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert production.engine.healths()


def test_down_takes_it_away_and_leaves_development(stack: Stack, production: Production) -> None:
    before, port = stack.engine.starts(), production.port()

    production.run("down", "--volumes", "--yes")

    assert production.engine.containers() == []
    assert not [name for name in production.engine.volumes() if "generated" in name]
    assert tried(port) is None
    assert stack.engine.starts() == before
    assert stack.page().status == 200
