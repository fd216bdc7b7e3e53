"""What registries ask by `WWW-Authenticate`, and where a login may go."""

from __future__ import annotations

import pytest

from devenv.database.challenge import Challenge, basic, is_safe, read_challenges, token_request
from devenv.model import Login

ANN = Login("ann", "s3:cret")
BEARER = Challenge("bearer", {"realm": "https://auth.test/token", "service": "registry.test"})


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ()),
        ("Basic", (Challenge("basic", {}),)),
        ('Basic realm="my \\"own\\" registry"', (Challenge("basic", {"realm": 'my "own" registry'}),)),
        (
            'Bearer realm="https://auth.test/token",service="registry.test",scope="repository:a/b:pull,push"',
            (
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.test/token",
                        "service": "registry.test",
                        "scope": "repository:a/b:pull,push",
                    },
                ),
            ),
        ),
        (
            "bearer Realm=one , Basic realm=two, Negotiate",
            (
                Challenge("bearer", {"realm": "one"}),
                Challenge("basic", {"realm": "two"}),
                Challenge("negotiate", {}),
            ),
        ),
        ('"nonsense', ()),
        ('Basic realm="never closed', (Challenge("basic", {}),)),
    ],
)
def test_challenges_are_read(header: str, expected: tuple[Challenge, ...]) -> None:
    assert read_challenges(header) == expected


def test_basic_shows_name_and_password() -> None:
    assert basic(ANN) == "Basic YW5uOnMzOmNyZXQ="


def test_a_token_is_asked_for_with_a_password() -> None:
    request = token_request(BEARER, "repository:a:pull", ANN)
    assert request is not None
    assert (request.url, request.form) == ("https://auth.test/token", None)
    assert request.query == (("service", "registry.test"), ("scope", "repository:a:pull"))
    assert request.headers == {"Authorization": basic(ANN)}


def test_a_token_is_asked_for_by_nobody() -> None:
    request = token_request(BEARER, "repository:a:pull", None)
    assert request is not None
    assert request.headers == {}


def test_an_identity_token_is_exchanged() -> None:
    request = token_request(BEARER, "repository:a:pull", Login(identity_token="long"))
    assert request is not None
    assert (request.query, request.headers) == ((), {})
    assert request.form == {
        "grant_type": "refresh_token",
        "service": "registry.test",
        "client_id": "devenv",
        "scope": "repository:a:pull",
        "refresh_token": "long",
    }


def test_the_scope_that_the_registry_asks_for_is_added_once() -> None:
    asked = Challenge("bearer", {**BEARER.parameters, "scope": "repository:a:pull,push,delete"})
    request = token_request(asked, "repository:a:pull", None)
    assert request is not None
    assert [value for name, value in request.query if name == "scope"] == [
        "repository:a:pull",
        "repository:a:pull,push,delete",
    ]
    same = token_request(Challenge("bearer", {"realm": "x", "scope": "s"}), "s", None)
    assert same is not None
    assert same.query == (("scope", "s"),)


def test_without_a_realm_there_is_nobody_to_ask() -> None:
    assert token_request(Challenge("bearer", {}), "s", ANN) is None


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://auth.test/token", True),
        ("http://127.0.0.1:5001/token", True),
        ("http://localhost/token", True),
        ("http://auth.test/token", False),
        ("ftp://auth.test/token", False),
        ("/token", False),
    ],
)
def test_a_login_never_travels_in_the_clear(url: str, *, safe: bool) -> None:
    assert is_safe(url) is safe


def test_a_login_does_not_show_its_secrets() -> None:
    assert repr(Login("ann", "s3cret", "t0ken")) == "Login(username='ann')"
