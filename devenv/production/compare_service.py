"""A service of production against the one here: image, process, environment, health and limits. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.config.problems import is_secret
from devenv.production import reasons
from devenv.production.image_names import parts, repository, shown
from devenv.production.rows import Fix, Row
from devenv.services import backend, frontend, mailcatcher, mysql, taskrunner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.production.facts import ServiceFacts
    from devenv.production.judge import Judge
    from devenv.production.manifest import Healthcheck, Service

SECTIONS = {
    mysql.NAME: "database", mailcatcher.NAME: "mail", backend.NAME: "backend", taskrunner.NAME: "backend",
    frontend.NAME: "frontend",
}  # fmt: skip
"""The section of `devenv.yaml` that names a service's image."""
OWN = "the image's own"
SET, EQUAL, DIFFERENT = "set", "equal", "different"
_URL = re.compile(r"https?://(?:127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1\])(?::(\d+))?(/[^\s'\";|)]*)?")
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class Pair:
    """One service on both sides; `has_managed_database` says that the database is none of the containers there."""

    there: Service
    here: ServiceFacts
    judge: Judge
    mapped: frozenset[str] = frozenset()
    has_managed_database: bool = False

    def named(self, what: str) -> str:
        """How a row of this service is called."""
        return f"{self.here.name}.{what}"


def service_rows(pair: Pair) -> Iterator[Row]:
    """All rows but those of mounts, ports and links."""
    yield from _image(pair)
    yield from _process(pair)
    yield from _environment(pair)
    yield from _health(pair)
    yield from _limits(pair)
    yield from _life(pair)


def _image(pair: Pair) -> Iterator[Row]:
    said, here = pair.there.image, pair.here
    if said is None:
        return
    production, runs = shown(said.value), shown(here.image)
    name, tag, digest = parts(said.value)
    wanted = here.wanted and shown(here.wanted)
    reason = ""
    if here.name == mailcatcher.NAME and not _is_catcher(name):
        reason = reasons.MAIL
    elif here.is_built and here.wanted is None:
        reason = reasons.RECIPE
    elif here.is_built and wanted == production:
        reason = reasons.STAND_IN.format(production)
    elif here.is_built:
        runs = f"{wanted} ({runs})"
    fix = Fix((SECTIONS[here.name], "image"), said.value) if here.wanted and here.name in SECTIONS else None
    sides = (production.partition("@")[0], runs.partition("@")[0]) if tag else (name, repository(runs))
    yield pair.judge.compared(
        pair.named("image"), *sides, said.at, reason=reason, fix=None if digest else fix
    )
    if digest:
        shown_here = digest if digest in here.digests else ", ".join(here.digests) or None
        yield pair.judge.compared(
            pair.named("image.digest"), digest, shown_here, said.at, reason=reason, fix=fix
        )


def is_same_image(there: Service, here: ServiceFacts) -> bool:
    """Whether production runs what `devenv.yaml` names."""
    return there.image is not None and shown(there.image.value) == shown(here.wanted or here.image)


def _is_catcher(repository: str) -> bool:
    return any(name in repository for name in ("mailcatcher", "maildev", "mailhog", "mailpit"))


def _process(pair: Pair) -> Iterator[Row]:
    there, here = pair.there, pair.here
    reason = reasons.START if here.name == mysql.NAME else ""
    is_one_process = _is_one_process(there, here)
    for what, said, runs, own in (
        ("entrypoint", there.entrypoint, here.entrypoint, here.own_entrypoint),
        ("command", there.command, here.command, here.own_command),
    ):
        if said is None and runs is None:
            continue
        if what == "command" and here.name == mysql.NAME and here.entrypoint is not None:
            continue  # its options are compared as variables
        production = OWN if said is None else shlex.join(said.value)
        at = said.at if said else there.at
        if said is not None and said.value == (own if runs is None else runs):
            yield pair.judge.same(pair.named(what), production, production, at)
            continue
        effective = OWN if runs is None else shlex.join(runs)
        if is_one_process:
            yield pair.judge.same(pair.named(what), production, effective, at)
        else:
            yield pair.judge.differs(pair.named(what), production, effective, at, reason=reason)
    yield from _user(pair)


def _is_one_process(there: Service, here: ServiceFacts) -> bool:
    """Whether entrypoint and command come to the same arguments, wherever each side cuts them in two."""
    entrypoint = there.entrypoint.value if there.entrypoint else None
    command = there.command.value if there.command else None
    wanted = _arguments(entrypoint, command, here)
    return wanted is not None and wanted == _arguments(here.entrypoint, here.command, here)


def _arguments(
    entrypoint: tuple[str, ...] | None, command: tuple[str, ...] | None, here: ServiceFacts
) -> tuple[str, ...] | None:
    """What is run; None where it takes the image to know. An entrypoint leaves the image's command out."""
    if command is None:
        command = here.own_command if entrypoint is None else ()
    if entrypoint is None:
        entrypoint = here.own_entrypoint
    return None if entrypoint is None or command is None else (*entrypoint, *command)


def _user(pair: Pair) -> Iterator[Row]:
    said, here = pair.there.user, pair.here
    if said is None and here.user is None:
        return
    reason = reasons.MAPPED_USER if here.user is not None and pair.mapped else ""
    yield pair.judge.compared(
        pair.named("user"),
        _user_text(said.value if said else None, here),
        _user_text(here.user, here),
        said.at if said else pair.there.at,
        reason=reason,
    )


def _user_text(user: str | None, here: ServiceFacts) -> str:
    name = here.own_user if user is None else user
    return "root" if name in {"", "0", "0:0", "root"} else name


def _environment(pair: Pair) -> Iterator[Row]:
    there = {variable.name: variable for variable in pair.there.environment}
    own, here = pair.here.own_environment, pair.here.environment
    for name, variable in there.items():
        what = pair.named(f"environment.{name}")
        value = here.get(name, own.get(name))
        if value is None:
            reason = reasons.OUR_DATABASE if pair.here.name == mysql.NAME else ""
            yield pair.judge.differs(what, SET, None, variable.at, reason=reason)
        elif variable.value is None or variable.value == value:
            known = variable.value is not None
            yield pair.judge.same(what, SET, EQUAL if known else SET, variable.at)
        else:
            yield pair.judge.differs(what, SET, DIFFERENT, variable.at, reason=_other_value(pair, name))
    for name in here:
        if name not in there:
            what = pair.named(f"environment.{name}")
            yield pair.judge.differs(what, None, SET, pair.there.at, reason=_only_here(pair, name))


def _other_value(pair: Pair, name: str) -> str:
    if name in reasons.OF_THE_DATABASE and pair.has_managed_database:
        return reasons.OUR_DATABASE
    if is_secret((name,)):
        return reasons.SECRET
    return reasons.OTHER_VALUE.get(name, "")


def _only_here(pair: Pair, name: str) -> str:
    if name in reasons.ONLY_HERE:
        return reasons.ONLY_HERE[name]
    files = ", ".join(said.value for said in pair.there.env_files)
    return reasons.UNKNOWN_FILE.format(files) if files else ""


def _health(pair: Pair) -> Iterator[Row]:
    check, here = pair.there.healthcheck, pair.here
    test = here.health_test if here.health_test[:1] != ("NONE",) else ()
    asked = None if check is None or check.test[:1] == ("NONE",) else _asked(check)
    probed = _probe(test) if test else None
    if asked is None and probed is None:
        return
    own = here.name in {mysql.NAME, mailcatcher.NAME}
    reason = reasons.PROBE if probed is not None and (asked is None or own) else ""
    at = check.at if check else pair.there.at
    yield pair.judge.compared(pair.named("health.test"), asked, probed, at, reason=reason)
    if check is None or probed is None:
        return
    for name in ("interval", "timeout", "retries", "start_period"):
        said, runs = getattr(check, name), here.health_times.get(name)
        if said is not None:
            yield pair.judge.compared(
                pair.named(f"health.{name}"),
                f"{said:g}",
                f"{runs:g}" if runs else None,
                check.at,
                reason=reasons.PACE if runs else "",
            )


def _asked(check: Healthcheck) -> str | None:
    if check.http is not None:
        port, path = check.http
        return f"GET :{port}{path}"
    return _probe(check.test) if check.test else None


def _probe(test: tuple[str, ...]) -> str:
    """A probe by HTTP as what it asks for, whatever asks; any other as its command."""
    command = _script(test)
    found = _URL.search(command)
    return f"GET :{found[1] or 80}{found[2] or '/'}" if found else command


def _script(test: tuple[str, ...]) -> str:
    """A probe's command; where a shell runs it, what the shell is given."""
    match test:
        case ("CMD-SHELL", script, *_):
            return script
        case ("CMD", shell, "-c", script) if shell.rpartition("/")[2] == "sh":
            return script
    return shlex.join(test[1:])


def _limits(pair: Pair) -> Iterator[Row]:
    limits, here = pair.there.limits, pair.here
    if limits.memory is not None or here.memory:
        there = limits.memory.value if limits.memory else 0
        yield pair.judge.compared(
            pair.named("limits.memory"),
            _memory(there),
            _memory(here.memory),
            limits.memory.at if limits.memory else pair.there.at,
        )
    if limits.cpus is not None or here.cpus:
        cpus = limits.cpus.value if limits.cpus else 0
        yield pair.judge.compared(
            pair.named("limits.cpus"),
            f"{cpus:g}" if cpus else None,
            f"{here.cpus:g}" if here.cpus else None,
            limits.cpus.at if limits.cpus else pair.there.at,
        )


def _memory(size: int) -> str | None:
    if not size:
        return None
    return f"{size // _MEBIBYTE} MiB" if size % _MEBIBYTE == 0 else f"{size} bytes"


def _life(pair: Pair) -> Iterator[Row]:
    there, here = pair.there, pair.here
    count = there.replicas.value if there.replicas else 1
    at = there.replicas.at if there.replicas else there.at
    yield pair.judge.compared(pair.named("replicas"), str(count), str(here.replicas), at)
    yield from _restart(pair)
    fixed = bool(there.read_only and there.read_only.value)
    if fixed or here.read_only:
        yield pair.judge.compared(
            pair.named("read_only"),
            "read-only" if fixed else "writable",
            "read-only" if here.read_only else "writable",
            there.read_only.at if there.read_only else there.at,
        )
    if there.schedule is not None:
        yield pair.judge.differs(
            pair.named("schedule"), there.schedule.value, "all the time", there.schedule.at
        )


def _restart(pair: Pair) -> Iterator[Row]:
    """Policies without the number of tries; the one that devenv gives is its own affair."""
    there, here = pair.there, pair.here
    said = there.restart.value.partition(":")[0] if there.restart else "no"
    runs = here.restart.partition(":")[0] or "no"
    if said != "no" or runs != "no":
        yield pair.judge.compared(
            pair.named("restart"),
            None if said == "no" else said,
            None if runs == "no" else runs,
            there.restart.at if there.restart else there.at,
            reason=reasons.RESTART if runs in {"no", "on-failure"} else "",
        )
