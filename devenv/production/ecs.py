"""Read what `aws ecs describe-task-definition` prints, or the task definition alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.production import short_forms
from devenv.production.compose_forms import last_of_each
from devenv.production.manifest import (
    ROLE_LABEL,
    Healthcheck,
    Limits,
    Manifest,
    Mount,
    MountKind,
    Port,
    Said,
    Service,
    Variable,
)

if TYPE_CHECKING:
    from devenv.production.node import Node

_MEBIBYTE = 2**20
_CPU_UNITS = 1024


def is_ecs(document: Node) -> bool:
    """Whether a document is a task definition."""
    return isinstance(document.raw, dict) and bool(
        {"taskDefinition", "containerDefinitions"} & document.raw.keys()
    )


def read_ecs(document: Node) -> Manifest:
    """One service per container definition."""
    task = document.get("taskDefinition") or document
    paths = {}
    for volume in task.list_of("volumes"):
        name, host = volume.text_of("name"), volume.get("host")
        path = host.text_of("sourcePath") if host else None
        if name is not None:
            paths[name.value] = path.value if path else None
    mode = task.text_of("networkMode")
    bridge = mode is None or mode.value == "bridge"
    containers = task.list_of("containerDefinitions")
    if not containers:
        task.note("expected containerDefinitions")
    said = task.text_of("family")
    family = said.value if said else None
    services = (_service(node, paths, is_linked_only=bridge) for node in containers)
    return Manifest(services=tuple(replace(one, group=family) for one in services))


def _service(node: Node, paths: dict[str, str | None], *, is_linked_only: bool) -> Service:
    name = node.required("name")
    labels = node.map_of("dockerLabels")
    return Service(
        name=name.value if name else "",
        at=node.at,
        image=node.text_of("image"),
        role=labels[ROLE_LABEL].text() if ROLE_LABEL in labels else None,
        entrypoint=_words(node, "entryPoint"),
        command=_words(node, "command"),
        user=node.text_of("user"),
        environment=last_of_each(_environment(node)),
        env_files=tuple(
            value for item in node.list_of("environmentFiles") if (value := item.text_of("value"))
        ),
        ports=tuple(_ports(node, is_bridge=is_linked_only)),
        mounts=tuple(_mounts(node, paths)),
        volumes_from=tuple(
            source for item in node.list_of("volumesFrom") if (source := item.text_of("sourceContainer"))
        ),
        links=tuple(
            short_forms.link(text, item.at) for item in node.list_of("links") if (text := item.text())
        ),
        is_linked_only=is_linked_only,
        limits=_limits(node),
        healthcheck=_healthcheck(node),
        read_only=node.flag_of("readonlyRootFilesystem"),
    )


def _words(node: Node, key: str) -> Said[tuple[str, ...]] | None:
    """AWS prints an empty list for what is not set."""
    said = node.words_of(key)
    return said if said and said.value else None


def _environment(node: Node) -> list[Variable]:
    found = []
    for item in (*node.list_of("environment"), *node.list_of("secrets")):
        name, value = item.required("name"), item.text_of("value")
        if name is not None:
            found.append(Variable(name.value, value.value if value else None, name.at))
    return found


def _ports(node: Node, *, is_bridge: bool) -> list[Port]:
    """On a bridge what is mapped to the host; else the container has an address of its own."""
    found = []
    for item in node.list_of("portMappings"):
        target, host = item.required_whole("containerPort"), item.whole_of("hostPort")
        protocol = item.text_of("protocol")
        if target is None:
            continue
        chosen = host.value if host and host.value else None if is_bridge else target.value
        found.append(Port(target.value, item.at, chosen, None, protocol.value if protocol else "tcp"))
    return found


def _mounts(node: Node, paths: dict[str, str | None]) -> list[Mount]:
    found = []
    for item in node.list_of("mountPoints"):
        source, target = item.text_of("sourceVolume"), item.required("containerPath")
        read_only = item.flag_of("readOnly")
        if target is None:
            continue
        path = paths.get(source.value) if source else None
        found.append(
            Mount(
                short_forms.target_path(target.value),
                MountKind.BIND if path else MountKind.VOLUME,
                item.at,
                path or (source.value if source else None),
                read_only=bool(read_only and read_only.value),
            )
        )
    return found


def _limits(node: Node) -> Limits:
    memory, cpu = node.whole_of("memory"), node.whole_of("cpu")
    return Limits(
        Said(memory.value * _MEBIBYTE, memory.at) if memory else None,
        Said(cpu.value / _CPU_UNITS, cpu.at) if cpu and cpu.value else None,
    )


def _healthcheck(node: Node) -> Healthcheck | None:
    check = node.get("healthCheck")
    if check is None:
        return None
    test = check.words_of("command")
    words = test.value if test else ()
    if words and words[0] not in {"CMD", "CMD-SHELL", "NONE"}:
        words = ("CMD-SHELL", *words) if len(words) == 1 else ("CMD", *words)
    times = [
        said.value if (said := check.whole_of(name)) else None
        for name in ("interval", "timeout", "retries", "startPeriod")
    ]
    interval, timeout, retries, start = times
    return Healthcheck(check.at, words, None, interval, timeout, retries, start)
