"""Folders on this machine that containers mount: there before the engine would make them as root."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from devenv.environments.access import accessing
from devenv.environments.caller import hand_over
from devenv.errors import OperationError

if TYPE_CHECKING:
    from devenv.model import Mount, Project
    from devenv.operations.session import Session


def prepare_mountpoints(session: Session, project: Project) -> None:
    """Check every mapped folder, and make the folders that volumes below a mapping appear at.

    Raises OperationError `mount_missing` for a mapping whose source is not there.
    """
    for service in project.services:
        binds = [mount for mount in service.mounts if mount.is_bind]
        for mount in binds:
            if not Path(mount.source).exists():
                targets = [mapping.target for mapping in session.settings.backend.mappings]
                raise session.located(_missing(mount), "backend", "mappings", targets.index(mount.target))
        for mount in service.mounts:
            for bind in binds:
                below = _below(mount, bind)
                if below is not None:
                    _make(Path(bind.source) / below)


def _below(mount: Mount, bind: Mount) -> PurePosixPath | None:
    """Where in the bind's source the mount's target lies; None if it is not below it."""
    target, outer = PurePosixPath(mount.target), PurePosixPath(bind.target)
    return target.relative_to(outer) if target != outer and target.is_relative_to(outer) else None


def _make(folder: Path) -> None:
    """Make the folder for the developer, also when he called us by sudo."""
    if folder.exists():
        return
    with accessing(folder, folder):
        folder.mkdir(parents=True)
        hand_over(folder)


def _missing(mount: Mount) -> OperationError:
    return OperationError(
        f"the folder {mount.source}, mapped to {mount.target}, does not exist",
        code="mount_missing",
        hint="correct the mapping, or create the folder",
    )
