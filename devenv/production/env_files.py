"""Files of variables, each by the grammar of who reads it: those beside the manifest are read, the others only named."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.config.document import Position
from devenv.config.text import place
from devenv.config.variables import env_entries
from devenv.production import short_forms
from devenv.production.manifest import Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from devenv.production.manifest import Said

_SETTING = re.compile(
    r"""^[ \t]*(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*"""
    r"""(?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>(?:[^\\\n]|\\.)*))[ \t]*$""",
    re.ASCII | re.DOTALL | re.MULTILINE,
)
_ESCAPE = re.compile(r"\\(?:\n|(.))")
_ESCAPE_IN_QUOTES = re.compile(r"""\\(?:\n|([\\"`$]))""")


@dataclass(frozen=True)
class EnvFiles:
    """Texts of the files around the manifest, by their path as problems name it."""

    texts: Mapping[str, str] = field(default_factory=dict)

    def read(
        self, paths: Iterable[Said[str]], grammar: Callable[[str, str], Iterator[Variable]]
    ) -> tuple[tuple[Variable, ...], tuple[Said[str], ...]]:
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
                found += grammar(self.texts[file].replace("\r\n", "\n"), file)
        return tuple(found), tuple(unread)


def as_docker(text: str, file: str) -> Iterator[Variable]:
    """What `docker run --env-file` takes a file for: one `NAME=value` per line, literally."""
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.lstrip()
        if entry and not entry.startswith(("#", ";")):
            yield short_forms.variable(entry, Position(file, number, len(line) - len(entry) + 1))


def as_compose(text: str, file: str) -> Iterator[Variable]:
    """What Compose takes a file of `env_file` for: quotes, `export` and comments are no part of names and values.

    What is no entry is left out: Compose starts nothing with such a file.
    """
    entries, _ = env_entries(text)
    return (Variable(entry.name, entry.value, place(file, text, entry.offset)) for entry in entries)


def as_systemd(text: str, file: str) -> Iterator[Variable]:
    """What systemd takes a file of `EnvironmentFile=` for: quotes are none of a value, ` # text` is part of it.

    Lines that are no assignment are left out, as systemd does.
    """
    for match in _SETTING.finditer(text):
        if match["single"] is not None:
            value = match["single"]
        elif match["double"] is not None:
            value = _ESCAPE_IN_QUOTES.sub(_meant, match["double"])
        else:
            value = _ESCAPE.sub(_meant, match["plain"].strip())
        yield Variable(match["name"], value, place(file, text, match.start("name")))


def _meant(match: re.Match[str]) -> str:
    """The character that is escaped; nothing for the end of a line, which goes on in the next."""
    return match[1] or ""
