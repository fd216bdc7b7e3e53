"""The edge that looks at the folder: what an empty `devenv.yaml` means there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from devenv.config.reference import DEFAULT_BACKEND_BUILD, DEFAULT_FRONTEND_BUILD, Defaults

_PACKAGE = Path(__file__).resolve().parent.parent

# A wheel carries compose/ and fixtures/; in a checkout they lie beside the package.
RESOURCES: Path = _PACKAGE / "resources" if (_PACKAGE / "resources").is_dir() else _PACKAGE.parent

MANIFEST = "compose/production.yaml"
ALLOWED = (
    {"what": "*.limits.*", "reason": "a laptop gives what it has"},
    {"what": "*.replicas", "reason": "one of each is enough while developing"},
    {"what": "*.environment.ALLOWED_HOSTS", "reason": "DEBUG answers to every host name"},
    {"what": "*.environment.SECRET_KEY", "reason": "DEBUG does without"},
    {"what": "backend.pip.mysqlclient", "reason": "comes with Debian's python3-mysqldb"},
)
"""How the reference environment is meant to differ from its own production manifest."""

_SEEDS = "*.sql.zst"
_APPLICATION = "compose/backend/app"


def defaults_for(root: Path) -> Defaults:
    """The reference environment, seen from `root`: its own files where it has them, else the packaged ones."""
    own_seeds = any((root / "fixtures").glob(_SEEDS))
    return Defaults(
        name=_name(root),
        mappings=(f"./{_APPLICATION}:/opt/app",) if (root / _APPLICATION).is_dir() else (),
        seed=(
            f"fixtures/{_SEEDS}" if own_seeds else str(RESOURCES / "fixtures" / _SEEDS),
            {"run": "python manage.py migrate", "service": "backend"},
        ),
        backend_build=_build(root, DEFAULT_BACKEND_BUILD),
        frontend_build=_build(root, DEFAULT_FRONTEND_BUILD),
        production=_production(root),
    )


def _production(root: Path) -> dict[str, Any]:
    """What the reference environment is compared with: its own manifest, and what its images are made of."""
    return {
        "manifest": MANIFEST if (root / MANIFEST).is_file() else str(RESOURCES / MANIFEST),
        "contents": {
            "backend": {
                "python": "3.13",
                "pip": _build(root, DEFAULT_BACKEND_BUILD) + "/requirements.txt",
            },
            "frontend": {"nginx": _build(root, DEFAULT_FRONTEND_BUILD) + "/nginx.conf"},
        },
        "allow": list(ALLOWED),
    }


def _build(root: Path, folder: str) -> str:
    return folder if (root / folder).is_dir() else str(RESOURCES / folder)


def _name(root: Path) -> str:
    """The folder's name as far as it can be a name; `devenv` where nothing of it can."""
    name = re.sub(r"[^a-z0-9_-]+", "-", root.resolve().name.lower())
    return name.strip("-_")[:41].rstrip("-_") or "devenv"
