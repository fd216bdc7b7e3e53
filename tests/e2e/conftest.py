"""One environment that is up for tests which read or mend, and fresh projects for those which break."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors
import pytest

from tests.e2e.support import (
    LIVE,
    SERVICES,
    Snapshot,
    Stack,
    client,
    copy_sources,
    free_ports,
    snapshot,
    tried,
    until,
)
from tests.harness import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tests.harness import Outcome

SMALL_SEED = "CREATE TABLE kept (id INT PRIMARY KEY);\nINSERT INTO kept VALUES (1), (2), (3);\n"


@dataclass(frozen=True)
class Born:
    """The shared environment, and how it came to be: from nothing but the images."""

    stack: Stack
    first_up: Outcome
    healths: dict[str, str]
    data: Snapshot
    counts: dict[str, int]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what is there to see when a test fails, before its fixtures take it down."""
    report = yield
    if report.failed and report.when != "teardown" and LIVE:
        top = Path(os.environ.get("DEVENV_TEST_ARTIFACTS") or REPOSITORY / "artifacts")
        folder = top / re.sub(r"[^\w.-]+", "-", item.name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "failure.txt").write_text(report.longreprtext, encoding="utf-8")
        for stack in list(LIVE):
            stack.keep_artifacts(folder)
    return report


@pytest.fixture(scope="session")
def api() -> Iterator[docker.APIClient]:
    found = client()
    yield found
    found.close()


@pytest.fixture(scope="session", autouse=True)
def one_user(_state_of_its_own: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All processes that run tests are one user: what they make on the engine for all is made under the same locks."""
    del _state_of_its_own
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(_shared_folder(tmp_path_factory) / "state"))
        yield


def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all processes that run tests; each has a folder of its own in it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def no_snapshots_stay(
    one_user: None, api: docker.APIClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The snapshots of our seeds belong to no project: those that came with us go with us, unless somebody uses them.

    Of several processes that run tests the last does it: the others' snapshots are in use until then, or being made.
    """
    del one_user
    worker, folder = os.environ.get("PYTEST_XDIST_WORKER"), _shared_folder(tmp_path_factory)
    at_work = folder / f"at-work-{worker}"
    at_work.write_text(json.dumps(sorted(_snapshots(api))), encoding="utf-8")
    yield
    at_work.rename(folder / f"done-{worker}")
    if not list(folder.glob("at-work-*")):
        before = [set(json.loads(file.read_text(encoding="utf-8"))) for file in folder.glob("done-*")]
        _remove_snapshots(api, _snapshots(api) - set.intersection(*before))


def _snapshots(api: docker.APIClient) -> set[str]:
    """All volumes of snapshots: with their data, and those that say that they are whole."""
    rows = api.volumes(filters={"name": "devenv_snapshot_"})["Volumes"] or []
    return {row["Name"] for row in rows}


def _remove_snapshots(api: docker.APIClient, names: set[str]) -> None:
    used = {
        (row["Labels"] or {}).get("devenv.snapshot.key")
        for row in api.volumes(filters={"label": "devenv.kind=database"})["Volumes"] or []
    }
    # The manifest, whose name is the shorter one, before the data that it speaks of.
    for name in sorted(names):
        if name.removesuffix("_data").removeprefix("devenv_snapshot_") not in used:
            with suppress(docker.errors.APIError):
                api.remove_volume(name)


@pytest.fixture(scope="session")
def new_stack(
    api: docker.APIClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Stack]]:
    """Makes projects; each is removed from the engine at the end, whatever happened."""
    made: list[Stack] = []

    def make(folder: Path | None = None, *, name: str | None = None, sources: bool = True) -> Stack:
        root = folder or tmp_path_factory.mktemp("project")
        root.mkdir(parents=True, exist_ok=True)
        if sources:
            copy_sources(root)
        stack = Stack(root, api, name)
        made.append(stack)
        LIVE.append(stack)
        return stack

    yield make
    for stack in made:
        stack.remove()


def with_small_seed(stack: Stack) -> Stack:
    """A project with small data, so that it is up quickly."""
    stack.write("fixtures/small.sql", SMALL_SEED)
    stack.configure(database={"seed": ["fixtures/small.sql"]})
    return stack


@pytest.fixture(scope="module")
def database_image(new_stack: Callable[..., Stack]) -> str:
    """The database's image, which the machine's engine has then."""
    stack = with_small_seed(new_stack())
    stack.up("databasemaster")
    reference = str(stack.engine.service("databasemaster")["Config"]["Image"])
    stack.remove()
    return reference


@pytest.fixture
def own(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A project that nobody else uses."""
    stack = with_small_seed(new_stack())
    yield stack
    stack.remove()
    LIVE.remove(stack)


@pytest.fixture(scope="session")
def born(new_stack: Callable[..., Stack]) -> Born:
    """The shared environment, just brought up."""
    stack = new_stack()
    first = stack.run("up", "--json").ok()
    data = snapshot(stack.engine)
    counts = {table: stack.engine.count(table) for table in data.definitions}
    return Born(stack, first, stack.engine.settled(), data, counts)


@pytest.fixture(scope="module")
def born_stack(born: Born) -> Stack:
    """The shared environment, whole, for what only reads what it is made of."""
    return _whole(born.stack)


@pytest.fixture
def stack(born: Born) -> Stack:
    """The shared environment, whole: what the test before left broken is mended first."""
    return _whole(born.stack)


def _whole(shared: Stack) -> Stack:
    if shared.changed:
        shared.restore()
    if shared.changed or not shared.is_whole():
        shared.up()
        shared.changed = False
    assert set(shared.engine.healths()) == set(SERVICES)
    return shared


@pytest.fixture(scope="session")
def registry_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where an empty registry answers on 127.0.0.1: Debian's, unpacked into a folder; nothing is installed."""
    folder, port = tmp_path_factory.mktemp("registry"), free_ports(1)[0]
    download = ["apt-get", "download", "-q", "docker-registry"]
    if subprocess.run(download, cwd=folder, capture_output=True, check=False).returncode != 0:
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=True)
        subprocess.run(download, cwd=folder, capture_output=True, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, folder], capture_output=True, check=True)
    configuration = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (folder / "config.yml").write_text(json.dumps(configuration), encoding="utf-8")
    argv = [str(folder / "usr/bin/docker-registry"), "serve", str(folder / "config.yml")]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            until(lambda: tried(port, "/v2/"), "the registry", 20)
            yield port
        finally:
            process.terminate()
