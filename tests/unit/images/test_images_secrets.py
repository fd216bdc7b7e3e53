"""What a build learns of this machine's configuration, and what it does not."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from devenv.images import secrets
from devenv.images.secrets import (
    build_secrets,
    ca_bundle,
    container_pip_settings,
    pip_settings,
    proxy_arguments,
)


def pip_conf(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_pips_files_from_the_weakest_to_the_strongest(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    pip_conf(tmp_path / ".pip/pip.conf", "[global]\nindex-url = legacy\ntimeout = 1\nproxy = p\n")
    assert pip_settings(environ)["index-url"] == "legacy"
    pip_conf(tmp_path / ".config/pip/pip.conf", "[global]\nindex-url = user\n")
    assert pip_settings(environ)["index-url"] == "user"
    environ["PIP_CONFIG_FILE"] = str(pip_conf(tmp_path / "mine.conf", "[global]\nindex_url = mine\n"))
    assert pip_settings(environ)["index-url"] == "mine"
    environ["PIP_INDEX_URL"] = "from the environment"
    found = pip_settings(environ)
    assert (found["index-url"], found["timeout"], found["proxy"]) == ("from the environment", "1", "p")


def test_the_configuration_folder_may_be_elsewhere(tmp_path: Path) -> None:
    pip_conf(tmp_path / "xdg/pip/pip.conf", "[global]\ntimeout = 7\n")
    assert pip_settings({"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")})["timeout"] == "7"


def test_the_section_for_installing_wins(tmp_path: Path) -> None:
    pip_conf(
        tmp_path / ".pip/pip.conf", "[install]\ntimeout = 2\n[global]\ntimeout = 1\n[list]\ntimeout = 3\n"
    )
    assert pip_settings({"HOME": str(tmp_path)})["timeout"] == "2"


@pytest.mark.parametrize(
    "content",
    [b"no section\n", b"[global]\nx = 1\nx = 2\n", b"[global]\nx = \xff\xfe\n"],
    ids=["syntax", "twice", "bytes"],
)
def test_a_damaged_file_is_passed_over(tmp_path: Path, content: bytes) -> None:
    pip_conf(tmp_path / ".pip/pip.conf", "[global]\ntimeout = 1\n")
    damaged = tmp_path / "damaged.conf"
    damaged.write_bytes(content)
    assert pip_settings({"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(damaged)})["timeout"] == "1"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"index-url": "https://mirror.test/simple"}, {"index-url": "https://mirror.test/simple"}),
        (
            {"extra-index-url": "https://a.test\nhttps://b.test"},
            {"extra-index-url": "https://a.test https://b.test"},
        ),
        ({"index-url": "file:///opt/wheels"}, {}),
        (
            {"extra-index-url": "file:/a /opt/b ./c ../d https://e.test"},
            {"extra-index-url": "https://e.test"},
        ),
        ({"trusted-host": "mirror.test", "proxy": "http://proxy.test:1", "timeout": "180"}, None),
        ({"cert": "/etc/ca.pem", "find-links": "/opt/wheels", "cache-dir": "/tmp", "no-index": "1"}, {}),
        ({"index-url": ""}, {}),
        ({}, {}),
    ],
)
def test_only_addresses_go_into_a_build(given: dict[str, str], kept: dict[str, str] | None) -> None:
    assert container_pip_settings(given) == (given if kept is None else kept)


@pytest.mark.parametrize(
    "strongest", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"]
)
def test_the_first_bundle_that_is_named_and_there(tmp_path: Path, strongest: str) -> None:
    names = list(secrets.BUNDLE_VARIABLES)
    weaker = names[names.index(strongest) + 1 :]
    stronger = names[: names.index(strongest)]
    for name in names:
        (tmp_path / name).touch()
    environ = {strongest: str(tmp_path / strongest), **{name: str(tmp_path / name) for name in weaker}}
    environ |= dict.fromkeys(stronger, "/not/there")
    assert ca_bundle(environ, {"cert": "/neither"}) == tmp_path / strongest


def test_pips_own_bundle_is_the_last_resort(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    assert ca_bundle({}, {"cert": str(bundle)}) == bundle
    assert ca_bundle({"SSL_CERT_FILE": ""}, {"cert": "/not/there"}) is None
    assert ca_bundle({"SSL_CERT_FILE": str(tmp_path)}, {}) is None, "a folder is no bundle"
    assert ca_bundle({}, {}) is None


def test_proxies_in_either_case() -> None:
    environ = {"HTTP_PROXY": "a", "https_proxy": "b", "NO_PROXY": "", "OTHER": "c"}
    assert proxy_arguments(environ) == {"HTTP_PROXY": "a", "https_proxy": "b"}


def test_the_secrets_of_a_build(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificate")
    environ = {
        "HOME": str(tmp_path),
        "SSL_CERT_FILE": str(bundle),
        "PIP_INDEX_URL": "https://user:pass@mirror.test/simple",
        "PIP_TIMEOUT": "9",
        "PIP_PROXY": "",
        "PIP_TRUSTED_HOST": "",
        "PIP_EXTRA_INDEX_URL": "",
    }
    with build_secrets(environ) as found:
        assert set(found) == {"ca_bundle", "pip_conf"}
        assert found["ca_bundle"] == bundle
        file = found["pip_conf"]
        assert file.read_text() == "[global]\nindex-url = https://user:pass@mirror.test/simple\ntimeout = 9\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not file.exists()
    assert not file.parent.exists()
    assert bundle.exists()


def test_the_temporary_file_goes_when_the_build_fails(tmp_path: Path) -> None:
    seen: list[Path] = []

    def build() -> None:
        with build_secrets({"HOME": str(tmp_path), "PIP_TIMEOUT": "9"}) as found:
            seen.append(found["pip_conf"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build()
    assert not seen[0].exists()


def test_a_machine_without_configuration_lends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def below_home(environ: dict[str, str]) -> tuple[Path, ...]:
        return tuple(Path(environ["HOME"]).glob("**/pip.conf"))

    monkeypatch.setattr(secrets, "_pip_files", below_home)  # this machine may have one in /etc
    with build_secrets({"HOME": str(tmp_path)}) as found:
        assert found == {}
