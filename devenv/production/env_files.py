"""Files for `--env-file` and `env_file`: those beside the manifest are read, the others only named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.config.document import Position
from devenv.production import short_forms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devenv.production.manifest import Said, Variable


@dataclass(frozen=True)
class EnvFiles:
    """Texts of the files around the manifest, by their path as problems name it."""

    texts: Mapping[str, str] = field(default_factory=dict)

    def read(self, paths: Iterable[Said[str]]) -> tuple[tuple[Variable, ...], tuple[Said[str], ...]]:
        """The variables of the files that are here, and the paths of those that are not.

        A path of production's machine, such as /etc/shop/backend.env, is looked for by its last part.
        """
        found: list[Variable] = []
        unread: list[Said[str]] = []
        for path in paths:
            name = path.value.rpartition("/")[2]
            file = next((file for file in self.texts if file.rpartition("/")[2] == name), None)
            if file is None:
                unread.append(path)
            else:
                found += short_forms.env_file(self.texts[file], file, Position)
        return tuple(found), tuple(unread)
