"""Lists of installed packages, as pip and dpkg print them: text into versions by name, each with its place."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from devenv.config.document import Position
from devenv.errors import Problem
from devenv.production.manifest import Said

if TYPE_CHECKING:
    from collections.abc import Mapping

_PINNED = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*===?\s*(?P<version>[^\s;#\\]+)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_DPKG = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)?\s+(?P<version>\d\S*)")
_DPKG_LONG = re.compile(r"ii\s+(?P<name>[a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)?\s+(?P<version>\d\S*)\s")


def python_name(name: str) -> str:
    """A Python package's name as all its spellings compare: `typing_extensions` is `typing-extensions`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pip(file: str, text: str, problems: list[Problem]) -> dict[str, Said[str]]:
    """Requirements with exact versions, `pip freeze`, `pip list`, or `pip list --format=json`."""
    if text.lstrip().startswith(("[", "{")):
        return _pip_json(file, text, problems)
    found: dict[str, Said[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        entry = _COMMENT.sub("", line).strip()
        if not entry or entry.startswith("-"):
            continue  # options, and the hashes that continue a line
        match = _PINNED.match(entry) or re.fullmatch(r"(?P<name>[\w.-]+)\s+(?P<version>\d[^\s]*)", entry)
        place = Position(file, number, len(line) - len(line.lstrip()) + 1)
        if match is not None:
            found[python_name(match["name"])] = Said(match["version"], place)
        elif not re.fullmatch(r"Package\s+Version", entry):
            text = f'expected a package with its exact version such as Django==5.2.19, got "{entry[:60]}"'
            problems.append(Problem(str(place), "", text, "`pip freeze` in production's image prints them"))
    return found


def _pip_json(file: str, text: str, problems: list[Problem]) -> dict[str, Said[str]]:
    try:
        rows: Any = json.loads(text)
    except ValueError as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        problems.append(
            Problem(f"{file}:{line}:{column}", "", f"not valid JSON: {getattr(error, 'msg', error)}")
        )
        return {}
    if isinstance(rows, dict):  # `pip inspect`
        rows = [row.get("metadata") for row in rows.get("installed") or () if isinstance(row, dict)]
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "name" in row for row in rows):
        text = (
            "expected a list of packages, each with name and version, as `pip list --format=json` prints it"
        )
        problems.append(Problem(f"{file}:1:1", "", text))
        return {}
    return {
        python_name(str(row["name"])): Said(str(row.get("version", "")), Position(file, 1, 1)) for row in rows
    }


def read_dpkg(file: str, text: str, problems: list[Problem]) -> dict[str, Said[str]]:
    """`dpkg-query -W` or `dpkg -l`."""
    found: dict[str, Said[str]] = {}
    is_long = text.startswith("Desired=") or re.search(r"^ii\s", text, re.MULTILINE) is not None
    for number, line in enumerate(text.splitlines(), 1):
        match = (_DPKG_LONG if is_long else _DPKG).match(line)
        if match is not None:
            found[match["name"]] = Said(match["version"], Position(file, number, 1))
        elif line.strip() and not is_long:
            text = f'expected a package and its version, got "{line.strip()[:60]}"'
            problems.append(Problem(f"{file}:{number}:1", "", text, "`dpkg-query -W` prints them"))
    return found


def installed_python(output: str) -> tuple[str, dict[str, str]] | None:
    """The interpreter's version and its packages, out of what `PYTHON_SCRIPT` prints; None if it did not run."""
    try:
        found = json.loads(output)
        packages = {python_name(row["name"]): str(row["version"]) for row in found["packages"]}
        return str(found["python"]), packages
    except (ValueError, KeyError, TypeError):
        return None


PYTHON_SCRIPT = (
    "import json, platform; from importlib.metadata import distributions; "
    "print(json.dumps({'python': platform.python_version(), 'packages': "
    "[{'name': one.name, 'version': one.version} for one in distributions() if one.name]}))"
)
"""What `pip list --format=json` says, in a container that has no pip."""


def installed_dpkg(output: str) -> Mapping[str, str]:
    """Versions by name, of `dpkg-query -W` inside a container."""
    return {name: said.value for name, said in read_dpkg("", output, []).items()}
