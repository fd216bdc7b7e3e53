"""Write production's values into `devenv.yaml`: worked out, shown as a diff, and only then written."""

from __future__ import annotations

import difflib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from devenv.config.defaults import defaults_for
from devenv.config.document import CONFIG_NAME, ENV_NAME, LOCAL_NAME
from devenv.config.edit import with_value
from devenv.config.parse import parse_settings
from devenv.config.source import load_document
from devenv.errors import DevenvError, OperationError

if TYPE_CHECKING:
    from devenv.operations.session import Session
    from devenv.production.rows import Report, Row


@dataclass(frozen=True)
class ParityFix:
    """The change to `devenv.yaml` that would mend these rows; `left` says why others cannot be mended so."""

    rows: tuple[Row, ...]
    diff: str
    text: str
    left: tuple[str, ...] = ()


def work_out(session: Session, report: Report) -> ParityFix:
    """The change; nothing is written. Every value is tried on its own, so that one bad one spoils no other."""
    path = session.root / CONFIG_NAME
    # newline="": what is written back has the line ends that were read.
    with path.open(encoding="utf-8", newline="") as file:
        text = before = file.read()
    mended: list[Row] = []
    left: list[str] = []
    done: dict[tuple[str, ...], str] = {}
    # A new key goes before those that are there: from the last on they stand in their order.
    for row in reversed(report.drift):
        if row.fix is None:
            continue
        if done.get(row.fix.path) == row.fix.value:
            mended.append(row)
            continue
        try:
            if row.fix.path in done:
                raise OperationError(f"{row.what} wants another value than a row before")
            changed = with_value(text, row.fix.path, row.fix.value)
            _check(session, changed, row.fix.path)
        except DevenvError as error:
            left.append(f"{row.what}: {error.message}" + (f"; {error.hint}" if error.hint else ""))
            continue
        text, done[row.fix.path] = changed, row.fix.value
        mended.append(row)
    diff = difflib.unified_diff(
        before.splitlines(keepends=True), text.splitlines(keepends=True), CONFIG_NAME, CONFIG_NAME
    )
    return ParityFix(tuple(reversed(mended)), _whole_lines(diff), text, tuple(left))


def write(session: Session, fix: ParityFix) -> None:
    """Put the new text in place of the old in one step; a link stays a link, and the rights what they were."""
    path = (session.root / CONFIG_NAME).resolve()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(fix.text)
            file.flush()
            os.fsync(file.fileno())
        found = path.stat()
        part.chmod(found.st_mode & 0o7777)
        with suppress(PermissionError):
            os.chown(part, found.st_uid, found.st_gid)
        part.replace(path)
    except OSError as error:
        raise OperationError(
            f"cannot write {CONFIG_NAME}: {error.strerror or error}", code="cannot_write", where=CONFIG_NAME
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


def _check(session: Session, text: str, path: tuple[str, ...]) -> None:
    """Raise unless the text is a configuration that says the value, with what is laid over it beside it."""
    with TemporaryDirectory(prefix="devenv-") as folder:
        root = Path(folder)
        for name in (LOCAL_NAME, ENV_NAME):
            if (session.root / name).is_file():
                shutil.copyfile(session.root / name, root / name)
        with (root / CONFIG_NAME).open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        document = load_document(root, os.environ)
        parse_settings(document, defaults_for(session.root))
        place = document.position_of(path)
        if place.file != CONFIG_NAME:
            raise OperationError(f"{place} says otherwise, and is laid over {CONFIG_NAME}")


def _whole_lines(diff: object) -> str:
    """The diff as text, with the mark for a last line that does not end."""
    lines = [str(line) for line in diff]  # type: ignore[attr-defined]
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
