"""The environments of this machine: which Compose project belongs to which folder."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.environments.access import accessing
from devenv.environments.caller import hand_over
from devenv.environments.files import write_atomically
from devenv.environments.lock import try_lock, wait_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Registry:
    """A file shared by all worktrees of a user, changed under a lock only."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _state_folder()
        self._file = self.folder / "environments.json"

    def projects(self) -> Mapping[str, str]:
        """Folder by project; a file that cannot be read counts as empty, since it is only a memory."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}

    def claim(self, wanted: str, worktree: str) -> str:
        """`wanted`, or with `-2`, `-3` ... behind it where a folder that still exists has that name."""
        if self.projects().get(wanted) == worktree:
            return wanted
        with self.locked("environments"):
            projects = dict(self.projects())
            project, number = wanted, 1
            while project in projects and is_another(Path(projects[project]), worktree):
                number += 1
                project = f"{wanted}-{number}"
            if projects.get(project) != worktree:
                with accessing(self._file, self.folder):
                    write_atomically(self._file, json.dumps(projects | {project: worktree}, indent=2) + "\n")
                    hand_over(self._file)
            return project

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """One command of this user at a time is inside, whichever environment it works on."""
        self._make_folder()
        with wait_lock(self.folder / f"{name}.lock"):
            yield

    @contextmanager
    def free(self, name: str) -> Iterator[bool]:
        """Whether no command is inside `locked`; while the block runs none gets in if it was free."""
        self._make_folder()
        with try_lock(self.folder / f"{name}.lock") as is_free:
            yield is_free

    def _make_folder(self) -> None:
        with accessing(self.folder, self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            hand_over(self.folder)


def is_another(folder: Path, worktree: str) -> bool:
    """Whether a folder exists, and is not the same one, which may have been remembered by a link."""
    if str(folder) == worktree:  # as nearly always: nobody has to look
        return False
    try:
        return folder.is_dir() and folder.resolve() != Path(worktree).resolve()
    except PermissionError:
        return True  # it is somewhere where we may not look


def _state_folder() -> Path:
    from platformdirs import user_state_path  # noqa: PLC0415 - it takes as long to import as `status` may take

    return user_state_path("devenv")
