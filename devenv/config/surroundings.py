"""What a user's own service takes from outside of its definition: variables, and files that it names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.config.document import ENV_NAME
from devenv.config.variables import parse_env_file

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = ("env_file", "label_file")
REFERENCE = re.compile(r"(?<!\$)(?:\$\$)*\$\{?([A-Za-z_][A-Za-z0-9_]*)")


def surroundings(definition: Mapping[str, Any], root: Path, environ: Mapping[str, str]) -> str:
    """One word for all of it, which changes where that does; empty where there is nothing.

    Compose reads these when it makes a container. The definition itself says nothing of what they are now.
    """
    parts = [f"{file.name}: {_content(file)}" for file in named_files(definition, root)]
    names = sorted(set(_names(definition)))
    if names:
        known = {**_dotenv(root), **environ}
        parts += [f"{name}={known.get(name)!r}" for name in names]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest() if parts else ""


def named_files(definition: Mapping[str, Any], root: Path) -> tuple[Path, ...]:
    """The files that Compose reads for it; relative ones start from the project's folder."""
    names = [name for key in FILES for name in _listed(definition.get(key), "path")]
    names += (
        _listed(definition.get("extends"), "file")[:1]
        if isinstance(definition.get("extends"), Mapping)
        else []
    )
    return tuple(root / Path(name).expanduser() for name in names if name and "$" not in name)


def _listed(value: Any, key: str) -> list[str]:
    """The names in one name, a mapping with it, or a list of these."""
    if isinstance(value, list):
        return [name for item in value for name in _listed(item, key)]
    if isinstance(value, Mapping):
        value = value.get(key)
    return [value] if isinstance(value, str) else []


def _names(definition: Mapping[str, Any]) -> Iterator[str]:
    """The variables that it refers to, and those that it passes on by their names alone."""
    for text in _texts(definition):
        yield from REFERENCE.findall(text)
    passed = definition.get("environment")
    if isinstance(passed, Mapping):
        yield from (name for name, value in passed.items() if value is None)
    if isinstance(passed, list):
        yield from (item for item in passed if isinstance(item, str) and "=" not in item)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _dotenv(root: Path) -> Mapping[str, str]:
    try:
        text = (root / ENV_NAME).read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError:
        return {}
    return parse_env_file(text)[0]


def _content(file: Path) -> str:
    """A digest of the content, or why there is none: Compose says more about that."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        return type(error).__name__
