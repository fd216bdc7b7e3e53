"""The parts of an image's name: repository, tag and digest."""

from __future__ import annotations

import re

_DEFAULT_HOST = re.compile(r"\A(?:(?:index\.)?docker\.io/)?(?:library/)?")


def parts(reference: str) -> tuple[str, str, str]:
    """Repository without the default registry's name, tag (`latest` where none is given), digest."""
    name, _, digest = reference.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return _DEFAULT_HOST.sub("", head + slash + last), tag or ("" if digest else "latest"), digest


def repository(reference: str) -> str:
    """The name without tag and digest."""
    return parts(reference)[0]


def shown(reference: str) -> str:
    """The name in its shortest form, with its tag and digest."""
    name, tag, digest = parts(reference)
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
