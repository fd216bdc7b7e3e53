"""The client of a registry against one in this process: who may come in, what arrives, and how it fails."""

from __future__ import annotations

import io
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from devenv.database import registry_client
from devenv.database.artifact import Reference
from devenv.database.distribution import Repository, Upload
from devenv.errors import DevenvError, OperationError
from devenv.model import Login
from tests.oci import OciRegistry, digest, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 4096
ANN = Login("ann", "s3:cret")


@pytest.fixture
def registry() -> Iterator[OciRegistry]:
    with serving() as found:
        yield found


def repository(registry: OciRegistry, login: Login | None = None, *, writes: bool = False) -> Repository:
    def logins(host: str) -> Login | None:
        assert host == registry.host
        return login

    return Repository(Reference(registry.host, "team/shop", "clean"), logins, writes=writes)


def raised(
    registry: OciRegistry, act: Callable[[Repository], Any], login: Login | None = None
) -> DevenvError:
    with repository(registry, login) as found, pytest.raises(OperationError) as caught:
        act(found)
    assert caught.value.where == f"oci://{registry.host}/team/shop:clean"
    assert caught.value.hint
    return caught.value


def upload(seen: list[int]) -> Upload:
    def watched(pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            seen.append(len(piece))
            yield piece

    return Upload(io.BytesIO(CONTENT), len(CONTENT), watched)


def test_content_goes_up_and_comes_back(registry: OciRegistry) -> None:
    seen: list[int] = []
    with repository(registry, writes=True) as found:
        assert not found.has_blob(digest(CONTENT))
        found.put_blob(digest(CONTENT), upload(seen))
        assert found.has_blob(digest(CONTENT))
        found.put_manifest("clean", b"{}")

        assert b"".join(found.blob(digest(CONTENT), len(CONTENT))) == CONTENT
        assert found.manifest("clean") == found.manifest(digest(b"{}")) == b"{}"
        assert (found.manifest("none"), found.tags()) == (None, ("clean",))

    assert sum(seen) == len(CONTENT)
    assert len(seen) > 1, "in pieces"
    assert [line.split("?")[0] for line in registry.asked[:5]] == [
        f"HEAD /v2/team/shop/blobs/{digest(CONTENT)}",
        "POST /v2/team/shop/blobs/uploads/",
        "PUT /v2/upload/blobs/uploads/one",
        f"HEAD /v2/team/shop/blobs/{digest(CONTENT)}",
        "PUT /v2/team/shop/manifests/clean",
    ]
    put = registry.headers[2]
    assert (put["content-length"], put.get("transfer-encoding")) == (str(len(CONTENT)), None)


def test_a_password_is_shown_when_it_is_asked_for(registry: OciRegistry) -> None:
    registry.auth = "basic"
    with repository(registry, ANN) as found:
        assert found.tags() == ()
        assert found.tags() == ()
    assert len(registry.asked) == 3, "asked once, and shown from then on"


@pytest.mark.parametrize("login", [ANN, Login(identity_token="long-lived")])
def test_a_token_is_fetched_when_it_is_asked_for(registry: OciRegistry, login: Login) -> None:
    registry.auth, registry.identity_token = "bearer", "long-lived"
    with repository(registry, login, writes=True) as found:
        found.put_blob(digest(CONTENT), upload([]))
    assert digest(CONTENT) in registry.blobs
    assert len(registry.requests("token")) == 1
    assert "repository:team/shop:pull,push" in " ".join(registry.scopes[0])


def test_a_token_is_given_to_anybody_where_the_repository_is_public(registry: OciRegistry) -> None:
    registry.auth, registry.public = "bearer", True
    with repository(registry) as found:
        assert found.tags() == ()
    assert registry.scopes == [["repository:team/shop:pull", "repository:x:pull"]]


def test_a_token_that_ran_out_is_renewed_and_the_content_sent_again(registry: OciRegistry) -> None:
    registry.auth, registry.token_uses = "bearer", 1
    seen: list[int] = []
    with repository(registry, ANN, writes=True) as found:
        found.put_blob(digest(CONTENT), upload(seen))
    assert registry.blobs[digest(CONTENT)] == CONTENT
    assert sum(seen) == 2 * len(CONTENT)
    assert len(registry.requests("token")) == 2


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize("login", [None, Login("ann", "wrong"), Login(identity_token="wrong")])
def test_who_may_not_come_in_is_told_to_log_in(registry: OciRegistry, auth: str, login: Login | None) -> None:
    registry.auth = auth
    error = raised(registry, Repository.tags, login)
    assert (error.code, error.exit_status) == ("registry_denied", 1)
    assert f"`docker login {registry.host}`" in str(error.hint)
    assert len(registry.asked) <= 3
    assert "wrong" not in f"{error.message}{error.evidence}"


def test_a_token_that_never_suffices_is_not_asked_for_again_and_again(registry: OciRegistry) -> None:
    registry.auth, registry.token_uses = "bearer", 0
    assert raised(registry, Repository.tags, ANN).code == "registry_denied"
    assert len(registry.asked) == 3


def test_a_login_is_not_sent_in_the_clear_to_elsewhere(registry: OciRegistry) -> None:
    registry.auth, registry.realm = "bearer", "http://auth.test/token"
    error = raised(registry, Repository.tags, ANN)
    assert error.code == "registry_failed"
    assert "it wants your login sent to http://auth.test/token" in error.message


def test_a_login_is_not_sent_on(registry: OciRegistry) -> None:
    with serving() as elsewhere:
        registry.auth, registry.realm = "bearer", f"http://{registry.host}/moved"
        registry.moved["/moved"] = f"http://{elsewhere.host}/token"
        assert raised(registry, Repository.tags, ANN).code == "registry_failed"
        assert elsewhere.asked == []


def test_content_that_lies_elsewhere_is_fetched_without_the_login(registry: OciRegistry) -> None:
    with serving() as elsewhere:
        elsewhere.blobs[digest(CONTENT)] = CONTENT
        path = f"/v2/team/shop/blobs/{digest(CONTENT)}"
        registry.auth = "basic"
        registry.moved[path] = f"http://{elsewhere.host}{path}"
        with repository(registry, ANN) as found:
            assert b"".join(found.blob(digest(CONTENT), len(CONTENT))) == CONTENT
        assert "authorization" in registry.headers[-1]
        assert "authorization" not in elsewhere.headers[-1]


def test_content_is_sent_elsewhere_without_the_login(registry: OciRegistry) -> None:
    with serving() as elsewhere:
        registry.auth = "basic"
        registry.location = f"http://{elsewhere.host}/v2/x/blobs/uploads/one?state=a%2Fb"
        with repository(registry, ANN) as found:
            found.put_blob(digest(CONTENT), CONTENT)
        assert elsewhere.blobs[digest(CONTENT)] == CONTENT
        assert "authorization" not in elsewhere.headers[-1]


def test_a_password_of_another_program_is_not_used(
    registry: OciRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password s3:cret\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with repository(registry) as found:
        found.tags()
    assert "authorization" not in registry.headers[-1]


def test_a_registry_on_this_machine_is_not_looked_for_behind_a_proxy(
    registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "registry.test")
    with repository(registry) as found:
        assert found.tags() == ()


def test_another_registry_is_asked_through_the_proxy_and_by_https(
    registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{registry.host}")
    registry.harm("CONNECT", 503)
    with (
        Repository(Reference("registry.test", "shop"), lambda _: None) as found,
        pytest.raises(OperationError, match=r"registry registry\.test cannot be reached"),
    ):
        found.tags()
    assert registry.asked == ["CONNECT registry.test:443"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "registry_denied"),
        (404, "artifact_not_found"),
        (429, "registry_failed"),
        (503, "registry_failed"),
    ],
)
def test_a_refusal_is_told_in_the_registrys_words(registry: OciRegistry, status: int, code: str) -> None:
    registry.harm("POST", status)
    error = raised(registry, lambda found: found.put_blob(digest(CONTENT), CONTENT))
    assert (error.code, error.exit_status) == (code, 1)
    assert error.evidence == (f"HARMED: on purpose {status}",)
    assert len(registry.asked) == 1, "not tried again"


def test_a_server_of_tokens_that_fails_is_no_denial(registry: OciRegistry) -> None:
    registry.auth = "bearer"
    registry.harm("/token", 500)
    error = raised(registry, Repository.tags, ANN)
    assert error.code == "registry_failed"
    assert "it gives no token, but HTTP 500" in error.message


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"token": 5}', b'{"token": "a\\r\\nX: b"}', b"{}"])
def test_an_answer_that_holds_no_token_is_a_denial(registry: OciRegistry, body: bytes) -> None:
    registry.auth, registry.public = "bearer", True
    registry.harm("/token", lambda _: body)
    assert raised(registry, Repository.tags).code == "registry_denied"


def test_a_registry_that_does_not_say_where_to_send(registry: OciRegistry) -> None:
    registry.location = None
    error = raised(registry, lambda found: found.put_blob(digest(CONTENT), CONTENT))
    assert "does not say where to send" in error.message
    assert len(registry.asked) == 1


def test_nobody_answers() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = OciRegistry(port=free.getsockname()[1])
        error = raised(nobody, Repository.tags)
    assert (error.code, error.exit_status) == ("registry_unreachable", 1)
    assert "refused" in error.evidence[0]
    assert "/v2/" not in error.evidence[0]


def test_a_registry_that_says_nothing_is_given_up(
    registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_client, "ANSWER_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = OciRegistry(port=silent.getsockname()[1])
        assert raised(registry, Repository.tags).code == "registry_unreachable"


def fetched(registry: OciRegistry, size: int = len(CONTENT)) -> DevenvError:
    registry.blobs[digest(CONTENT)] = CONTENT
    return raised(registry, lambda found: b"".join(found.blob(digest(CONTENT), size)))


def test_a_connection_that_is_cut_in_the_middle(registry: OciRegistry) -> None:
    registry.harm("GET", "cut")
    assert fetched(registry).code == "registry_unreachable"


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda content: content[:-1], "its archive ends 1 of 1048576 bytes early"),
        (lambda content: content + b"x", "its archive is longer than 1048576 bytes"),
        (lambda content: b"x" + content[1:], "in place of sha256:"),
        (lambda _: b"", "ends 1048576 of 1048576 bytes early"),
    ],
)
def test_content_that_is_not_what_was_sent(
    registry: OciRegistry, harm: Callable[[bytes], bytes], reason: str
) -> None:
    registry.harm("GET", harm)
    error = fetched(registry)
    assert error.code == "artifact_damaged"
    assert reason in error.message


@pytest.mark.parametrize("name", ["clean", digest(b"{}")])
def test_a_manifest_that_is_not_what_its_digest_says(registry: OciRegistry, name: str) -> None:
    registry.manifests[name] = b"{}"
    registry.harm("manifests", lambda _: b"{ }")
    error = raised(registry, lambda found: found.manifest(name))
    assert error.code == "artifact_damaged"
    assert "its manifest is" in error.message


def test_an_endless_manifest_is_not_read_to_its_end(
    registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_client, "LONGEST_ANSWER", 1000)
    registry.manifests["clean"] = json.dumps({"annotations": {"x": "y" * 2000}}).encode()
    error = raised(registry, lambda found: found.manifest("clean"))
    assert "an answer is longer than 1000 bytes" in error.message


@pytest.mark.parametrize("body", [b"<html>", b'{"tags": null}', b'{"tags": 5}'])
def test_tags_that_are_none(registry: OciRegistry, body: bytes) -> None:
    registry.harm("tags", lambda _: body)
    with repository(registry) as found:
        assert found.tags() == ()
