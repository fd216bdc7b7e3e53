"""Volumes and networks."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from devenv.engine.docker.connection import Connected, translated
from devenv.engine.observed import ObservedVolume
from devenv.engine.transport import NOT_FOUND, ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Volumes(Connected):
    """The engine's named volumes, by its local driver, and its bridge networks."""

    def volumes(self, label: str) -> tuple[ObservedVolume, ...]:
        """All volumes on this engine with a label, given as `key` or `key=value`, by name."""
        with translated("list volumes"):
            found = self._api.call("GET", "/volumes", query=filters(label=label))["Volumes"] or []
        return tuple(sorted((_observed_volume(row) for row in found), key=lambda volume: volume.name))

    def create_volume(
        self, name: str, labels: Mapping[str, str], options: Mapping[str, str] | None = None
    ) -> ObservedVolume:
        """Make a named volume, or find the one that exists; `options` are those of the local driver."""
        body = {"Name": name, "Driver": "local", "DriverOpts": dict(options or {}), "Labels": dict(labels)}
        with translated(f"create volume {name}"):
            return _observed_volume(self._api.call("POST", "/volumes/create", body=body))

    def remove_volume(self, name: str) -> None:
        """Remove a named volume; nothing happens where it does not exist."""
        with translated(f"remove volume {name}"), missing_is_fine():
            self._api.call("DELETE", f"/volumes/{name}")

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a bridge network; nothing happens where it exists."""
        with translated(f"create network {name}"):
            if not self._api.call("GET", "/networks", query=filters(name=f"^{name}$")):
                body = {"Name": name, "Driver": "bridge", "Labels": dict(labels)}
                self._api.call("POST", "/networks/create", body=body)

    def _remove_networks(self, wanted: Mapping[str, str]) -> tuple[str, ...]:
        """Remove those networks on which nobody is; the names of the others."""
        in_use = []
        for network in self._api.call("GET", "/networks", query=wanted):
            try:
                with missing_is_fine():
                    self._api.call("DELETE", f"/networks/{network['Id']}")
            except ApiError as error:
                if "active endpoints" not in error.message:
                    raise
                in_use.append(network["Name"])
        return tuple(in_use)


def filters(**wanted: str) -> dict[str, str]:
    """The query of a listing that takes only what fits each of these."""
    return {"filters": json.dumps({key: [value] for key, value in wanted.items()})}


@contextmanager
def missing_is_fine() -> Iterator[None]:
    """Nothing happens where the engine says that what the block is about does not exist."""
    try:
        yield
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise


def _observed_volume(row: Mapping[str, Any]) -> ObservedVolume:
    return ObservedVolume(
        row["Name"],
        row.get("Labels") or {},
        row.get("Mountpoint", ""),
        row.get("Options") or {},
        row.get("CreatedAt", ""),
    )
