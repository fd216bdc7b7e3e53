"""Small values that tests start from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from devenv.config.document import Document
from devenv.config.parse import parse_settings
from devenv.config.reference import Defaults
from devenv.engine.observed import ObservedContainer, ObservedState, ObservedVolume
from devenv.model import Label, Project
from devenv.project import Identity, assemble
from devenv.services.placement import Placement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.config.settings import Settings
    from devenv.services.pods import Shape

IDENTITY = Identity("shop", "main", "/srv/shop")
PLACEMENT = Placement(
    root="/srv/shop", home="/home/dev", user="1000:1000", seed_marker="/srv/shop/.devenv/marker.sql"
)
DEFAULTS = Defaults(
    name="shop",
    mappings=("./compose/backend/app:/opt/app",),
    seed=("fixtures/*.sql.zst", {"run": "python manage.py migrate", "service": "backend"}),
    backend_build="compose/backend",
    frontend_build="compose/frontend",
)
IMAGES: Mapping[str, str] = {
    "database": "mysql:8.4",
    "mailcatcher": "sj26/mailcatcher:v0.10.0",
    "backend": "devenv/backend:0123456789ab",
    "frontend": "devenv/frontend:0123456789ab",
    "loadbalancer": "haproxy:3.0",
}
NO_TEXT_TO_COMPOSE = (
    "0891", "08901", "-08", "+0891", "08_1", "1e3", "1234567e8", "12345678e0123456", "1E3", "1E+3", "1e-3", "+1e3", "-1e3", "00e1",
    "1.e3", ".5e3", "1.5E3", "+.5", "-.5", "1_0e3", "1e1_0", "0o17", "-0o17", "0o-7", "0O17", "0X1F", "0B11", "0_x1f",
    "2024-1-1", "2024-1-1 1:2:3", "2024-1-1T1:2:3Z", "2024-1-1t1:2:3.5+01:00", "y", "Y", "n", "N",
    "0123", "1.10", "12:30", "1_000", "0x1f", ".inf", "-.Inf", ".nan", "2024-01-01", "yes", "no", "on", "off", "true", "null", "~", "=",
)  # fmt: skip
"""Words that Compose, or another reader of YAML, takes for something else than text unless they are quoted."""

_PROCESS = os.getpid()
ADDRESS = f"127.{1 + _PROCESS % 9}.{1 + _PROCESS // 9 % 9}.{100 + _PROCESS // 81 % 155}"
"""A loopback address that nothing else uses, so that its ports are free; each of several test processes has its own,
in whichever checkout. It is always as long, because tables are as wide as their content."""

SHOP = f"""\
name: shop
bind: {ADDRESS}
database: {{port: 33061, seed: [seed.sql, {{run: python manage.py migrate, service: backend}}]}}
mail: {{port: 10801, smtp_port: 10251}}
backend: {{image: "shop/backend:1", port: 18000, mappings: ["./app:/opt/app"]}}
frontend: {{image: "shop/frontend:1", port: 18080}}
"""
SHOP_FILES = {
    "devenv.yaml": SHOP,
    "seed.sql": "CREATE TABLE campaign (id INT);\nINSERT INTO campaign VALUES (1);\n",
    "app/manage.py": "",
}
SHOP_IMAGES = {"mysql:8.4", "sj26/mailcatcher:v0.10.0", "shop/backend:1", "shop/frontend:1"}


def settings(**sections: Any) -> Settings:
    """What a `devenv.yaml` with these sections means; without any it is the reference environment."""
    return parse_settings(Document(sections, {}), DEFAULTS)


def project(
    placement: Placement = PLACEMENT, generation: int = 1, shape: Shape | None = None, **sections: Any
) -> Project:
    """The environment that these sections define."""
    return assemble(settings(**sections), IDENTITY, placement, generation, shape)


def container(
    service: str, number: int = 1, *, spec: str = "as defined", **changes: Any
) -> ObservedContainer:
    """A healthy container of a service."""
    facts: dict[str, Any] = {
        "id": f"{service}#{number}",
        "name": f"shop-{service}-{number}",
        "service": service,
        "number": number,
        "state": "running",
        "health": "healthy",
        "image_id": "sha256:1",
        "labels": {Label.SPEC: spec, Label.WORKTREE: "/srv/shop"},
    }
    return ObservedContainer(**(facts | changes))


def observed(*containers: ObservedContainer, volumes: tuple[str, ...] = ()) -> ObservedState:
    """One reading of the engine."""
    return ObservedState(containers, tuple(ObservedVolume(name) for name in volumes))
