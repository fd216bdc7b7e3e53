"""What apt is told on this machine: its package sources, in both formats, and our own pins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AptSource:
    """One entry of the machine's apt configuration, whichever of the two formats it was written in."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str | None = None
    trusted: bool = False
    file: str = ""


def read_apt_sources(folder: Path = Path("/etc/apt")) -> tuple[AptSource, ...]:
    """Every package source of the machine, in apt's order; none where there is no apt."""
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    found: list[AptSource] = []
    for file in files:
        if file.suffix == ".list":
            found += parse_one_line_sources(_read(file), str(file))
        elif file.suffix == ".sources":
            found += parse_deb822_sources(_read(file), str(file))
    return tuple(found)


def parse_one_line_sources(text: str, file: str = "") -> tuple[AptSource, ...]:
    """The `deb` entries of a `.list` file; source packages and comments are left out."""
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)([^#]*)", line)
        if not match:
            continue
        options = dict(item.partition("=")[::2] for item in (match[1] or "").split())
        found.append(
            AptSource(
                (match[2],),
                (match[3],),
                tuple(match[4].split()),
                options.get("signed-by"),
                options.get("trusted", "").lower() == "yes",
                file,
            )
        )
    return tuple(found)


def parse_deb822_sources(text: str, file: str = "") -> tuple[AptSource, ...]:
    """The enabled binary entries of a `.sources` file; an embedded key keeps its lines."""
    found = []
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            match[1].lower(): match[2].rstrip()
            for match in re.finditer(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "").lower() == "no":
            continue
        found.append(
            AptSource(
                tuple(fields.get("uris", "").split()),
                tuple(fields.get("suites", "").split()),
                tuple(fields.get("components", "").split()),
                fields.get("signed-by"),
                fields.get("trusted", "").lower() == "yes",
                file,
            )
        )
    return tuple(found)


def parse_pinned(text: str) -> tuple[str, ...]:
    """The packages that our own preferences file names."""
    names = re.findall(r"^Package: (.*)$", text, re.MULTILINE)
    return tuple(name for line in names for name in line.split() if name != "*")


def _read(path: Path) -> str:
    """A file's text, nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
