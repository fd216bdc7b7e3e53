"""What an empty `devenv.yaml` means: the reference environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DEFAULT_BACKEND_BUILD = "compose/backend"
DEFAULT_FRONTEND_BUILD = "compose/frontend"


@dataclass(frozen=True)
class Defaults:
    """What an empty file means in this folder; `devenv.config.defaults` finds it out."""

    name: str
    mappings: tuple[str, ...]
    seed: tuple[dict[str, Any] | str, ...]
    backend_build: str
    frontend_build: str
    production: dict[str, Any] = field(default_factory=dict)
