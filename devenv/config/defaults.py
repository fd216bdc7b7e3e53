"""The edge that looks at the folder: what an empty `devenv.yaml` means there."""

from __future__ import annotations

import re
from pathlib import Path

from devenv.config.parse import Defaults
from devenv.config.settings import DEFAULT_BACKEND_BUILD, DEFAULT_FRONTEND_BUILD

_PACKAGE = Path(__file__).resolve().parent.parent

# A wheel carries compose/ and fixtures/; in a checkout they lie beside the package.
RESOURCES: Path = _PACKAGE / "resources" if (_PACKAGE / "resources").is_dir() else _PACKAGE.parent

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
    )


def _build(root: Path, folder: str) -> str:
    return folder if (root / folder).is_dir() else str(RESOURCES / folder)


def _name(root: Path) -> str:
    """The folder's name as far as it can be a name; `devenv` where nothing of it can."""
    name = re.sub(r"[^a-z0-9_-]+", "-", root.resolve().name.lower())
    return name.strip("-_")[:41].rstrip("-_") or "devenv"
