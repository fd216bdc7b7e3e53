"""Read systemd units whose ExecStart is `docker run ...`: the services that production's machines start."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from devenv.config.document import Position
from devenv.errors import Problem
from devenv.production import command_line as line
from devenv.production.docker_run import read_docker_run
from devenv.production.env_files import as_systemd
from devenv.production.manifest import Manifest, Said, Service

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from devenv.production.env_files import EnvFiles

UNIT_SUFFIXES = (".service", ".target", ".timer", ".conf")
_SECTION = re.compile(r"\[([^\[\]]+)\]\s*\Z")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z][\w-]*)\s*=[ \t]*")
_DROP_IN = re.compile(r"(?P<unit>[^/]+\.(?:service|target|timer))\.d/[^/]+\.conf\Z")
_PREFIXES = re.compile(r"[-@:+!|]*")
_CLIENTS = frozenset({"docker", "podman"})
_WITH_VALUE = frozenset({"-H", "--host", "-c", "--context", "--config", "-l", "--log-level"})
_STARTERS = ("ExecStart", "ExecStartPre")
_RESTARTS = {"no": "no", "always": "always", "on-failure": "on-failure"}


@dataclass
class Unit:
    """One unit with its drop-ins: by section and key every assignment, as continued lines."""

    name: str
    file: str
    values: dict[tuple[str, str], list[list[line.Line]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def stem(self) -> str:
        """The name without suffix and instance: `taskrunner` for `taskrunner@2.service`."""
        return self.name.rpartition(".")[0].partition("@")[0]

    @property
    def instance(self) -> str | None:
        """What stands behind the @; empty for a template, None for a plain unit."""
        _, at, instance = self.name.rpartition(".")[0].partition("@")
        return instance if at else None


def is_unit(file: str) -> bool:
    """Whether a file has the name of a unit or of a drop-in."""
    return file.endswith(UNIT_SUFFIXES[:-1]) or _DROP_IN.search(file) is not None


def read_systemd(texts: Mapping[str, str], env_files: EnvFiles, problems: list[Problem]) -> Manifest:
    """The services of all units that start a container; the others only count for their `Wants=`."""
    units: dict[str, Unit] = {}
    for file in sorted(texts, key=lambda file: (_DROP_IN.search(file) is not None, file)):
        drop_in = _DROP_IN.search(file)
        name = drop_in["unit"] if drop_in else file.rpartition("/")[2]
        read_unit(texts[file], file, units.setdefault(name, Unit(name, file)), problems)
    instances = _instances(units)
    found: dict[str, Service] = {}
    for unit in units.values():
        service = _service(unit, env_files, problems) if unit.name.endswith(".service") else None
        if service is None:
            continue
        count = len(instances.get(unit.stem, ())) or 1
        if unit.instance is not None:
            service = replace(service, name=unit.stem, replicas=Said(count, service.at))
        found.setdefault(service.name, service)
    return Manifest(services=tuple(found.values()))


def read_unit(text: str, file: str, unit: Unit, problems: list[Problem]) -> None:
    """Add a file's assignments to a unit; an empty one forgets those before it, as systemd does."""
    section = ""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        written, at = lines[number], Position(file, number + 1, 1)
        number += 1
        if not written.strip() or written.lstrip().startswith(("#", ";")):
            continue
        if header := _SECTION.match(written.strip()):
            section = header[1]
            continue
        key = _ASSIGNMENT.match(written)
        if key is None or not section:
            problems.append(
                Problem(str(at), "", f"expected [Section] or Key=value, got {written.strip()[:40]!r}")
            )
            continue
        pieces, number = _continued(lines, number - 1, key.end(), file)
        if not "".join(piece.text for piece in pieces).strip():
            unit.values[section, key[1]].clear()
        else:
            unit.values[section, key[1]].append(pieces)


def _continued(lines: Sequence[str], number: int, column: int, file: str) -> tuple[list[line.Line], int]:
    """The value that begins in a line, with its continuation lines; comments between them are left out."""
    pieces = []
    goes_on = True
    while goes_on and number < len(lines):
        text = lines[number][column:]
        number += 1
        if column == 0 and text.lstrip().startswith(("#", ";")):
            continue
        goes_on = text.endswith("\\")
        pieces.append(line.Line(text.removesuffix("\\"), Position(file, number, column + 1)))
        column = 0
    return pieces, number


def _instances(units: Mapping[str, Unit]) -> dict[str, set[str]]:
    """The instances of each template that are there as files or wanted by some unit."""
    found: dict[str, set[str]] = defaultdict(set)
    for unit in units.values():
        if unit.instance:
            found[unit.stem].add(unit.instance)
        for (_, key), values in unit.values.items():
            if key in {"Wants", "Requires", "BindsTo", "Also"}:
                text = " ".join(piece.text for pieces in values for piece in pieces)
                for stem, instance in re.findall(r"([^\s@]+)@([^\s@]+)\.service", text):
                    found[stem].add(instance)
        for pieces in unit.values["Install", "DefaultInstance"] if unit.instance == "" else ():
            found[unit.stem].add(pieces[0].text.strip())
    return found


def _service(unit: Unit, env_files: EnvFiles, problems: list[Problem]) -> Service | None:
    variables = _environment(unit, env_files, problems)
    for key in _STARTERS:
        for pieces in unit.values["Service", key]:
            words = _words(pieces, problems)
            words = tuple(line.expanded(_specified(word, unit), variables) for word in words)
            start = _behind_docker_run(words)
            if start is None:
                continue
            at = Position(unit.file, 1, 1) if not words else words[0].at
            service = read_docker_run(unit.stem, words[start:], at, env_files, problems)
            if service is None:
                return None
            unknown = {word.at for word in words if not word.is_known}
            return _with_unit(service, unit, variables, unknown)
    return None


def _words(pieces: Sequence[line.Line], problems: list[Problem]) -> tuple[line.Word, ...]:
    text, places = line.joined(pieces)
    skipped = _PREFIXES.match(text)
    begin = skipped.end() if skipped else 0
    try:
        words = line.split(text[begin:], places[begin:])
        if len(words) > 2 and words[0].text.endswith("sh") and words[1].text == "-c":
            # What the shell is given is one word of ours: all that is in it stands where the word does.
            script = words[2]
            return line.split(script.text, (script.at,) * len(script.text))
    except line.UnclosedQuoteError as error:
        problems.append(Problem(str(error.at), "ExecStart", "expected a closing quote"))
        return ()
    return words


def _behind_docker_run(words: Sequence[line.Word]) -> int | None:
    """Where the options of `docker run` begin; None where the command is something else."""
    texts = [word.text for word in words]
    client = next((at for at, text in enumerate(texts) if text.rpartition("/")[2] in _CLIENTS), None)
    if client is None:
        return None
    rest = iter(enumerate(texts[client + 1 :], client + 1))
    for at, text in rest:
        if text in {"run", "create"}:
            return at + 1
        if text in _WITH_VALUE:
            next(rest, None)
        elif not text.startswith("-") and text not in {"container", *_CLIENTS}:
            return None
    return None


def _specified(word: line.Word, unit: Unit) -> line.Word:
    """The word with systemd's specifiers replaced."""
    values = {
        "%": "%", "n": unit.name, "N": unit.name.rpartition(".")[0], "p": unit.stem, "P": unit.stem,
        "i": unit.instance or "", "I": unit.instance or "",
    }  # fmt: skip
    text = re.sub(r"%([%nNpPiI])", lambda match: values[match[1]], word.text)
    return replace(word, text=text)


def _environment(unit: Unit, env_files: EnvFiles, problems: list[Problem]) -> dict[str, str]:
    """What `Environment=` sets, overridden by the files of `EnvironmentFile=` that are here."""
    found: dict[str, str] = {}
    for pieces in unit.values["Service", "Environment"]:
        for word in _words(pieces, problems):
            name, given, value = word.text.partition("=")
            if given:
                found[name] = value
    for pieces in unit.values["Service", "EnvironmentFile"]:
        path = Said(pieces[0].text.strip().removeprefix("-"), pieces[0].at)
        variables, _ = env_files.read([path], as_systemd)
        found |= {variable.name: variable.value or "" for variable in variables}
    return found


def _with_unit(
    service: Service, unit: Unit, variables: Mapping[str, str], unknown: Container[Position]
) -> Service:
    """The service with what the unit around it says: values that `-e NAME` passes on, and `Restart=`.

    What stands in a word that is not known stays so, whatever else the unit sets by that name.
    """
    environment = tuple(
        replace(one, value=variables.get(one.name)) if one.value is None and one.at not in unknown else one
        for one in service.environment
    )
    restart = service.restart
    for pieces in unit.values["Service", "Restart"]:
        word = pieces[0].text.strip()
        restart = Said(_RESTARTS.get(word, word), pieces[0].at)
    return replace(service, environment=environment, restart=restart)
