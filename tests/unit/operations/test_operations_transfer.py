"""Snapshots into files and registries, and back, on an engine in memory."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from devenv.database.archive import open_archive, write_archive
from devenv.database.artifact import EMPTY, Reference, read_manifest, write_manifest
from devenv.database.distribution import Repository
from devenv.database.snapshots import Key
from devenv.model import Login
from devenv.operations import transfer
from tests.fakes import fake_wiring
from tests.oci import OciRegistry, digest, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from devenv.database.archive import Manifest
    from tests.shop import Shop

SHA256 = hashlib.sha256(b"x").hexdigest()
HERE = Reference("127.0.0.1", "team/shop")
DATA = "a tar of the data directory"


@pytest.fixture
def registry() -> Iterator[OciRegistry]:
    with serving() as found:
        yield found


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """The shop is up; what its seed made is the only snapshot."""
    shop.up()
    shop.engine.answer(r"cat /snapshot/checksums", f"{SHA256}  ./ibdata1\n")
    shop.engine.answer(r"tar --create", DATA)
    sealed = f"devenv_snapshot_{key_of(shop)}"
    shop.engine.volume_labels[sealed] = {**shop.engine.volume_labels[sealed], Key.SERVER: "9.7.4"}
    shop.engine.answer(r"mysqld --version", "mysqld  Ver 9.7.4 for Linux on x86_64")
    return shop


def key_of(shop: Shop) -> str:
    return str(shop.project.memory["snapshot"])


def target(registry: OciRegistry, behind: str = "") -> str:
    return f"oci://{registry.host}/team/shop{behind}"


def pushed(shop: Shop, registry: OciRegistry, behind: str = "") -> Any:
    return shop.run("snapshot", "push", key_of(shop), target(registry, behind), "--json").ok().data


def forget(shop: Shop) -> None:
    """The snapshot is on this engine no more."""
    for name in [name for name in shop.engine.volume_labels if name.startswith("devenv_snapshot_")]:
        del shop.engine.volume_labels[name]


def snapshot_volumes(shop: Shop) -> set[str]:
    return {name for name in shop.engine.volume_labels if name.startswith("devenv_snapshot_")}


def leaves_nothing(shop: Shop) -> bool:
    return not (shop.root / ".devenv" / "transfer").exists() and snapshot_volumes(shop) == set()


def refused(shop: Shop, source: str, *words: str) -> Any:
    """The error of a pull that changed nothing."""
    outcome = shop.run("snapshot", "pull", source, *words, "--json")
    assert outcome.code != 0, outcome
    assert leaves_nothing(shop)
    assert outcome.error["hint"]
    return outcome.error


def test_a_snapshot_goes_to_a_registry_and_comes_back(stocked: Shop, registry: OciRegistry) -> None:
    key = key_of(stocked)
    sent = pushed(stocked, registry)

    raw = registry.manifests[key]
    blob = json.loads(raw)["layers"][0]["digest"]
    assert (sent["reference"], sent["digest"]) == (target(registry, f":{key}"), digest(raw))
    assert (sent["file"], sent["key"], sent["name"]) == (None, key, None)
    assert sent["sent_bytes"] == sent["file_bytes"] == len(registry.blobs[blob])
    assert registry.blobs.keys() == {blob, digest(EMPTY)}
    assert not (stocked.root / ".devenv" / "transfer").exists()

    forget(stocked)
    source = target(registry, f"@{sent['digest']}")
    came = stocked.run("snapshot", "pull", source, "--name", "copy", "--json").ok().data

    assert (came["key"], came["name"], came["present"]) == (key, "copy", False)
    assert (came["reference"], came["digest"], came["file"]) == (source, sent["digest"], None)
    assert came["received_bytes"] == sent["file_bytes"]
    unpacked = next(one for one in stocked.engine.executed if "tar --extract" in one.text)
    assert unpacked.stdin == DATA.encode()
    assert snapshot_volumes(stocked) == {f"devenv_snapshot_{key}", f"devenv_snapshot_{key}_data"}
    assert not (stocked.root / ".devenv" / "transfer").exists()


def test_a_file_goes_and_comes_as_before(stocked: Shop, tmp_path: Path) -> None:
    file = str(tmp_path / "all.snap")
    sent = stocked.run("snapshot", "push", key_of(stocked), file, "--json").ok().data
    assert (sent["file"], sent["reference"], sent["digest"]) == (file, None, None)
    forget(stocked)
    came = stocked.run("snapshot", "pull", file, "--json").ok().data
    assert (came["file"], came["reference"], came["present"]) == (file, None, False)
    assert stocked.run("snapshot", "pull", file, "--json").ok().data["present"]


def test_a_disk_that_runs_full_while_a_snapshot_is_unpacked_is_named(stocked: Shop, tmp_path: Path) -> None:
    file = str(tmp_path / "all.snap")
    stocked.run("snapshot", "push", key_of(stocked), file).ok()
    forget(stocked)
    stocked.engine.answer("tar --extract", "tar: ./ibdata1: Cannot write: No space left on device", 2)
    error = refused(stocked, file)
    assert error["code"] == "disk_full"
    assert "devenv gc" in error["hint"]


def test_people_are_told_what_was_moved(stocked: Shop, registry: OciRegistry) -> None:
    key = key_of(stocked)
    first = stocked.run("snapshot", "push", key, target(registry)).ok()
    again = stocked.run("snapshot", "push", key, target(registry)).ok()
    forget(stocked)
    pulled = stocked.run("snapshot", "pull", target(registry, f":{key}")).ok()

    reference = target(registry, f":{key}")
    manifest = digest(registry.manifests[key])
    assert f"{reference}: " in first.out
    assert f"sent as {manifest}, after " in first.out
    assert f"there already as {manifest}, after " in again.out
    assert f"the seed ({key}) pulled from {reference}, " in pulled.out
    assert f"ok snapshot: {reference}: its archive was there already" in again.err


def test_bytes_are_told_as_they_travel(
    stocked: Shop, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "TELL_SECONDS", -1)
    up = stocked.run("snapshot", "push", key_of(stocked), target(registry, ":clean")).ok()
    forget(stocked)
    down = stocked.run("snapshot", "pull", target(registry, ":clean")).ok()
    assert ".. snapshot: sent 0 of about 0 MB" in up.err
    assert ".. snapshot: received 0 of about 0 MB" in down.err


def test_content_that_is_there_is_not_sent_again(stocked: Shop, registry: OciRegistry) -> None:
    assert pushed(stocked, registry, ":one")["sent_bytes"] > 0
    puts = len(registry.requests("PUT .*uploads"))
    assert pushed(stocked, registry, ":two")["sent_bytes"] == 0
    assert len(registry.requests("PUT .*uploads")) == puts
    assert registry.manifests["one"] == registry.manifests["two"]


def test_a_tag_of_something_else_is_replaced_only_when_told(stocked: Shop, registry: OciRegistry) -> None:
    registry.manifests["clean"] = b'{"manifests": []}'
    words = ("snapshot", "push", key_of(stocked), target(registry, ":clean"), "--json")

    asked = stocked.run(*words)

    assert (asked.code, asked.error["code"]) == (6, "confirmation_needed")
    assert "something that is no snapshot" in asked.error["message"]
    assert registry.blobs == {}
    assert not stocked.engine.called("execute devenv-snapshot"), "nothing was packed"
    stocked.run(*words, "--yes").ok()
    pushed(stocked, registry, ":clean")  # the same snapshot: no question

    other = replace(read_manifest(registry.manifests["clean"], HERE), key="f" * 16, name="dirty")
    registry.manifests["clean"] = write_manifest(other)
    assert "it is the snapshot dirty (ffffffffffffffff)" in stocked.run(*words).error["message"]


def test_a_push_to_a_digest_is_refused(stocked: Shop, registry: OciRegistry) -> None:
    words = ("snapshot", "push", key_of(stocked), target(registry, f"@{digest(b'x')}"), "--json")
    outcome = stocked.run(*words)
    assert (outcome.code, outcome.error["code"]) == (2, "bad_reference")
    assert registry.asked == []


@pytest.mark.parametrize("command", ["push x", "pull"])
@pytest.mark.parametrize("place", ["oci://registry.test/Shop", "https://registry.test/shop"])
def test_an_address_that_is_none_is_wrong_usage(stocked: Shop, command: str, place: str) -> None:
    outcome = stocked.run("snapshot", *command.split(), place, "--json")
    assert (outcome.code, outcome.error["code"]) == (2, "bad_reference")


def test_the_logins_of_docker_are_used(stocked: Shop, registry: OciRegistry) -> None:
    registry.auth = "bearer"
    words = ("snapshot", "push", key_of(stocked), target(registry), "--json")
    denied = stocked.run(*words)
    assert (denied.code, denied.error["code"]) == (1, "registry_denied")
    assert f"docker login {registry.host}" in denied.error["hint"]
    logins = {registry.host: Login("ann", "s3:cret")}
    stocked.project.wiring = fake_wiring(stocked.engine, stocked.setup, logins)

    stocked.run(*words).ok()

    assert registry.scopes[-1][0] == "repository:team/shop:pull,push"


def test_a_snapshot_that_is_here_is_not_fetched(stocked: Shop, registry: OciRegistry) -> None:
    sent = pushed(stocked, registry, ":clean")
    registry.asked.clear()

    outcome = stocked.run("snapshot", "pull", target(registry, ":clean"), "--name", "new", "--json").ok()

    assert (outcome.data["present"], outcome.data["received_bytes"]) == (True, 0)
    assert outcome.data["digest"] == sent["digest"]
    assert outcome.json["warnings"] == [f"new: is here already, as {key_of(stocked)}: it keeps that name"]
    assert registry.asked == ["GET /v2/team/shop/manifests/clean"]


def test_a_newer_servers_snapshot_is_refused_before_it_is_fetched(
    stocked: Shop, registry: OciRegistry
) -> None:
    pushed(stocked, registry, ":clean")
    artifact = read_manifest(registry.manifests["clean"], HERE)
    registry.manifests["clean"] = write_manifest(replace(artifact, server="99.0.1"))
    forget(stocked)

    assert refused(stocked, target(registry, ":clean"))["code"] == "snapshot_too_new"
    assert registry.requests("GET .*blobs") == []


def test_a_pull_says_which_tags_there_are(stocked: Shop, registry: OciRegistry) -> None:
    pushed(stocked, registry, ":clean")
    forget(stocked)
    without = refused(stocked, target(registry))
    assert (without["code"], "its tags are: clean" in without["message"]) == ("bad_reference", True)
    unknown = refused(stocked, target(registry, ":dirty"))
    assert (unknown["code"], unknown["detail"]) == ("artifact_not_found", {"evidence": ["tags there: clean"]})


def damage(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


@pytest.mark.parametrize(
    ("where", "harm", "code"),
    [
        ("GET .*blobs", damage, "artifact_damaged"),
        ("GET .*blobs", lambda content: content[:-20], "artifact_damaged"),
        ("GET .*blobs", lambda content: content + b"more", "artifact_damaged"),
        ("GET .*blobs", "cut", "registry_unreachable"),
        ("GET .*blobs", 500, "registry_failed"),
        ("GET .*blobs", 404, "artifact_not_found"),
        ("GET .*manifests", damage, "artifact_damaged"),
        ("GET .*manifests", "cut", "registry_unreachable"),
        ("GET .*manifests", 403, "registry_denied"),
        ("GET .*manifests", 502, "registry_failed"),
    ],
)
def test_what_does_not_arrive_whole_leaves_nothing(
    stocked: Shop, registry: OciRegistry, where: str, harm: Any, code: str
) -> None:
    pushed(stocked, registry, ":clean")
    forget(stocked)
    registry.harm(where, harm)
    error = refused(stocked, target(registry, ":clean"))
    assert (error["code"], error["where"]) == (code, target(registry, ":clean"))


def repacked(registry: OciRegistry, tmp_path: Path, change: Callable[[Path, Manifest], None]) -> None:
    """Another archive takes the place of the one behind the tag, with a manifest that fits it."""
    artifact = read_manifest(registry.manifests["clean"], HERE)
    file = tmp_path / "other.snap"
    file.write_bytes(registry.blobs[artifact.digest])
    change(file, open_archive(file).manifest)
    content = file.read_bytes()
    registry.blobs[digest(content)] = content
    registry.manifests["clean"] = write_manifest(replace(artifact, digest=digest(content), size=len(content)))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda file, _: file.write_bytes(damage(file.read_bytes())), "archive_damaged"),
        (lambda file, _: file.write_bytes(file.read_bytes()[:-50]), "archive_damaged"),
        (lambda file, _: file.write_bytes(b"nothing of the kind"), "archive_foreign"),
        (
            lambda file, manifest: write_archive(file, replace(manifest, key="f" * 16), [b"tar"]),
            "artifact_foreign",
        ),
        (
            lambda file, manifest: write_archive(file, replace(manifest, server="99.0.1"), [b"tar"]),
            "artifact_foreign",
        ),
    ],
    ids=["flipped", "short", "foreign", "of another snapshot", "of a newer server than was said"],
)
def test_an_archive_that_was_bad_when_it_was_pushed_leaves_nothing(
    stocked: Shop, registry: OciRegistry, tmp_path: Path, change: Any, code: str
) -> None:
    pushed(stocked, registry, ":clean")
    repacked(registry, tmp_path, change)
    forget(stocked)
    error = refused(stocked, target(registry, ":clean"))
    assert (error["code"], error["where"]) == (code, target(registry, ":clean"))


def test_an_image_is_no_snapshot(stocked: Shop, registry: OciRegistry) -> None:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json"}
    registry.manifests["1"] = json.dumps({"schemaVersion": 2, "config": config, "layers": []}).encode()
    forget(stocked)
    outcome = stocked.run("snapshot", "pull", target(registry, ":1"), "--json")
    assert (outcome.code, outcome.error["code"]) == (6, "artifact_foreign")
    assert "it is a container image" in outcome.error["message"]


def test_a_registry_that_is_not_there(stocked: Shop) -> None:
    forget(stocked)
    error = refused(stocked, "oci://127.0.0.1:1/team/shop:clean")
    assert error["code"] == "registry_unreachable"


@pytest.mark.parametrize("where", ["POST", "PUT .*uploads", "PUT .*manifests", "HEAD"])
def test_a_push_that_fails_leaves_no_tag_and_no_file(
    stocked: Shop, registry: OciRegistry, where: str
) -> None:
    registry.harm(where, 500)
    outcome = stocked.run("snapshot", "push", key_of(stocked), target(registry, ":clean"), "--json")
    assert (outcome.code, outcome.error["code"]) == (1, "registry_failed")
    assert registry.manifests == {}
    assert not (stocked.root / ".devenv" / "transfer").exists()


def test_a_disk_without_room_is_found_before_anything_is_fetched(
    stocked: Shop, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(stocked, registry, ":clean")
    forget(stocked)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    assert refused(stocked, target(registry, ":clean"))["code"] == "disk_full"
    assert registry.requests("GET .*blobs") == []


def _no_room(*_: object) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_up_meanwhile(
    stocked: Shop, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(stocked, registry, ":clean")
    forget(stocked)
    monkeypatch.setattr(Path, "open", _full_on_write(Path.open))
    assert refused(stocked, target(registry, ":clean"))["code"] == "disk_full"


def _full_on_write(usual: Any) -> Any:
    def opened(path: Path, mode: str = "r", **options: Any) -> Any:
        return (
            _no_room() if path.suffix in {".snap", ".part"} and "w" in mode else usual(path, mode, **options)
        )

    return opened


def test_a_disk_that_fills_up_while_packing(
    stocked: Shop, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "open", _full_on_write(Path.open))
    outcome = stocked.run("snapshot", "push", key_of(stocked), target(registry), "--json")
    assert (outcome.code, outcome.error["code"]) == (1, "disk_full")
    assert not (stocked.root / ".devenv" / "transfer").exists()
    assert registry.manifests == {}


@pytest.mark.parametrize("step", ["put_blob", "put_manifest"])
def test_an_interrupted_push_leaves_no_file(
    stocked: Shop, registry: OciRegistry, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Repository, step, interrupt)
    outcome = stocked.run("snapshot", "push", key_of(stocked), target(registry))
    assert outcome.code == 130
    assert not (stocked.root / ".devenv" / "transfer").exists()


def test_an_interrupted_pull_leaves_no_file(
    stocked: Shop, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(stocked, registry, ":clean")
    forget(stocked)
    usual = Repository.blob

    def interrupted(self: Repository, wanted: str, size: int) -> Iterator[bytes]:
        yield next(usual(self, wanted, size))
        assert list((stocked.root / ".devenv" / "transfer").iterdir()), "it was being written"
        raise KeyboardInterrupt

    monkeypatch.setattr(Repository, "blob", interrupted)
    assert stocked.run("snapshot", "pull", target(registry, ":clean")).code == 130
    assert leaves_nothing(stocked)


def test_what_a_killed_transfer_left_is_removed_by_the_next(stocked: Shop, registry: OciRegistry) -> None:
    left = stocked.root / ".devenv" / "transfer" / "half.snap"
    left.parent.mkdir()
    left.write_bytes(b"half")
    pushed(stocked, registry)
    assert not left.parent.exists()
