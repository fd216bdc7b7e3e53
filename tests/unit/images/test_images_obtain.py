"""Getting images: what is pulled, what is built, what is said, and what happens when it fails."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from devenv.errors import ImageError, OperationError, RegistryUnreachableError
from devenv.events import Status
from devenv.images.obtain import BOOTSTRAPPED, DEBIAN, ImageOrder, obtain_all, resolve_all
from devenv.images.recipe import fingerprint, folder_of
from devenv.images.resolve import Source
from devenv.model import Image
from tests.fakes import FakeEngine, RecordingSink, no_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from devenv.engine.api import BuildRequest, LineSink
    from devenv.images.obtain import Obtained

REFERENCE = {
    "database": Image("mysql:8.4", "database"),
    "mailcatcher": Image("sj26/mailcatcher:v0.10.0", "mailcatcher"),
}
BASE_TAG = f"devenv/base:{fingerprint(folder_of('base'))}"
UNREACHABLE = "no registry can be reached: building images from Debian's packages instead"


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """Two recipes on our base and one of its own."""
    for name, text in (
        ("backend", "ARG BASE\nFROM ${BASE}\n"),
        ("frontend", "ARG BASE=devenv/base:local\nFROM ${BASE}\n"),
        ("other", "FROM scratch\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
    return tmp_path


@dataclass
class Run:
    """One run of `obtain_all`, and what was said meanwhile."""

    engine: FakeEngine
    sink: RecordingSink = field(default_factory=RecordingSink)

    def obtain(
        self, images: Mapping[str, Image], policy: str = "auto", **options: object
    ) -> Mapping[str, Obtained]:
        order = ImageOrder(images, policy, **options)  # type: ignore[arg-type]
        resolutions = resolve_all(self.engine, order)
        return obtain_all(self.engine, order, resolutions, no_bootstrap, self.sink)

    def sources(self, images: Mapping[str, Image], policy: str = "auto", **options: object) -> dict[str, str]:
        found = self.obtain(images, policy, **options)
        return {key: f"{one.source} {one.reference.partition(':')[0]}" for key, one in found.items()}

    @property
    def built(self) -> list[str]:
        return sorted(call.partition(":")[0] for call in self.engine.called("build"))


def built_locally(recipes: Path) -> dict[str, Image]:
    return {name: Image(None, str(recipes / name)) for name in ("backend", "frontend", "other")}


def test_what_a_registry_gives_is_pulled() -> None:
    run = Run(FakeEngine(registry={"mysql:8.4", "sj26/mailcatcher:v0.10.0"}))
    assert run.sources(REFERENCE) == {"database": "pulled mysql", "mailcatcher": "pulled sj26/mailcatcher"}
    assert run.built == []
    assert run.sink.of(Status.WARNING) == []
    assert sorted(run.sink.of(Status.DONE)) == [
        "image database: pulled mysql:8.4",
        "image mailcatcher: pulled sj26/mailcatcher:v0.10.0",
    ]
    assert "working image database: pulling mysql:8.4: 1 of 2 MB" in run.sink.lines


def test_without_a_registry_everything_is_built_and_that_is_said_once() -> None:
    run = Run(FakeEngine(registry=None))
    assert run.sources(REFERENCE) == {
        "database": "built devenv/database",
        "mailcatcher": "built devenv/mailcatcher",
    }
    assert run.sink.of(Status.WARNING) == [f"images: {UNREACHABLE}"]
    assert [event.detail for event in run.sink.events if event.status is Status.WARNING] == [
        "connection refused"
    ]
    assert run.built == ["build devenv/base", "build devenv/database", "build devenv/mailcatcher"]


def test_the_base_is_built_once_for_all_that_need_it(recipes: Path) -> None:
    run = Run(FakeEngine())
    run.obtain(built_locally(recipes))
    assert run.built == [
        "build devenv/backend",
        "build devenv/base",
        "build devenv/frontend",
        "build devenv/other",
    ]
    arguments = {request.tag.partition(":")[0]: request.build_args for request in run.engine.built}
    assert arguments["devenv/base"] == {"DEBIAN": BOOTSTRAPPED}
    assert arguments["devenv/backend"] == arguments["devenv/frontend"] == {"BASE": BASE_TAG}
    assert arguments["devenv/other"] == {}
    assert run.engine.called("import") == [f"import {BOOTSTRAPPED}"]
    assert "working image base: making Debian trixie of its packages" in run.sink.lines


def test_the_base_builds_on_the_registrys_debian_where_there_is_one(recipes: Path) -> None:
    run = Run(FakeEngine(registry={DEBIAN}))
    run.obtain({"backend": Image(None, str(recipes / "backend"))})
    assert run.engine.called("pull") == [f"pull {DEBIAN}"]
    assert run.engine.called("import") == []
    assert run.engine.built[0].build_args == {"DEBIAN": DEBIAN}


@pytest.mark.parametrize("debian", [DEBIAN, BOOTSTRAPPED])
def test_a_debian_that_is_here_is_used(recipes: Path, debian: str) -> None:
    run = Run(FakeEngine())
    run.engine.add_image(debian)
    run.obtain({"backend": Image(None, str(recipes / "backend"))})
    assert run.engine.called("pull") == run.engine.called("import") == []
    assert run.engine.built[0].build_args == {"DEBIAN": debian}


def test_a_base_that_is_here_is_used(recipes: Path) -> None:
    run = Run(FakeEngine())
    run.engine.add_image(BASE_TAG)
    run.obtain({"backend": Image(None, str(recipes / "backend"))})
    assert run.built == ["build devenv/backend"]


def test_a_second_run_does_nothing(recipes: Path) -> None:
    run = Run(FakeEngine())
    images = {**REFERENCE, **built_locally(recipes)}
    first = run.obtain(images)
    run.engine.mend()
    second = run.obtain(images)
    assert run.engine.changes == []
    assert {key: one.id for key, one in second.items()} == {key: one.id for key, one in first.items()}
    assert {one.source for one in second.values()} == {Source.BUILT}


def test_what_was_pulled_before_is_still_called_pulled() -> None:
    run = Run(FakeEngine())
    run.engine.add_image("mysql:8.4")
    run.engine.add_image("sj26/mailcatcher:v0.10.0")
    assert run.sources(REFERENCE, pulled=("mysql:8.4",)) == {
        "database": "pulled mysql",
        "mailcatcher": "present sj26/mailcatcher",
    }


def test_a_registry_that_refuses_is_not_worked_around() -> None:
    run = Run(FakeEngine(registry=set()))
    with pytest.raises(ImageError) as caught:
        run.obtain({"database": REFERENCE["database"]})
    assert (caught.value.code, caught.value.message) == (
        "pull_denied",
        "the registry does not give mysql:8.4",
    )
    assert run.built == []
    assert run.sink.of(Status.FAILED) == ["image database: the registry does not give mysql:8.4"]


def test_the_policy_pull_builds_nothing_that_can_be_pulled() -> None:
    run = Run(FakeEngine(registry=None))
    with pytest.raises(RegistryUnreachableError) as caught:
        run.obtain({"database": REFERENCE["database"]}, "pull")
    assert caught.value.hint == "go online, or set `images: auto` to build what has a recipe here"
    assert run.built == []
    assert run.sink.of(Status.WARNING) == []


def test_an_image_without_recipe_cannot_be_built() -> None:
    run = Run(FakeEngine(registry=None))
    with pytest.raises(RegistryUnreachableError, match="registry of shop/backend:1 cannot be reached"):
        run.obtain({"backend": Image("shop/backend:1", None)})


def test_the_policy_build_asks_no_registry(recipes: Path) -> None:
    run = Run(FakeEngine(registry={DEBIAN, "mysql:8.4"}))
    assert run.sources({"database": REFERENCE["database"], **built_locally(recipes)}, "build") == {
        "database": "built devenv/database",
        "backend": "built devenv/backend",
        "frontend": "built devenv/frontend",
        "other": "built devenv/other",
    }
    assert run.engine.called("pull") == []


@pytest.mark.parametrize(
    ("dockerfile", "on_base"),
    [
        (b"ARG BASE\nFROM ${BASE}\n", True),
        (b"# ours\nARG BASE=devenv/base:local\nFROM ${BASE}\n", True),
        (b"ARG BASE_IMAGE=python:3.12\nFROM ${BASE_IMAGE}\n", False),
        (b"ARG BASE=python:3.12\nFROM ${BASE}\n", False),
        (b"# Andr\xe9\nFROM python\n", False),
    ],
)
def test_which_dockerfiles_build_on_our_base(recipes: Path, dockerfile: bytes, *, on_base: bool) -> None:
    (recipes / "backend" / "Dockerfile").write_bytes(dockerfile)
    run = Run(FakeEngine())
    run.obtain({"backend": built_locally(recipes)["backend"]})
    assert ("build devenv/base" in run.built) == on_base


def test_a_build_on_request_builds_the_base_and_all_anew(recipes: Path) -> None:
    run = Run(FakeEngine())
    images = built_locally(recipes)
    run.obtain(images)
    run.engine.mend()
    run.engine.built.clear()
    run.obtain(images, rebuild=images.keys())
    assert run.built == [
        "build devenv/backend",
        "build devenv/base",
        "build devenv/frontend",
        "build devenv/other",
    ]
    assert [request.use_cache for request in run.engine.built] == [False] * 4


def test_a_build_uses_the_cache_otherwise(recipes: Path) -> None:
    run = Run(FakeEngine())
    run.obtain(built_locally(recipes))
    assert [request.use_cache for request in run.engine.built] == [True] * 4


def test_the_failing_image_is_named_and_the_others_are_finished(recipes: Path) -> None:
    run = Run(FakeEngine())
    run.engine.fail("build devenv/backend", ImageError("building backend failed", code="build_failed"))
    with pytest.raises(ImageError, match="building backend failed"):
        run.obtain(built_locally(recipes))
    assert run.sink.of(Status.FAILED) == ["image backend: building backend failed"]
    there = {reference.partition(":")[0] for reference in run.engine.present}
    assert {"devenv/frontend", "devenv/other"} <= there


def test_a_base_that_cannot_be_built_is_tried_once(recipes: Path) -> None:
    run = Run(FakeEngine())
    run.engine.fail("build devenv/base", ImageError("building the base failed", code="build_failed"))
    with pytest.raises(ImageError, match="building the base failed"):
        run.obtain(built_locally(recipes))
    assert run.built == ["build devenv/base", "build devenv/other"]


def test_a_debian_that_cannot_be_made_is_tried_once_and_said_of_each_image(recipes: Path) -> None:
    run = Run(FakeEngine())
    run.engine.fail("import", OperationError("mmdebstrap ended with exit status 1"))
    with pytest.raises(OperationError, match="mmdebstrap ended"):
        run.obtain(built_locally(recipes))
    assert len(run.engine.called("import")) == 1
    assert sorted(run.sink.of(Status.FAILED)) == [
        "image backend: mmdebstrap ended with exit status 1",
        "image frontend: mmdebstrap ended with exit status 1",
    ]


def test_an_image_that_goes_away_meanwhile_is_noticed() -> None:
    engine = FakeEngine()
    engine.add_image("mysql:8.4")
    order = ImageOrder({"database": REFERENCE["database"]}, "auto")
    resolutions = resolve_all(engine, order)
    engine.present.clear()
    with pytest.raises(ImageError, match="went away"):
        obtain_all(engine, order, resolutions, no_bootstrap, RecordingSink())


def test_a_build_gets_this_machines_configuration(
    recipes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("PIP_TIMEOUT", "9")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:1")
    run = Run(FakeEngine())
    run.obtain({"other": Image(None, str(recipes / "other"))})
    assert run.engine.secrets[0]["ca_bundle"] == "certificate"
    assert "timeout = 9\n" in run.engine.secrets[0]["pip_conf"]
    assert run.engine.built[0].build_args == {"HTTPS_PROXY": "http://proxy.test:1"}
    assert run.engine.built[0].labels == {"devenv.kind": "image"}


def test_editing_mapped_code_builds_nothing(recipes: Path) -> None:
    images = {"backend": Image(None, str(recipes / "backend"))}
    (recipes / "backend" / "app").mkdir()
    run = Run(FakeEngine())
    run.obtain(images, mapped=(recipes / "backend" / "app",))
    (recipes / "backend" / "app" / "views.py").touch()
    run.engine.mend()
    run.obtain(images, mapped=(recipes / "backend" / "app",))
    assert run.engine.changes == []
    run.obtain(images)
    assert run.built == ["build devenv/backend"]


class MeetingEngine(FakeEngine):
    """An engine whose builds end only when all of them have begun."""

    meeting = threading.Barrier(3, timeout=5)

    def build(self, request: BuildRequest, on_line: LineSink) -> None:
        if "base" not in request.tag:
            self.meeting.wait()
        super().build(request, on_line)


def test_independent_images_are_built_at_the_same_time(recipes: Path) -> None:
    run = Run(MeetingEngine())
    assert set(run.obtain(built_locally(recipes))) == {"backend", "frontend", "other"}
