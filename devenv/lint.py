"""Advice on health checks and dependencies that cannot work, waste time or get in each other's way: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devenv.blame import SECTIONS
from devenv.model import Condition
from devenv.services.pods import role_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from devenv.config.document import Document, KeyPath
    from devenv.model import Project, Service

LONGEST_INTERVAL = 5.0
DOCKERS_INTERVAL = 30.0
"""Seconds between two probes where nobody says how many."""
EVERYWHERE = frozenset({"0.0.0.0", "::", "[::]"})
FOREVER = frozenset({"always", "unless-stopped"})
JOB_WORDS = re.compile(
    r"\b(?:migrate|makemigrations|collectstatic|loaddata|compilemessages|db:migrate|alembic upgrade|flyway|liquibase"
    r"|(?:npm|yarn|pnpm)(?: run)? build|npm (?:ci|install)|webpack(?! serve)|vite build)\b"
)
"""Commands that do something and end."""
SHELLS = frozenset({"sh", "bash", "ash", "dash"})
OPERATORS = frozenset({"||", "&&", "|", ";", ">", ">>"})
ASKED_PORT = re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0)[: ](\d{2,5})\b")
UNITS: Mapping[str, float] = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h)")


@dataclass(frozen=True)
class Advice:
    """One thing to do better: `text` says what it is and why it matters, `fix` what to write instead."""

    code: str
    path: KeyPath
    text: str
    fix: str


def lint(project: Project, document: Document, ended: Collection[str] = ()) -> tuple[Advice, ...]:
    """All advice on an environment, in the order in which it stands in `devenv.yaml`.

    `ended` names services that were seen to end with status 0.
    """
    found: list[Advice] = []
    jobs = {one.name for one in project.services if one.job or one.name in ended or _looks_like_a_job(one)}
    for service in project.services:
        if service.raw is None:
            found += _own_probe(service)
        else:
            for rule in RULES:
                found += rule(service, service.raw, project, jobs)
    if project.services and any(port.address in EVERYWHERE for port in project.services[0].ports):
        found.append(_published(("bind",), "all ports are"))

    def order(advice: Advice) -> tuple[bool, int, int]:
        place = document.written_position_of(advice.path)
        return "local" in place.file, place.line, place.column

    # Of production's pods each has the same settings.
    return tuple(sorted(dict.fromkeys(found), key=order))


def _looks_like_a_job(service: Service) -> bool:
    """Told from its command, where nothing says that it is asked for something later."""
    raw = service.raw or {}
    command = raw.get("command") or ""
    text = " ".join(map(str, command)) if isinstance(command, list) else str(command)
    return bool(JOB_WORDS.search(text)) and not raw.get("ports") and not raw.get("healthcheck")


def _own_probe(service: Service) -> Iterator[Advice]:
    """What the settings of a service of ours can get wrong."""
    if service.healthcheck is not None:
        yield from _slow((SECTIONS[role_of(service.name)], "healthcheck"), service.healthcheck.interval)


def _slow(path: KeyPath, interval: float) -> Iterator[Advice]:
    if interval > LONGEST_INTERVAL:
        yield Advice(
            "slow_interval",
            (*path, "interval"),
            f"the health check probes every {interval:g} s: what is ready, or dead, is noticed that late",
            "`interval: 2s`, or less",
        )


def _probe(
    service: Service, raw: Mapping[str, Any], project: Project, jobs: Collection[str]
) -> Iterator[Advice]:
    """The health check of a user's own service."""
    del project, jobs
    check = raw.get("healthcheck")
    if not isinstance(check, dict) or check.get("disable"):
        return
    path: KeyPath = ("services", service.name, "healthcheck")
    interval = _interval(check)
    yield from _slow(path, interval)
    if "start_interval" in check and seconds(check.get("start_period", "0s")) == 0:
        yield Advice(
            "start_interval_alone",
            (*path, "start_interval"),
            f"without `start_period` the engine ignores `start_interval`: the first probe comes after {interval:g} s",
            "`start_period: 60s`: failures in it do not count, and probes come faster",
        )
    yield from _command(path, check.get("test"), raw)


def _interval(check: Mapping[str, Any]) -> float:
    """Docker's own where none is given; a variable's value is for Compose to find out."""
    if "interval" not in check:
        return DOCKERS_INTERVAL
    found = seconds(check["interval"])
    return LONGEST_INTERVAL if found is None else found or DOCKERS_INTERVAL


def _command(path: KeyPath, test: Any, raw: Mapping[str, Any]) -> Iterator[Advice]:
    """Probes that cannot work, however well the service is."""
    words = [str(word) for word in test] if isinstance(test, list) else []
    path = (*path, "test")
    if words[:1] == ["CMD"] and (OPERATORS & set(words) or (len(words) == 2 and " " in words[1])):
        yield Advice(
            "probe_without_shell",
            path,
            "`CMD` runs one program without a shell, so this is taken for its name or its arguments: it always fails",
            "`[CMD-SHELL, ...]` with the whole line as one text, or one list item per word",
        )
    targets, published = _ports(raw)
    text = " ".join(words) if words else str(test or "")
    for match in ASKED_PORT.finditer(text):
        port = match[1]
        if port in published and port not in targets:
            yield Advice(
                "probe_of_published_port",
                path,
                f"the probe runs inside the container, where nothing listens on {port}: that is the published port",
                f"ask port {published[port]}, the container's own",
            )


def _ports(raw: Mapping[str, Any]) -> tuple[set[str], dict[str, str]]:
    """The container's ports, and the container's port by the published one."""
    targets: set[str] = set()
    published: dict[str, str] = {}
    for port in raw.get("ports") or ():
        if isinstance(port, dict):
            target, outside = str(port.get("target", "")), str(port.get("published", ""))
        else:
            *front, target = str(port).partition("/")[0].split(":")
            outside = front[-1] if front else ""
        targets.add(target)
        if outside:
            published[outside] = target
    return targets, published


def _dependencies(
    service: Service, raw: Mapping[str, Any], project: Project, jobs: Collection[str]
) -> Iterator[Advice]:
    """What is waited for: health where there is a health check, the end where it is a job."""
    written = raw.get("depends_on")
    for place, (name, condition) in enumerate(service.depends_on.items()):
        path: KeyPath = ("services", service.name, "depends_on", place if isinstance(written, list) else name)
        probed = _is_probed(project.service(name))
        if name in jobs and condition is not Condition.COMPLETED:
            yield Advice(
                "job_not_awaited",
                path,
                f"{name} does its work and ends, but {service.name} starts before that is done",
                f"`depends_on: {{{name}: {{condition: service_completed_successfully}}}}`",
            )
        elif probed and condition is Condition.STARTED:
            yield Advice(
                "condition_missing",
                path,
                f"{service.name} starts as soon as {name} has a process, ready or not, though {name} has a health check",
                f"`depends_on: {{{name}: {{condition: service_healthy}}}}`",
            )
        elif not probed and condition is Condition.HEALTHY:
            yield Advice(
                "condition_impossible",
                path,
                f"{name} has no health check, so nobody can know that it is healthy",
                f"give {name} a `healthcheck`, or wait with `condition: service_started`",
            )


def _is_probed(service: Service) -> bool:
    if service.raw is None:
        return service.healthcheck is not None
    check = service.raw.get("healthcheck")
    return (
        isinstance(check, dict) and not check.get("disable") and check.get("test") not in ("NONE", ["NONE"])
    )


def _job(
    service: Service, raw: Mapping[str, Any], project: Project, jobs: Collection[str]
) -> Iterator[Advice]:
    """A job that nothing marks as one is run again by every `up`; one that is restarted never ends."""
    waited_for = any(service.name in other.depends_on for other in project.services)
    if service.name not in jobs:
        return
    if raw.get("restart") in FOREVER:
        yield Advice(
            "job_restarted",
            ("services", service.name, "restart"),
            f"{service.name} does its work and ends, and `restart: {raw['restart']}` runs it again each time",
            '`restart: "no"`, or `on-failure` for another try',
        )
    elif not service.job and not waited_for:
        yield Advice(
            "job_not_marked",
            ("services", service.name),
            f"{service.name} does its work and ends, but nothing says so: every `devenv up` runs it again",
            '`restart: "no"`, or a dependent with `condition: service_completed_successfully`',
        )


def _stop(
    service: Service, raw: Mapping[str, Any], project: Project, jobs: Collection[str]
) -> Iterator[Advice]:
    """The first process of a container is ended by SIGTERM only if it says what it does then: a shell never does."""
    del project
    command = raw.get("entrypoint") or raw.get("command") or ""
    words = list(map(str, command)) if isinstance(command, list) else str(command).split()
    text = " ".join(words)
    shell = words[0].rpartition("/")[2] if words else ""
    # bash becomes the only command that it is to run, as if `exec` stood before it.
    becomes = shell == "bash" and not re.search(r"[;&|\n]|\b(?:for|while|until|if|case)\b", text)
    stays = shell in SHELLS and not becomes and not re.search(r"\b(?:exec|trap)\b", text)
    if stays and service.name not in jobs and not raw.get("init") and "stop_grace_period" not in raw:
        yield Advice(
            "slow_stop",
            ("services", service.name, "entrypoint" if raw.get("entrypoint") else "command"),
            "a shell as a container's first process does not end when it is told to: `devenv down` waits 10 s for it",
            "`init: true`, or `exec` before the program in the shell's line",
        )


def _names_and_ports(
    service: Service, raw: Mapping[str, Any], project: Project, jobs: Collection[str]
) -> Iterator[Advice]:
    """What only one environment on a machine can have, and what the whole network can reach."""
    del project, jobs
    path: KeyPath = ("services", service.name)
    if raw.get("container_name"):
        yield Advice(
            "fixed_name",
            (*path, "container_name"),
            "only one container of that name can exist: no second environment can run beside this one",
            f"leave it out: other services reach it as {service.name}",
        )
    if raw.get("network_mode") == "host":
        yield _published((*path, "network_mode"), "every port that it opens is")
    for number, port in enumerate(raw.get("ports") or ()):
        address = port.get("host_ip") if isinstance(port, dict) else _address(str(port))
        if address in EVERYWHERE:
            yield _published((*path, "ports", number), "the port is")


def _address(port: str) -> str:
    """The address in Compose's short form, `[::]` and all."""
    match = re.match(r"(\[[^\]]*\]|[\d.]+):(?:\d|:)", port)
    return match[1] if match and ("." in match[1] or match[1].startswith("[")) else ""


def _published(path: KeyPath, what: str) -> Advice:
    return Advice(
        "published_everywhere",
        path,
        f"{what} published on all interfaces: whoever is in the same network reaches it",
        "name 127.0.0.1, or no address at all",
    )


RULES: tuple[Callable[[Service, Mapping[str, Any], Project, Collection[str]], Iterator[Advice]], ...] = (
    _probe,
    _dependencies,
    _job,
    _stop,
    _names_and_ports,
)
"""Each looks at one service of the user's own, its definition in Compose's words, the project and its jobs."""


def seconds(value: Any) -> float | None:
    """A duration in Compose's words, `1m30s`; None where it is none."""
    parts = DURATION.findall(str(value))
    if not parts or DURATION.sub("", str(value)):
        return None
    return sum(float(number) * UNITS[unit] for number, unit in parts)
