"""What the machine contributes to an environment: where it lies, as whom it runs, which ports it got."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Placement:
    """Facts of this machine that the pure definition of the services depends on.

    `user` is `uid:gid` of who runs devenv, so that files written in a mapping belong to him; None where
    the engine maps owners itself. `ports` holds the published port by configuration key, such as
    `database.port`; a key that is missing keeps the configured one.
    """

    root: str
    home: str = ""
    user: str | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    seed_marker: str = "marker.sql"
    """Path of the SQL file that marks a data directory which the image itself initialises."""
    secret_key: str = ""
    """What every pod signs with; production's shape alone needs one."""
    balancer_folder: str = "loadbalancer"
    """Path of the folder with the load balancer's configuration, page and key."""
    balancer_user: str | None = None
    """`uid:gid` of who may read that folder; never root on the machine of the engine."""

    def port(self, key: str, configured: int) -> int:
        """The port published for a key."""
        return self.ports.get(key, configured)
