"""The services of an environment; `DEFINITIONS` is the only list of them in the program."""

from __future__ import annotations


from devenv.services import backend, frontend, mailcatcher, mysql, taskrunner
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.services.placement import Placement
    from devenv.model import Service
    from devenv.config.settings import Settings
    from collections.abc import Callable

DEFINITIONS: tuple[Callable[[Settings, Placement], Service], ...] = (
    mysql.define,
    mailcatcher.define,
    backend.define,
    taskrunner.define,
    frontend.define,
)
