"""Read a Compose file, a Swarm stack or Compose's oldest form, whose services stand at the top level."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from devenv.production import compose_forms as forms
from devenv.production import short_forms
from devenv.production.env_files import as_compose, as_docker
from devenv.production.manifest import (
    ROLE_LABEL,
    Healthcheck,
    Limits,
    Link,
    Manifest,
    Mount,
    MountKind,
    Said,
    Service,
    Variable,
)
from devenv.production.quantities import cores, seconds, size

if TYPE_CHECKING:
    from devenv.config.document import Position
    from devenv.production.env_files import EnvFiles
    from devenv.production.node import Node


def is_compose(document: Node) -> bool:
    """Whether a document has services in Compose's words."""
    if not isinstance(document.raw, dict) or "apiVersion" in document.raw:
        return False
    services = document.get("services")
    return services is not None or _is_oldest(document)


def _is_oldest(document: Node) -> bool:
    entries = document.mapping().values()
    return bool(entries) and all(
        isinstance(entry.raw, dict) and ("image" in entry.raw or "build" in entry.raw) for entry in entries
    )


def read_compose(document: Node, env_files: EnvFiles) -> Manifest:
    """The services; references such as `${TAG}` that have no default leave a value unknown."""
    oldest = document.get("services") is None
    services = document.mapping() if oldest else document.map_of("services")
    found = [_Reading(name, node, env_files, oldest).service() for name, node in services.items()]
    return Manifest(services=tuple(found))


class _Reading:
    """One service."""

    def __init__(self, name: str, node: Node, env_files: EnvFiles, is_linked_only: bool) -> None:
        self.name = name
        self.node = node
        self.env_files = env_files
        self.is_linked_only = is_linked_only

    def service(self) -> Service:
        node = self.node
        deploy = node.get("deploy")
        role = {label.name: label.value for label in self._pairs("labels")}.get(ROLE_LABEL)
        named, unread = self._env_files()
        return Service(
            name=self.name,
            at=node.key_at,
            image=forms.text_of(node, "image"),
            role=role,
            entrypoint=self._command("entrypoint"),
            command=self._command("command"),
            command_places=self._places("command"),
            user=forms.text_of(node, "user"),
            environment=forms.last_of_each((*named, *self._pairs("environment"))),
            env_files=unread,
            ports=tuple(port for item in node.list_of("ports") for port in forms.ports(item)),
            mounts=tuple(mount for mount in self._mounts() if mount is not None),
            volumes_from=tuple(self._volumes_from()),
            links=tuple(self._links()),
            aliases=tuple(self._aliases()),
            is_linked_only=self.is_linked_only,
            limits=self._limits(deploy),
            healthcheck=self._healthcheck(),
            replicas=forms.whole_of(deploy, "replicas") or forms.whole_of(node, "scale"),
            restart=self._restart(deploy),
            read_only=forms.flag_of(node, "read_only"),
        )

    def _command(self, key: str) -> Said[tuple[str, ...]] | None:
        node = self.node.get(key)
        if node is None:
            return None
        if isinstance(node.raw, list):
            said = self.node.words_of(key)
            return said and Said(tuple(forms.escaped(word) for word in said.value), said.at)
        try:
            return Said(tuple(shlex.split(forms.escaped(node.text() or ""))), node.at)
        except ValueError:
            node.note("expected a command whose quotes are closed")
            return None

    def _places(self, key: str) -> tuple[Position, ...]:
        """Where each word of a command stands that is written as a list."""
        node = self.node.get(key)
        return tuple(item.at for item in node.items()) if node and isinstance(node.raw, list) else ()

    def _pairs(self, key: str) -> list[Variable]:
        """A mapping, or a list of `NAME=value`."""
        node = self.node.get(key)
        if node is None:
            return []
        if isinstance(node.raw, list):
            entries = [(item.text(), item.at) for item in node.items()]
            return [
                forms.substituted_variable(short_forms.variable(text, at))
                for text, at in entries
                if text is not None
            ]
        values = node.mapping()
        return [
            forms.substituted_variable(Variable(name, values[name].text() if name in values else None, at))
            for name, at in node.names().items()
        ]

    def _env_files(self) -> tuple[tuple[Variable, ...], tuple[Said[str], ...]]:
        node = self.node.get("env_file")
        if node is None:
            return (), ()
        found: list[Variable] = []
        unread: list[Said[str]] = []
        for item in node.items() if isinstance(node.raw, list) else [node]:
            path = item.get("path") if isinstance(item.raw, dict) else item
            text = path.text() if path else None
            if text is None:
                continue
            form = item.text_of("format") if isinstance(item.raw, dict) else None
            grammar = as_docker if form and form.value == "raw" else as_compose
            variables, missing = self.env_files.read([Said(text, item.at)], grammar)
            found += variables
            unread += missing
        return tuple(found), tuple(unread)

    def _mounts(self) -> list[Mount | None]:
        mounts = [forms.mount(item) for item in self.node.list_of("volumes")]
        tmpfs = self.node.get("tmpfs")
        if tmpfs is not None:
            for item in tmpfs.items() if isinstance(tmpfs.raw, list) else [tmpfs]:
                path = forms.substituted(item.text() or "/")
                if path is not None:
                    target = short_forms.target_path(path.partition(":")[0])
                    mounts.append(Mount(target, MountKind.MEMORY, item.at))
        for kind, folder in (("configs", "/"), ("secrets", "/run/secrets/")):
            mounts += [forms.held_file(item, folder) for item in self.node.list_of(kind)]
        return mounts

    def _volumes_from(self) -> list[Said[str]]:
        texts = [(item.text(), item.at) for item in self.node.list_of("volumes_from")]
        return [
            Said(text.removeprefix("container:").partition(":")[0], at)
            for text, at in texts
            if text is not None
        ]

    def _links(self) -> list[Link]:
        texts = [(item.text(), item.at) for item in self.node.list_of("links")]
        return [short_forms.link(text, at) for text, at in texts if text is not None]

    def _aliases(self) -> list[Said[str]]:
        networks = self.node.get("networks")
        if networks is None or not isinstance(networks.raw, dict):
            return []
        texts = [
            (item.text(), item.at)
            for network in networks.mapping().values()
            for item in network.list_of("aliases")
        ]
        return [Said(text, at) for text, at in texts if text is not None]

    def _limits(self, deploy: Node | None) -> Limits:
        resources = deploy.get("resources") if deploy else None
        limits = resources.get("limits") if resources else None
        memory = forms.settled((limits and limits.get("memory")) or self.node.get("mem_limit"))
        cpus = forms.settled((limits and limits.get("cpus")) or self.node.get("cpus"))
        return Limits(
            memory.quantity(size, "a size such as 512m") if memory else None,
            cpus.quantity(cores, "a number of processors such as 0.5") if cpus else None,
        )

    def _healthcheck(self) -> Healthcheck | None:
        node = self.node.get("healthcheck")
        if node is None:
            return None
        disabled = forms.flag_of(node, "disable")
        test = node.get("test")
        words: tuple[str, ...] = ()
        if disabled and disabled.value:
            words = ("NONE",)
        elif test is not None:
            said = node.words_of("test") if isinstance(test.raw, list) else None
            words = said.value if said else ("CMD-SHELL", test.text() or "")
        retries = forms.whole_of(node, "retries")
        return Healthcheck(
            node.at,
            tuple(forms.escaped(word) for word in words),
            interval=_seconds(node, "interval"),
            timeout=_seconds(node, "timeout"),
            retries=retries.value if retries else None,
            start_period=_seconds(node, "start_period"),
        )

    def _restart(self, deploy: Node | None) -> Said[str] | None:
        policy = deploy.get("restart_policy") if deploy else None
        condition = forms.text_of(policy, "condition")
        if condition is not None:
            words = {"any": "always", "none": "no"}
            return Said(words.get(condition.value, condition.value), condition.at)
        return forms.text_of(self.node, "restart")


def _seconds(node: Node, key: str) -> float | None:
    found = forms.settled(node.get(key))
    said = found.quantity(seconds, "a duration such as 10s") if found else None
    return said.value if said else None
