"""`${NAME}` in values and `NAME=value` in `.env`: text in, text out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?]")
_DEEPEST = 8

# C0 controls but tab and line breaks, DEL, C1, lone surrogates (an environment that is not UTF-8): no
# container, file or terminal downstream takes them, so they are refused where they still have a place.
UNUSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")

_ENTRY = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?P<equals>=?)[ \t]*")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class VariableError(ValueError):
    """A reference or an entry that cannot be used: says why, what to do, and at which offset."""

    def __init__(self, text: str, *, hint: str | None = None, offset: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.offset = offset


def interpolate(text: str, variables: Mapping[str, str], *, depth: int = 0) -> str:
    """`text` with its references replaced and `$$` turned into `$`; any other `$` stays as it is.

    Raises:
        VariableError: a reference is malformed or names nothing that is set.
    """
    if depth > _DEEPEST:
        raise VariableError(f"expected at most {_DEEPEST} references inside each other")
    parts: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "{":
            at = _closing(text, dollar)
            parts.append(_resolve(text[dollar + 2 : at - 1], variables, depth))
        else:
            parts.append("$")
            at = dollar + (2 if following == "$" else 1)
    parts.append(text[at:])
    result = "".join(parts)
    if UNUSABLE.search(result):
        raise VariableError(
            "expected text, got a control character or bytes that are not UTF-8 from a variable"
        )
    return result


def _closing(text: str, dollar: int) -> int:
    """The offset behind the brace that closes the reference at `dollar`; references may nest."""
    depth = 0
    at = dollar
    while at < len(text):
        if text.startswith("$$", at):
            at += 2
        elif text.startswith("${", at):
            depth += 1
            at += 2
        elif text[at] == "}":
            depth -= 1
            at += 1
            if depth == 0:
                return at
        else:
            at += 1
    raise VariableError(
        "expected a } that closes ${", hint="write $${ where the text itself should contain ${"
    )


def _resolve(reference: str, variables: Mapping[str, str], depth: int) -> str:
    name = _NAME.match(reference)
    operator = _OPERATOR.match(reference, name.end()) if name else None
    if name is None or (operator is None and name.end() < len(reference)):
        raise VariableError(
            f"expected ${{NAME}}, ${{NAME:-default}} or ${{NAME:?message}}, got ${{{reference}}}",
            hint="write $${ where the text itself should contain ${",
        )
    value = variables.get(name.group())
    if operator is None:
        if value is None:
            raise VariableError(
                f"${{{name.group()}}} is not set",
                hint=f"set {name.group()} in the environment or in .env, or write ${{{name.group()}:-default}}",
            )
        return value
    if value or (value is not None and not operator.group().startswith(":")):
        return value
    argument = interpolate(reference[operator.end() :], variables, depth=depth + 1)
    if operator.group().endswith("-"):
        return argument
    raise VariableError(
        f"${{{name.group()}}} is not set" + (f": {argument}" if argument else ""),
        hint=f"set {name.group()} in the environment or in .env",
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a `.env` file; `value` is None for a name without `=`, which the environment sets."""

    name: str
    value: str | None = field(repr=False)
    offset: int
    """Where the name begins."""


def parse_env_file(text: str) -> tuple[dict[str, str], list[VariableError]]:
    """The entries of a `.env` file and every line that is none; values are taken literally.

    A name without `=` says that the environment sets it, as in Compose: it is no entry here.
    """
    entries, problems = env_entries(text.replace("\r\n", "\n"))
    return {entry.name: entry.value for entry in entries if entry.value is not None}, problems


def env_entries(text: str) -> tuple[list[Entry], list[VariableError]]:
    """The same with the place of each entry in the text, which has no CRLF; names without `=` are among them."""
    entries: list[Entry] = []
    problems: list[VariableError] = []
    at = 0
    while at < len(text):
        if blank := _REST.match(text, at):
            at = max(blank.end(), at + 1)
            continue
        try:
            entry, at = _entry(text, at)
        except VariableError as problem:
            problems.append(problem)
            at = text.find("\n", at) + 1 or len(text)
        else:
            entries.append(entry)
    return entries, problems


def _entry(text: str, start: int) -> tuple[Entry, int]:
    head = _ENTRY.match(text, start)
    if head is None:
        raise VariableError("expected NAME=value", offset=start)
    at = head.end()
    value: str | None = None
    if head["equals"]:
        if text[at : at + 1] in ("'", '"'):
            quoted = (_SINGLE if text[at] == "'" else _DOUBLE).match(text, at)
            if quoted is None:
                raise VariableError("expected a closing quote", offset=at)
            value = quoted[1] if text[at] == "'" else _ESCAPE.sub(_unescape, quoted[1])
            at = quoted.end()
        else:
            end = text.find("\n", at)
            line = text[at : end if end >= 0 else len(text)]
            value = re.split(r"(?:^|[ \t])#", line, maxsplit=1)[0].strip()
            at += len(line)
    rest = _REST.match(text, at)
    if rest is None:
        raise VariableError("expected NAME=value and nothing behind it", offset=at)
    return Entry(head["name"], value, head.start("name")), rest.end()


def _unescape(match: re.Match[str]) -> str:
    # A backslash before anything else is kept: Windows paths and regular expressions survive.
    return _ESCAPES.get(match[1], match[1] if match[1] in '"\\$' else match[0])
