"""A value of somebody else's file as a reader wants it: typed, or a problem that names its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from devenv.config.problems import shown
from devenv.config.values import scalar_text
from devenv.errors import Problem
from devenv.production.manifest import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from devenv.config.document import Position
    from devenv.config.tree import Located

T = TypeVar("T")


@dataclass(frozen=True)
class Node:
    """One value with its place and its key path, as people write it.

    Whatever has another form than it is asked for is noted in `problems`, and read as if it were absent.
    """

    located: Located
    key: str = ""
    problems: list[Problem] = field(default_factory=list)

    @property
    def at(self) -> Position:
        """Where it is written."""
        return self.located.position

    @property
    def key_at(self) -> Position:
        """Where its key is written, or itself where it has none."""
        return self.located.key or self.at

    @property
    def raw(self) -> Any:
        """The value itself; what is inside of a mapping or list is located."""
        return self.located.value

    def expected(self, what: str, hint: str | None = None) -> None:
        """Note that this is not what it should be; text is only shown where it cannot be a secret."""
        got = shown(self.raw, tuple(self.key.rsplit(".", 1)[-1:]))
        self.problems.append(Problem(str(self.at), self.key, f"expected {what}, got {got}", hint))

    def get(self, name: str) -> Node | None:
        """The value of a key; None where it is absent or null, or where this is no mapping."""
        return self.mapping().get(name)

    def mapping(self) -> dict[str, Node]:
        """Every key that has a value."""
        if self.raw is None:
            return {}
        if not isinstance(self.raw, dict):
            self.expected("a mapping")
            return {}
        return {
            name: Node(value, f"{self.key}.{name}".lstrip("."), self.problems)
            for name, value in self.raw.items()
            if value.value is not None
        }

    def names(self) -> dict[str, Position]:
        """Every key and where it is written, those without a value too."""
        if not isinstance(self.raw, dict):
            self.mapping()
            return {}
        return {name: value.key or value.position for name, value in self.raw.items()}

    def items(self) -> list[Node]:
        """Every entry of a list."""
        if self.raw is None:
            return []
        if not isinstance(self.raw, list):
            self.expected("a list")
            return []
        return [Node(value, f"{self.key}[{index}]", self.problems) for index, value in enumerate(self.raw)]

    def list_of(self, name: str) -> list[Node]:
        """The entries of the list under a key; none where it is absent."""
        found = self.get(name)
        return found.items() if found else []

    def map_of(self, name: str) -> dict[str, Node]:
        """The entries of the mapping under a key; none where it is absent."""
        found = self.get(name)
        return found.mapping() if found else {}

    def text(self) -> str | None:
        """A scalar as it is written."""
        if self.raw is None or isinstance(self.raw, dict | list):
            self.expected("text")
            return None
        if self.located.written is not None and not isinstance(self.raw, str):
            return self.located.written
        return scalar_text(self.raw)

    def text_of(self, name: str) -> Said[str] | None:
        """The text under a key."""
        found = self.get(name)
        text = found.text() if found else None
        return None if found is None or text is None else Said(text, found.at)

    def whole_of(self, name: str) -> Said[int] | None:
        """The whole number under a key."""
        found = self.get(name)
        return found.whole() if found else None

    def whole(self) -> Said[int] | None:
        """A whole number."""
        return self.quantity(
            lambda text: int(text) if text.isascii() and text.isdigit() else None, "a whole number"
        )

    def required(self, name: str) -> Said[str] | None:
        """The text under a key that has to be there; its absence is a problem."""
        if self.get(name) is None and isinstance(self.raw, dict):
            self.note(f"expected a {name}")
        return self.text_of(name)

    def required_whole(self, name: str) -> Said[int] | None:
        """The whole number under a key that has to be there; its absence is a problem."""
        if self.get(name) is None and isinstance(self.raw, dict):
            self.note(f"expected a {name}")
        return self.whole_of(name)

    def flag_of(self, name: str) -> Said[bool] | None:
        """The truth value under a key."""
        found = self.get(name)
        return found.flag() if found else None

    def flag(self) -> Said[bool] | None:
        """A truth value."""
        if not isinstance(self.raw, bool):
            self.expected("true or false")
            return None
        return Said(self.raw, self.at)

    def words_of(self, name: str) -> Said[tuple[str, ...]] | None:
        """The list of texts under a key."""
        found = self.get(name)
        if found is None:
            return None
        words = [item.text() for item in found.items()]
        return Said(tuple(word for word in words if word is not None), found.at)

    def quantity(self, read: Callable[[str], T | None], what: str) -> Said[T] | None:
        """The text as `read` understands it; a problem where it does not."""
        text = self.text()
        found = None if text is None else read(text)
        if text is not None and found is None:
            self.expected(what)
        return None if found is None else Said(found, self.at)

    def note(self, text: str, hint: str | None = None) -> None:
        """Note a problem in words of its own."""
        self.problems.append(Problem(str(self.at), self.key, text, hint))
