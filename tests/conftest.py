"""Every test starts sealed and leaves no trace.

Tests under `tests/unit` and `tests/cli`, and the files beside this one, see an environment of nothing but
PATH and language, an empty home, and no network but loopback. Those under `tests/contract` and `tests/e2e`
build images and drive an engine, so they keep the machine's own environment (CA bundles, pip, docker) and
get only a state folder of their own.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import hypothesis
import pytest
from typer.utils import get_params_from_function

from devenv.engine.bootstrap import root_file_system
from devenv.events import NullSink
from devenv.images.obtain import ImageOrder, obtain_all, resolve_all
from devenv.images.recipe import BASE, fingerprint, folder_of
from devenv.model import Image
from devenv.operations import status, switch
from tests.clock import Clock, timed_modules
from tests.sealing import no_traces, seal
from tests.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.engine.api import Engine

TESTS = Path(__file__).resolve().parent
WITH_ENGINE = ("contract", "e2e")

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def needs_engine(path: Path) -> bool:
    """Whether a test file is one of those that drive a real engine."""
    return path.is_relative_to(TESTS) and path.relative_to(TESTS).parts[0] in WITH_ENGINE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder: nobody can forget it."""
    for item in items:
        if needs_engine(item.path):
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session", autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The registry of environments of whoever runs the tests is never read or written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("NO_COLOR", "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def _signatures_read_once() -> Iterator[None]:
    """Every run of `main` makes all commands anew; typer takes most of that time to read the same signatures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_params_from_function", cache(get_params_from_function))
        yield


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One empty home after the other."""

    def numbered() -> Iterator[Path]:
        root = tmp_path_factory.mktemp("homes")
        for number in range(1_000_000):
            home = root / str(number)
            home.mkdir()
            yield home

    return numbered()


@pytest.fixture(autouse=True)
def _sealed(request: pytest.FixtureRequest, homes: Iterator[Path]) -> Iterator[None]:
    """Give the test its environment, and fail it if it does not give that back as it was."""
    with pytest.MonkeyPatch.context() as patch:
        if not needs_engine(request.path):
            seal(patch, next(homes))
        with no_traces():
            yield


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time stands still for devenv and passes only by its own waiting: nothing waits for real."""
    clock = Clock()
    for module in timed_modules():
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every test's shop stands, one after the other at the same address."""
    return tmp_path_factory.mktemp("street")


@pytest.fixture
def shop(street: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A project with all that belongs to one, on an engine in memory."""
    (street / "here").mkdir()
    shop = Shop(street / "here" / "shop")
    monkeypatch.setattr(switch, "wait_for_greeting", shop.greets)
    # Nobody of the shop's listens on this machine, whoever else does.
    monkeypatch.setattr(status, "answers", lambda *_: False)
    yield shop
    (street / "here").rename(mkdtemp(dir=street))


@pytest.fixture(scope="session")
def docker_engine() -> Engine:
    """The real engine of this machine."""
    from devenv.engine.docker import DockerEngine  # noqa: PLC0415 - sealed tests do not pay for it

    return DockerEngine()


@pytest.fixture(scope="session")
def socket_engine(docker_engine: Engine) -> Engine:
    """The engine by its local socket."""
    return docker_engine


@pytest.fixture(scope="session")
def sdk_engine() -> Engine:
    """The same engine through the SDK alone, as one on another machine is reached."""
    from devenv.engine.docker import DockerEngine  # noqa: PLC0415 - sealed tests do not pay for it

    return DockerEngine(sdk_only=True)


@pytest.fixture(scope="session")
def base_image(docker_engine: Engine) -> str:
    """Our own Debian, obtained by the product's own code; present after the first run.

    It comes with the frontend's image, which the reference environment needs anyway.
    """
    tag = f"devenv/{BASE}:{fingerprint(folder_of(BASE))}"
    if tag not in docker_engine.images([tag]):
        order = ImageOrder({"frontend": Image(recipe="frontend")}, policy="auto", rebuild={"frontend"})
        obtain_all(docker_engine, order, resolve_all(docker_engine, order), root_file_system, NullSink())
    return tag
