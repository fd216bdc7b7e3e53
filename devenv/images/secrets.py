"""What this machine's own configuration lends to a build, as secrets that leave nothing in a layer."""

from __future__ import annotations

import configparser
import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BUNDLE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")


def proxy_arguments(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxies of this machine as build arguments, which BuildKit knows and keeps out of the image."""
    names = [*PROXY_VARIABLES, *(name.lower() for name in PROXY_VARIABLES)]
    return {name: environ[name] for name in names if environ.get(name)}


def ca_bundle(environ: Mapping[str, str], pip: Mapping[str, str]) -> Path | None:
    """The CA bundle that this machine trusts, where its environment or pip's configuration names one."""
    named = [environ.get(name) for name in BUNDLE_VARIABLES] + [pip.get("cert")]
    return next((Path(name) for name in named if name and Path(name).is_file()), None)


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Pip's own configuration on this machine; the environment wins over files, as in pip."""
    found: dict[str, str] = {}
    for file in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    given = {
        name[4:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_")
    }
    return found | given


def container_pip_settings(pip: Mapping[str, str]) -> dict[str, str]:
    """Those settings that mean something inside a build: addresses, not folders of this machine."""
    kept: dict[str, str] = {}
    for key in PIP_KEYS:
        words = [word for word in pip.get(key, "").split() if not word.startswith(("file:", "/", "."))]
        if words:
            kept[key] = " ".join(words)
    return kept


@contextmanager
def build_secrets(environ: Mapping[str, str] | None = None) -> Iterator[Mapping[str, Path]]:
    """Files by secret id, for the time of a build: `ca_bundle` and `pip_conf`, where there are any."""
    environ = os.environ if environ is None else environ
    pip = pip_settings(environ)
    secrets: dict[str, Path] = {}
    bundle = ca_bundle(environ, pip)
    if bundle is not None:
        secrets["ca_bundle"] = bundle
    with TemporaryDirectory(prefix="devenv-build-") as folder:
        inside = container_pip_settings(pip)
        if inside:
            file = Path(folder, "pip.conf")
            file.touch(mode=0o600)
            lines = [f"{key} = {value}" for key, value in inside.items()]
            file.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
            secrets["pip_conf"] = file
        yield secrets


def _pip_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Pip's configuration files, the weakest first."""
    home = Path(environ.get("HOME", "~")).expanduser()
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
    files += [home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    if environ.get("PIP_CONFIG_FILE"):
        files.append(Path(environ["PIP_CONFIG_FILE"]))
    return tuple(files)
