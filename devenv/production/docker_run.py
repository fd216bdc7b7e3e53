"""Read the words of `docker run` as the service that they start."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from devenv.errors import Problem
from devenv.production import short_forms
from devenv.production.command_line import Word
from devenv.production.compose_forms import last_of_each
from devenv.production.env_files import as_docker
from devenv.production.manifest import (
    ROLE_LABEL,
    Healthcheck,
    Limits,
    Mount,
    MountKind,
    Said,
    Service,
    Variable,
)
from devenv.production.quantities import cores, seconds, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from devenv.config.document import Position
    from devenv.production.env_files import EnvFiles

T = TypeVar("T")

_SHORT = {
    "a": "attach", "c": "cpu-shares", "e": "env", "h": "hostname", "l": "label", "m": "memory", "p": "publish",
    "u": "user", "v": "volume", "w": "workdir",
}  # fmt: skip
_SHORT_FLAGS = frozenset("dit") | {"P", "q"}
_FLAGS = frozenset(
    ["detach", "init", "interactive", "no-healthcheck", "oom-kill-disable", "privileged", "publish-all",
     "quiet", "read-only", "rm", "sig-proxy", "tty", "disable-content-trust"]
)  # fmt: skip
_SAME = {"net": "network", "network-alias": "net-alias"}


@dataclass
class Options:
    """The options of one command line, by their long names; repeated ones in their order."""

    given: dict[str, list[Word]] = field(default_factory=lambda: defaultdict(list))
    words: Sequence[Word] = ()
    """The image and what stands behind it."""

    def last(self, name: str) -> Said[str] | None:
        """What the option was given last."""
        found = self.given.get(name)
        return Said(found[-1].text, found[-1].at) if found else None

    def is_on(self, name: str) -> Said[bool] | None:
        """Whether a flag is given, and not as `--flag=false`."""
        said = self.last(name)
        return None if said is None else Said(said.value != "false", said.at)


def parse_options(words: Sequence[Word], problems: list[Problem]) -> Options:
    """Take options from the front until the image; a missing value is a problem."""
    options = Options()
    rest = list(words)
    while rest and rest[0].text.startswith("-"):
        word = rest.pop(0)
        if word.text == "--":
            break
        for name, value in _split_option(word):
            if value is not None:
                options.given[name].append(value)
            elif name in _FLAGS:
                options.given[name].append(Word("true", word.at))
            elif rest:
                options.given[name].append(rest.pop(0))
            else:
                problems.append(Problem(str(word.at), "docker run", f"expected a value behind {word.text}"))
    options.words = rest
    return options


def _split_option(word: Word) -> list[tuple[str, Word | None]]:
    """The options that one word holds, with what is glued to the last of them."""
    if word.text.startswith("--"):
        name, given, value = word.text[2:].partition("=")
        return [(_SAME.get(name, name), replace(word, text=value) if given else None)]
    found: list[tuple[str, Word | None]] = []
    letters = word.text[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in _SHORT_FLAGS:
            found.append(
                ({"d": "detach", "i": "interactive", "t": "tty"}.get(letter, "quiet"), Word("true", word.at))
            )
            continue
        value = letters.removeprefix("=")
        found.append((_SHORT.get(letter, letter), replace(word, text=value) if value else None))
        break
    return found


def read_docker_run(
    name: str, words: Sequence[Word], at: Position, env_files: EnvFiles, problems: list[Problem]
) -> Service | None:
    """The service; `name` is what it is called where `--name` does not say it. None without an image."""
    options = parse_options(words, problems)
    if not options.words:
        problems.append(Problem(str(at), "docker run", "expected an image, got the end of the command"))
        return None
    return _Reading(options, env_files, problems).service(name, at)


class _Reading:
    def __init__(self, options: Options, env_files: EnvFiles, problems: list[Problem]) -> None:
        self.options = options
        self.env_files = env_files
        self.problems = problems

    def service(self, name: str, at: Position) -> Service:
        options, given = self.options, self.options.given
        image, *arguments = options.words
        said = options.last("name")
        entrypoint = options.last("entrypoint")
        network = options.last("network")
        paths = (Said(word.text, word.at) for word in given["env-file"])
        named, unread = self.env_files.read(paths, as_docker)
        variables = map(_variable, given["env"])
        labels = [word.text.partition("=") for word in given["label"]]
        return Service(
            name=said.value.removesuffix(".service") if said else name,  # `--name %n` is a usual form
            at=at,
            image=Said(image.text, image.at) if image.is_known else None,
            role=next((value for label, _, value in labels if label == ROLE_LABEL), None),
            entrypoint=Said(tuple(filter(None, [entrypoint.value])), entrypoint.at) if entrypoint else None,
            command=Said(tuple(word.text for word in arguments), arguments[0].at) if arguments else None,
            command_places=tuple(word.at for word in arguments),
            user=options.last("user"),
            environment=last_of_each((*named, *variables)),
            env_files=unread,
            ports=tuple(
                port
                for found in self._each("publish", short_forms.ports, short_forms.PORT_FORM)
                for port in found
            ),
            mounts=tuple(self._mounts()),
            volumes_from=tuple(Said(word.text.partition(":")[0], word.at) for word in given["volumes-from"]),
            links=tuple(short_forms.link(word.text, word.at) for word in given["link"]),
            aliases=tuple(Said(word.text, word.at) for word in given["net-alias"]),
            is_linked_only=network is None or network.value in {"bridge", "default"},
            limits=Limits(
                self._quantity("memory", size, "a size such as 512m"),
                self._quantity("cpus", cores, "a number of processors such as 0.5"),
            ),
            healthcheck=self._healthcheck(at),
            restart=options.last("restart"),
            read_only=options.is_on("read-only"),
        )

    def _each(self, name: str, read: Callable[[str, Position], T | None], form: str) -> list[T]:
        found = []
        for word in self.options.given[name]:
            value = read(word.text, word.at)
            if value is None:
                self._problem(word.at, name, f'expected {form}, got "{word.text}"')
            else:
                found.append(value)
        return found

    def _quantity(self, name: str, read: Callable[[str], T | None], what: str) -> Said[T] | None:
        said = self.options.last(name)
        if said is None:
            return None
        value = read(said.value)
        if value is None:
            self._problem(said.at, name, f'expected {what}, got "{said.value}"')
            return None
        return Said(value, said.at)

    def _mounts(self) -> list[Mount]:
        found = self._each("volume", short_forms.volume, short_forms.VOLUME_FORM)
        found += self._each("mount", _long_mount, "type=...,source=...,target=...")
        return found + [
            Mount(short_forms.target_path(word.text.partition(":")[0]), MountKind.MEMORY, word.at)
            for word in self.options.given["tmpfs"]
        ]

    def _healthcheck(self, at: Position) -> Healthcheck | None:
        command, off = self.options.last("health-cmd"), self.options.is_on("no-healthcheck")
        if off and off.value:
            return Healthcheck(off.at, ("NONE",))
        retries = self._quantity("health-retries", _whole, "a whole number")
        times = [
            self._quantity(f"health-{name}", seconds, "a duration such as 10s")
            for name in ("interval", "timeout", "start-period")
        ]
        given = [said for said in (command, retries, *times) if said is not None]
        if not given:
            return None
        interval, timeout, start = (time.value if time else None for time in times)
        test = ("CMD-SHELL", command.value) if command else ()
        return Healthcheck(
            command.at if command else at,
            test,
            None,
            interval,
            timeout,
            retries.value if retries else None,
            start,
        )

    def _problem(self, at: Position, option: str, text: str) -> None:
        self.problems.append(Problem(str(at), f"--{option}", text))


def _variable(word: Word) -> Variable:
    found = short_forms.variable(word.text, word.at)
    return found if word.is_known else replace(found, value=None)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _long_mount(text: str, at: Position) -> Mount | None:
    """`--mount type=volume,source=generated,target=/opt/app/generated_content,readonly`."""
    fields = {name: value for name, _, value in (part.partition("=") for part in text.split(","))}
    target = fields.get("target") or fields.get("destination") or fields.get("dst")
    kinds = {"volume": MountKind.VOLUME, "bind": MountKind.BIND, "tmpfs": MountKind.MEMORY}
    kind = kinds.get(fields.get("type", "volume"))
    if target is None or kind is None:
        return None
    read_only = any(fields.get(name, "false") in {"", "true", "1"} for name in ("readonly", "ro"))
    source = fields.get("source") or fields.get("src")
    return Mount(short_forms.target_path(target), kind, at, source, read_only=read_only)
