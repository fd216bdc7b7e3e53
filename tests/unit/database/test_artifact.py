"""Addresses and manifests of artifacts: what is read is what was written, and the rest is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devenv.database.artifact import (
    ARTIFACT,
    EMPTY_TYPE,
    INDEX,
    MANIFEST,
    Artifact,
    Reference,
    digest_of,
    read_manifest,
    write_manifest,
)
from devenv.errors import OperationError, RefusedError, UsageError

DIGEST = digest_of(b"archive")
OURS = Artifact(
    key="0123456789abcdef",
    name="clean",
    server="9.7.4-2",
    created="2026-11-23T07:00:00+00:00",
    origin="save",
    bytes=12345,
    digest=DIGEST,
    size=678,
)
HERE = Reference("127.0.0.1:5000", "team/shop", "clean")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci://registry.test/shop", Reference("registry.test", "shop")),
        ("oci://registry.test:5000/team/shop:v1.2", Reference("registry.test:5000", "team/shop", "v1.2")),
        ("oci://localhost/a/b__c/d-e.f:_x", Reference("localhost", "a/b__c/d-e.f", "_x")),
        ("oci://[::1]:5000/shop:a", Reference("[::1]:5000", "shop", "a")),
        (f"oci://registry.test/shop@{DIGEST}", Reference("registry.test", "shop", digest=DIGEST)),
    ],
)
def test_an_address_is_read_and_written_the_same(text: str, expected: Reference) -> None:
    assert Reference.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "oci://",
        "oci://registry.test",
        "oci://registry.test/",
        "oci:///shop",
        "oci://registry.test/Shop",
        "oci://registry.test/shop:",
        "oci://registry.test/shop:a b",
        "oci://registry.test/shop:a/b",
        "oci://registry.test/../shop",
        "oci://registry.test/shop@sha256:12",
        "oci://registry.test/shop?x=1",
        "oci://registry.test/shop\n",
        "https://registry.test/shop",
    ],
)
def test_what_is_no_address_is_shown(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected oci://HOST\[:PORT\]/REPOSITORY\[:TAG\]") as caught:
        Reference.parse(text)
    assert caught.value.code == "bad_reference"
    assert text in caught.value.message


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(UsageError, match="an address with a user in it") as caught:
        Reference.parse("oci://ann:s3cret@registry.test/shop")
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST:5000", True),
        ("127.0.0.1", True),
        ("127.8.9.10:5000", True),
        ("[::1]:5000", True),
        ("128.0.0.1", False),
        ("localhost.registry.test", False),
        ("registry.test:5000", False),
        ("[2001:db8::1]", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, *, loopback: bool) -> None:
    assert Reference(host, "shop").is_loopback is loopback


def test_a_tag_is_given_where_there_is_none() -> None:
    bare = Reference("registry.test", "shop")
    assert bare.tagged("clean").tag == "clean"
    assert HERE.tagged("other") is HERE
    with pytest.raises(UsageError, match="names a digest"):
        Reference("registry.test", "shop", digest=DIGEST).tagged("clean")


@pytest.mark.parametrize("name", ["clean", None])
def test_a_manifest_says_what_was_put_into_it(name: str | None) -> None:
    artifact = Artifact(**{**vars(OURS), "name": name})
    raw = write_manifest(artifact)

    assert read_manifest(raw, HERE) == artifact
    assert write_manifest(artifact) == raw


def test_a_manifest_is_an_artifact_of_oci_1_1() -> None:
    manifest = json.loads(write_manifest(OURS))

    assert (manifest["schemaVersion"], manifest["mediaType"]) == (2, MANIFEST)
    assert manifest["artifactType"] == ARTIFACT == "application/vnd.devenv.snapshot.v1"
    # The digest of "{}", as the image specification gives it.
    assert manifest["config"] == {
        "mediaType": EMPTY_TYPE,
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
    }
    (layer,) = manifest["layers"]
    assert (layer["digest"], layer["size"]) == (OURS.digest, OURS.size)
    assert layer["annotations"] == {"org.opencontainers.image.title": "clean.snap"}
    assert manifest["annotations"] == {
        "org.opencontainers.image.created": OURS.created,
        "devenv.snapshot.key": OURS.key,
        "devenv.snapshot.name": "clean",
        "devenv.snapshot.server": "9.7.4-2",
        "devenv.snapshot.origin": "save",
        "devenv.snapshot.bytes": "12345",
    }


IMAGE_CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json"}
DOCKER_CONFIG = {"mediaType": "application/vnd.docker.container.image.v1+json"}


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ({"schemaVersion": 2, "config": IMAGE_CONFIG, "layers": []}, "it is a container image"),
        ({"schemaVersion": 2, "config": DOCKER_CONFIG, "layers": []}, "it is a container image"),
        ({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, "it is an index of images"),
        ({"artifactType": "application/vnd.other", "config": {}}, "it is application/vnd.other"),
        ({"artifactType": "application/vnd.devenv.snapshot.v2"}, "it is application/vnd.devenv.snapshot.v2"),
        ({"config": None}, "it is no artifact"),
        ([], "it is no manifest"),
    ],
)
def test_what_is_no_snapshot_is_named(manifest: Any, reason: str) -> None:
    with pytest.raises(RefusedError, match="is no snapshot of devenv's") as caught:
        read_manifest(json.dumps(manifest).encode(), HERE)
    assert (caught.value.code, caught.value.where) == ("artifact_foreign", str(HERE))
    assert caught.value.message.endswith(reason)
    assert ("same devenv" in str(caught.value.hint)) == reason.endswith("snapshot.v2")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("annotations", "devenv.snapshot.key"), "../../etc"),
        (("annotations", "devenv.snapshot.key"), None),
        (("annotations", "devenv.snapshot.bytes"), "many"),
        (("annotations", "devenv.snapshot.server"), 9),
        (("annotations",), None),
        (("layers",), []),
        (("layers",), None),
        (("layers", 0, "mediaType"), "application/octet-stream"),
        (("layers", 0, "digest"), "sha256:12"),
        (("layers", 0, "size"), "678"),
        (("layers", 0, "size"), -1),
        (("layers", 0, "size"), True),
    ],
)
def test_a_manifest_that_cannot_be_used_is_damaged(path: tuple[Any, ...], value: Any) -> None:
    manifest = json.loads(write_manifest(OURS))
    place = manifest
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    with pytest.raises(OperationError, match="its manifest cannot be used") as caught:
        read_manifest(json.dumps(manifest).encode(), HERE)
    assert caught.value.code == "artifact_damaged"


def test_a_manifest_that_is_no_json_is_damaged() -> None:
    with pytest.raises(OperationError, match="its manifest is no JSON"):
        read_manifest(b"<html>", HERE)
