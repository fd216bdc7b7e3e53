"""The services of an environment; `DEFINITIONS` is the only list of them in the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.services import backend, frontend, mailcatcher, mysql, taskrunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from devenv.config.settings import Settings
    from devenv.model import Service
    from devenv.services.placement import Placement

DEFINITIONS: tuple[Callable[[Settings, Placement], Service], ...] = (
    mysql.define,
    mailcatcher.define,
    backend.define,
    taskrunner.define,
    frontend.define,
)
