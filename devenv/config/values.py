"""The kinds of value a setting can have: what is accepted, and in one phrase what was expected instead.

Each kind is put into an `Annotated[...]`; it checks before pydantic does, so that a wrong value has one
problem in our words, whatever the form of the field, and it describes itself in the JSON Schema.
"""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

EXPECTED = "expected"
INVARIANT = "invariant"

_DURATION = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)(?P<unit>ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_LONGEST = 86_400
_SIZE = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,3})?) ?(?P<unit>kB|MB|GB|TB)")
_BYTES = {"kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_LARGEST = 2**50


def expected(what: str, hint: str | None = None) -> PydanticCustomError:
    """The error for a value that is not `what`; whoever shows it adds what it got."""
    return PydanticCustomError(EXPECTED, f"expected {what}", {"hint": hint} if hint else None)  # type: ignore[arg-type,unused-ignore]


class _Kind:
    def __call__(self, value: Any) -> Any:
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        raise NotImplementedError

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return self.schema()


@dataclass(frozen=True)
class Text(_Kind):
    """Text that `pattern` matches as a whole."""

    what: str
    pattern: str = r"[\s\S]+"
    hint: str | None = None

    def __call__(self, value: Any) -> str:
        """The text, unchanged."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise expected(self.what, self.hint)
        return value

    def schema(self) -> dict[str, Any]:
        """How an editor checks it."""
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True)
class Whole(_Kind):
    """A whole number from `low` to `high`; true, 1.0 and "1" are none."""

    low: int
    high: int

    def __call__(self, value: Any) -> int:
        """The number, unchanged."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise expected("a whole number")
        if not self.low <= value <= self.high:
            raise expected(f"{self.low}-{self.high}")
        return value

    def schema(self) -> dict[str, Any]:
        """How an editor checks it."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Number(_Kind):
    """A number from `low` to `high`; true and "1" are none."""

    low: float
    high: float

    def __call__(self, value: Any) -> float:
        """The number."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise expected("a number")
        if not self.low <= value <= self.high:
            raise expected(f"{self.low:g}-{self.high:g}")
        return float(value)

    def schema(self) -> dict[str, Any]:
        """How an editor checks it."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}


class Duration(_Kind):
    """Seconds as a number, or a number with ms, s, m or h; more than none, at most a day."""

    def __call__(self, value: Any) -> float:
        """The seconds."""
        seconds = math.nan
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = float(value)
        elif isinstance(value, str) and (match := _DURATION.fullmatch(value)):
            seconds = float(match["number"]) * _SECONDS[match["unit"]]
        if not 0 < seconds <= _LONGEST:
            raise expected("a duration such as 2.5, 500ms, 2s or 1m, above zero, at most a day")
        return seconds

    def schema(self) -> dict[str, Any]:
        """How an editor checks it."""
        number = {"type": "number", "exclusiveMinimum": 0, "maximum": _LONGEST}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{_plain(_DURATION.pattern)}$"}]}


class Size(_Kind):
    """Bytes as a whole number, or a number with kB, MB, GB or TB; at most 1024 TB."""

    def __call__(self, value: Any) -> int:
        """The bytes; a kB is 1024 of them."""
        size = -1
        if isinstance(value, int) and not isinstance(value, bool):
            size = value
        elif isinstance(value, str) and (match := _SIZE.fullmatch(value)):
            size = int(float(match["number"]) * _BYTES[match["unit"]])
        if not 0 <= size <= _LARGEST:
            raise expected("a size such as 500MB or 5GB, at most 1024TB")
        return size

    def schema(self) -> dict[str, Any]:
        """How an editor checks it."""
        number = {"type": "integer", "minimum": 0, "maximum": _LARGEST}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{_plain(_SIZE.pattern)}$"}]}


class Address(_Kind):
    """An IP address, as text."""

    def __call__(self, value: Any) -> str:
        """The address in its shortest form."""
        try:
            return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
        except ValueError:
            raise expected("an IP address such as 127.0.0.1 or 0.0.0.0") from None

    def schema(self) -> dict[str, Any]:
        """How an editor checks it."""
        return {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}


@dataclass(frozen=True, eq=False)  # compared by identity: `accepts` has no hash
class Form(_Kind):
    """Whatever `read` accepts: for values with a short form.

    `accepts` is the short form's JSON Schema; with `beside` the long form stands beside it.
    """

    read: Callable[[Any], Any]
    accepts: dict[str, Any] | None = None
    beside: bool = False

    def __call__(self, value: Any) -> Any:
        """The value in its long form."""
        return self.read(value)

    def schema(self) -> dict[str, Any]:
        """How an editor checks the short form."""
        return self.accepts or {}

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if self.accepts and not self.beside:
            return self.accepts
        long = handler(schema)
        return {"anyOf": [self.accepts, *long.get("anyOf", [long])]} if self.accepts else long


def words(value: Any) -> str | tuple[str, ...] | None:
    """A command: a line of text for a shell, or a list of arguments."""
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise expected("a command as text or as a list of texts")


def scalar_text(value: Any) -> str:
    """A scalar as an environment variable carries it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise expected("text", 'write "" for an empty value' if value is None else None)


def scalar(value: Any) -> str | int | float | bool | None:
    """A scalar as it is."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise expected("text, a number, true or false")


def _plain(pattern: str) -> str:
    # JSON Schema speaks the expressions of JavaScript, which writes named groups differently.
    return re.sub(r"\?P<\w+>", "", pattern)
