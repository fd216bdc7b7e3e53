"""Which files of a build's folder make its image what it is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from devenv.images.ignore import IgnoreRules

DOCKERFILE = "Dockerfile"
IGNORE_FILE = ".dockerignore"
IGNORED = frozenset(
    {
        "__pycache__",
        ".git",
        ".devenv",
        ".venv",
        "generated_content",
        ".DS_Store",
        ".pytest_cache",
        ".mypy_cache",
    }
)
"""Never part of an image: what tools leave behind, we among them."""


def inputs(folder: Path, mapped: Collection[Path]) -> Iterator[Path]:
    """The files that count, in an order that does not depend on the file system; `folder` and `mapped` are resolved.

    Not those in `mapped` folders: code that is mapped over the image is not looked for in it. Where the folder itself
    is mapped, as with `build: .`, those alone that its Dockerfile names, and what is in folders that it copies. Nor
    what its `.dockerignore` keeps out. What cannot be read is an OSError.
    """
    if folder in mapped:
        return _named(folder)
    return _Below(folder, mapped, _rules(folder)).files(folder)


def _named(folder: Path) -> Iterator[Path]:
    """The Dockerfile, and what it names: of the folder as a whole, which is the code, a copy counts for nothing."""
    from devenv.images.dockerfile import named  # noqa: PLC0415 - few need it, and a quick answer has no time for it

    below = _Below(folder, (), _rules(folder))
    for path in sorted({folder / DOCKERFILE} | named(folder / DOCKERFILE)):
        mode = path.lstat().st_mode
        if S_ISDIR(mode):
            yield from below.files(path)
        elif _is_copied(mode):
            yield path


def _rules(folder: Path) -> IgnoreRules | None:
    try:
        text = (folder / IGNORE_FILE).read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        return None
    from devenv.images.ignore import IgnoreRules  # noqa: PLC0415 - likewise

    return IgnoreRules.of(text)


@dataclass(frozen=True)
class _Below:
    """The files below a folder of the build."""

    context: Path
    mapped: Collection[Path]
    rules: IgnoreRules | None

    def files(self, folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.name in IGNORED or path in self.mapped:
                continue
            mode = path.lstat().st_mode
            if S_ISDIR(mode):
                yield from self._folder(path)
            elif _is_copied(mode) and not self._is_out(path):
                yield path

    def _folder(self, path: Path) -> Iterator[Path]:
        if not self._is_out(path):
            yield from self.files(path)
        elif self.rules is not None and self.rules.may_keep_below(self._name(path)):
            with suppress(PermissionError):  # what is kept out need not be read
                yield from self.files(path)

    def _is_out(self, path: Path) -> bool:
        """The builder takes the Dockerfile whatever the rules say."""
        if self.rules is None:
            return False
        name = self._name(path)
        return name != DOCKERFILE and self.rules.keeps_out(name)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.context).as_posix()


def _is_copied(mode: int) -> bool:
    """A socket or a pipe is not, and reading one would wait."""
    return S_ISREG(mode) or S_ISLNK(mode)
