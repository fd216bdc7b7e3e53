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
    from collections.abc import Collection, Iterator

FILES = ("env_file", "label_file")
REFERENCE = re.compile(r"(?<!\$)(?:\$\$)*\$\{?([A-Za-z_][A-Za-z0-9_]*)")
PASSED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*$", re.MULTILINE)
"""A line of an `env_file` with a name alone."""


def surroundings(definition: Mapping[str, Any], root: Path, environ: Mapping[str, str]) -> str:
    """One word for all of it, which changes where that does; empty where there is nothing.

    Compose reads these when it makes a container. The definition itself says nothing of what they are now.
    """
    files = [
        f"{file.name}: {hashlib.sha256(_content(file)).hexdigest()}" for file in named_files(definition, root)
    ]
    variables = values_of(named_variables(definition, root), root, environ)
    text = "\n".join([*files, variables] if variables else files)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if text else ""


def named_variables(definition: Mapping[str, Any], root: Path) -> frozenset[str]:
    """The variables that it refers to, and those that it passes on by their names alone; in its files too."""
    written = "\n".join(_content(file).decode(errors="replace") for file in named_files(definition, root))
    return frozenset([*_names(definition), *REFERENCE.findall(written), *PASSED.findall(written)])


def values_of(names: Collection[str], root: Path, environ: Mapping[str, str]) -> str:
    """One word for the values of variables, the shell's before those of `.env`; empty for none."""
    if not names:
        return ""
    known = {**_dotenv(root), **environ}
    text = "\n".join(f"{name}={known.get(name)!r}" for name in sorted(names))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def named_files(definition: Mapping[str, Any], root: Path) -> tuple[Path, ...]:
    """The files that Compose reads for it; relative ones start from the project's folder."""
    names = [name for key in FILES for name in _listed(definition.get(key), "path")]
    extended = definition.get("extends")
    if isinstance(extended, Mapping):  # else it is the name of a service
        names += _listed(extended, "file")
    return tuple(root / Path(name).expanduser() for name in names if name and "$" not in name)


def _listed(value: Any, key: str) -> list[str]:
    """The names in one name, a mapping with it, or a list of these."""
    if isinstance(value, list):
        return [name for item in value for name in _listed(item, key)]
    if isinstance(value, Mapping):
        value = value.get(key)
    return [value] if isinstance(value, str) else []


def _names(definition: Mapping[str, Any]) -> Iterator[str]:
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


def _content(file: Path) -> bytes:
    """What is in it, or why that is not known: Compose says more about that."""
    try:
        return file.read_bytes()
    except OSError as error:
        return f"# {type(error).__name__}".encode()
