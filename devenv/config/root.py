"""The folder that a command works on: the nearest with a `devenv.yaml`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from devenv.config.document import CONFIG_NAME
from devenv.errors import ConfigError, Problem, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def find_root(start: Path) -> Path:
    """The nearest folder, from `start` upward, that has a `devenv.yaml`; by the path that it has for everybody.

    An environment belongs to a folder: it must not be another by a link to that, or on the way of `../shop`.

    Raises:
        ConfigError: no folder has one; its code is `config_not_found`.
        UsageError: the path starts from the present folder, which was removed.
    """
    try:
        folder = start.resolve()
    except FileNotFoundError as error:
        raise UsageError(
            "the folder in which this shell stands does not exist any more",
            code="folder_gone",
            hint="`cd` to the project, or name it: `devenv -C FOLDER`",
        ) from error
    for candidate in (folder, *folder.parents):
        # lexists: a folder or a dangling link in its place is reported when it is read, not skipped.
        if os.path.lexists(candidate / CONFIG_NAME):
            return candidate
    raise not_found(start)


def not_found(folder: Path) -> ConfigError:
    """The error `config_not_found`, for a folder that no `devenv.yaml` applies to."""
    error = ConfigError(
        (
            Problem(
                where=str(folder),
                key="",
                text=f"no {CONFIG_NAME} here or in a folder above",
                hint="create one with `touch devenv.yaml`: an empty file is the reference environment",
            ),
        )
    )
    error.code = "config_not_found"
    return error
