"""Logins as `docker login` and credential helpers leave them."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from devenv.engine.docker.logins import login_of
from devenv.errors import OperationError
from devenv.model import Login

HOST = "registry.test:5000"
HELPER = """#!/bin/sh
read -r server
case "$1 $server" in
  "get registry.test:5000") echo '{"ServerURL": "", "Username": "helped", "Secret": "hidden"}' ;;
  "get token.test") echo '{"ServerURL": "", "Username": "<token>", "Secret": "long-lived"}' ;;
  "get broken.test") echo 'the keychain is locked'; exit 1 ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


def configure(configuration: Any, folder: Path | None = None) -> None:
    folder = folder or Path.home() / ".docker"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(configuration), encoding="utf-8")


def auth(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A credential helper on PATH."""
    program = tmp_path / "docker-credential-tests"
    program.write_text(HELPER, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return "tests"


def test_without_a_configuration_nobody_is_logged_in() -> None:
    assert login_of(HOST) is None


def test_an_entry_is_found_by_its_host() -> None:
    configure(
        {
            "auths": {
                HOST: {"auth": auth("ann", "s3:cret")},
                "https://other.test/v1/": {"auth": auth("bob", "x")},
                "token.test": {"auth": auth("eve", "x"), "identitytoken": "long-lived"},
                "empty.test": {},
            }
        }
    )
    assert login_of(HOST) == Login("ann", "s3:cret")
    assert login_of("other.test") == Login("bob", "x")
    assert login_of("token.test") == Login(identity_token="long-lived")
    assert login_of("empty.test") is None
    assert login_of("registry.test") is None, "another port is another registry"


def test_the_folder_of_the_configuration_is_a_users_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure({"auths": {HOST: {"auth": auth("home", "x")}}})
    configure({"auths": {HOST: {"auth": auth("chosen", "x")}}}, tmp_path)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert login_of(HOST) == Login("chosen", "x")


@pytest.mark.parametrize(
    "configuration",
    [{"credsStore": "tests"}, {"credHelpers": {HOST: "tests", "token.test": "tests"}}],
    ids=["store", "helpers"],
)
def test_a_helper_is_asked(configuration: Any, helper: str) -> None:
    configure({"auths": {HOST: {}}, **configuration})
    assert helper == "tests"
    assert login_of(HOST) == Login("helped", "hidden")
    assert login_of("token.test") == Login(identity_token="long-lived")
    assert login_of("unknown.test") is None


@pytest.mark.parametrize(
    ("configuration", "evidence"),
    [
        ({"credsStore": "missing"}, "docker-credential-missing not installed"),
        ({"auths": {HOST: {"auth": "s3cret"}}}, "Error"),
        ({"auths": {HOST: {"auth": ""}, "x": {}}}, "ValueError"),
        ({"auths": ["s3cret"]}, "AttributeError"),
        ({"auths": {HOST: "s3cret"}}, "Invalid configuration"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_named(configuration: Any, evidence: str) -> None:
    configure(configuration)
    with pytest.raises(OperationError, match=r"does not say who you are to registry\.test:5000") as caught:
        login_of(HOST)
    assert caught.value.code == "login_unreadable"
    assert evidence in caught.value.evidence[0]
    assert "s3cret" not in caught.value.evidence[0]
    assert f"docker login {HOST}" in str(caught.value.hint)


@pytest.mark.usefixtures("helper")
def test_a_helper_that_fails_is_named() -> None:
    configure({"credsStore": "tests"})
    with pytest.raises(OperationError) as caught:
        login_of("broken.test")
    assert "the keychain is locked" in caught.value.evidence[0]
