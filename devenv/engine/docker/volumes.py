"""Volumes and networks through the Docker SDK."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from devenv.engine.docker.connection import Connected
from devenv.engine.observed import ObservedVolume

if TYPE_CHECKING:
    from collections.abc import Mapping


class Volumes(Connected):
    """The engine's named volumes, by its local driver, and its bridge networks."""

    def volumes(self, label: str) -> tuple[ObservedVolume, ...]:
        """All volumes on this engine with a label, given as `key` or `key=value`, by name."""
        with self._translated("list volumes"):
            found = self._client.api.volumes(filters={"label": label})["Volumes"] or []
        return tuple(sorted((_observed_volume(row) for row in found), key=lambda volume: volume.name))

    def create_volume(
        self, name: str, labels: Mapping[str, str], options: Mapping[str, str] | None = None
    ) -> ObservedVolume:
        """Make a named volume, or find the one that exists; `options` are those of the local driver."""
        with self._translated(f"create volume {name}"):
            return _observed_volume(
                self._client.api.create_volume(
                    name, driver="local", driver_opts=dict(options or {}), labels=dict(labels)
                )
            )

    def remove_volume(self, name: str) -> None:
        """Remove a named volume; nothing happens where it does not exist."""
        from docker.errors import NotFound

        with self._translated(f"remove volume {name}"), suppress(NotFound):
            self._client.api.remove_volume(name)

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a bridge network; nothing happens where it exists."""
        with self._translated(f"create network {name}"):
            if not self._client.api.networks(names=[f"^{name}$"]):
                self._client.api.create_network(name, driver="bridge", labels=dict(labels))


def _observed_volume(row: Mapping[str, Any]) -> ObservedVolume:
    return ObservedVolume(
        row["Name"],
        row.get("Labels") or {},
        row.get("Mountpoint", ""),
        row.get("Options") or {},
        row.get("CreatedAt", ""),
    )
