"""Where the engine is reached: by the rules of the `docker` client, read from its files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT = "unix:///var/run/docker.sock"


def endpoint(environ: Mapping[str, str]) -> str | None:
    """The engine's address: DOCKER_HOST, else the context of DOCKER_CONTEXT or of the client's configuration.

    None where a context is named that cannot be read, or that needs more than an address (TLS): then the
    SDK finds its way, or says what is wrong.
    """
    if host := environ.get("DOCKER_HOST"):
        return host
    folder = Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or Path.home()) / ".docker")
    name = environ.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext") or "default"
    if name == "default":
        return DEFAULT
    digest = hashlib.sha256(str(name).encode()).hexdigest()
    meta = _read(folder / "contexts" / "meta" / digest / "meta.json")
    host = ((meta.get("Endpoints") or {}).get("docker") or {}).get("Host")
    return host if isinstance(host, str) else None


def publishes_here(address: str | None) -> bool:
    """Whether the ports that an engine's containers publish are this machine's; not of one whose address nobody knows."""
    parts = urlsplit(address or "")
    return parts.scheme in {"unix", "npipe"} or (
        parts.scheme in {"tcp", "http", "https"} and (parts.hostname or "") in LOOPBACK
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
