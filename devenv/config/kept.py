"""The settings of the last reading, for as long as nothing that they come from has changed.

Checking a document takes pydantic and PyYAML, which cost 150 ms: more than all else that most commands do.
What is read back has the same attributes with the same values, but is no pydantic model. Where anything is
in doubt the document is read anew: the file can be removed at any time.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from devenv import __version__
from devenv.config.document import CONFIG_NAME, ENV_NAME, LOCAL_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.config.reference import Defaults
    from devenv.config.settings import Settings

_REFERENCE = re.compile(rb"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_SECTION, _TUPLE, _DICT = "section", "tuple", "dict"


def sources_digest(root: Path, environ: Mapping[str, str], defaults: Defaults) -> str:
    """What the settings come from, as one word: the files, the variables they name, this program."""
    digest = hashlib.sha256(f"{__version__} {_code_stamp()} {astuple(defaults)}".encode())
    for name in (CONFIG_NAME, LOCAL_NAME, ENV_NAME):
        try:
            content = (root / name).read_bytes()
        except OSError as error:
            digest.update(f"{name}: {type(error).__name__}\n".encode())
            continue
        digest.update(f"{name}: {len(content)}\n".encode() + content)
        for variable in _REFERENCE.findall(content):
            value = environ.get(variable.decode())
            digest.update(variable + f"={value!r}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def dump(settings: Settings, digest: str) -> str:
    """The settings as text that `load` reads."""
    return json.dumps({"sources": digest, "settings": _encoded(settings)})


def load(text: str, digest: str) -> Settings | None:
    """The settings, if they were kept and come from the same sources."""
    try:
        kept = json.loads(text)
        return cast("Settings", _decoded(kept["settings"])) if kept["sources"] == digest else None
    except (ValueError, KeyError, TypeError):
        return None


def _encoded(value: Any) -> Any:
    """As JSON that still knows a section from a mapping and a tuple from a list."""
    fields = getattr(type(value), "model_fields", None)
    if fields is not None:
        return {_SECTION: {name: _encoded(getattr(value, name)) for name in fields}}
    if isinstance(value, tuple):
        return {_TUPLE: [_encoded(item) for item in value]}
    if isinstance(value, dict):
        return {_DICT: {key: _encoded(item) for key, item in value.items()}}
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _SECTION in value:
        return SimpleNamespace(**{name: _decoded(item) for name, item in value[_SECTION].items()})
    if _TUPLE in value:
        return tuple(_decoded(item) for item in value[_TUPLE])
    return {key: _decoded(item) for key, item in value[_DICT].items()}


def _code_stamp() -> int:
    """When the code that reads settings last changed: an upgrade may keep its version in a checkout."""
    return max(file.stat().st_mtime_ns for file in Path(__file__).parent.glob("*.py"))
