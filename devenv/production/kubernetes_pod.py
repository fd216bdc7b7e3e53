"""The containers of a Kubernetes workload, with the ConfigMaps, Secrets and Services around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from devenv.production.compose_forms import last_of_each
from devenv.production.manifest import (
    ROLE_LABEL,
    Healthcheck,
    Limits,
    Mount,
    MountKind,
    Port,
    Said,
    Service,
    Variable,
)
from devenv.production.quantities import cores, size
from devenv.production.short_forms import target_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.production.node import Node

_RESTARTS = {"Always": "always", "OnFailure": "on-failure", "Never": "no"}


class _KubernetesService(Protocol):
    def aliases(self, labels: frozenset[tuple[str, str]]) -> list[Said[str]]: ...

    def published(self, labels: frozenset[tuple[str, str]]) -> list[tuple[str, Port]]: ...


@dataclass(frozen=True)
class Surroundings:
    """ConfigMaps and Secrets by name."""

    config_maps: Mapping[str, Node] = field(default_factory=dict)
    secrets: Mapping[str, Node] = field(default_factory=dict)

    def of(self, source: Node) -> tuple[Variable, ...]:
        """The variables of an entry of `envFrom`; those of a Secret without their values."""
        prefix = source.text_of("prefix")
        front = prefix.value if prefix else ""
        for key, holders, is_secret in (
            ("configMapRef", self.config_maps, False),
            ("secretRef", self.secrets, True),
        ):
            reference = source.get(key)
            name = reference.text_of("name") if reference else None
            holder = holders.get(name.value) if name else None
            if holder is not None:
                entries = {**holder.map_of("data"), **holder.map_of("stringData")}
                return tuple(
                    Variable(front + variable, None if is_secret else node.text(), node.key_at)
                    for variable, node in entries.items()
                )
        return ()

    def knows(self, source: Node) -> Said[str] | None:
        """The name of what an entry of `envFrom` refers to, where it is not among the manifests."""
        for key, holders in (("configMapRef", self.config_maps), ("secretRef", self.secrets)):
            reference = source.get(key)
            name = reference.text_of("name") if reference else None
            if name is not None and name.value not in holders:
                return name
        return None

    def value(self, source: Node) -> str | None:
        """What `valueFrom` gives; None for a Secret's value and for what only the cluster knows."""
        reference = source.get("configMapKeyRef")
        name = reference.text_of("name") if reference else None
        key = reference.text_of("key") if reference else None
        holder = self.config_maps.get(name.value) if name else None
        found = holder.map_of("data").get(key.value) if holder and key else None
        return found.text() if found else None


class Pod:
    """A workload's template, read container by container."""

    def __init__(
        self, workload: Node, surroundings: Surroundings, services: Sequence[_KubernetesService]
    ) -> None:
        self.workload = workload
        self.surroundings = surroundings
        spec = workload.get("spec")
        job = spec.get("jobTemplate") if spec else None
        inner = job.get("spec") if job else spec
        template = inner.get("template") if inner else None
        self.spec = (template.get("spec") if template else None) or spec
        self.replicas = spec.whole_of("replicas") if spec else None
        self.schedule = spec.text_of("schedule") if spec else None
        metadata = (template or workload).get("metadata")
        self.labels = frozenset(
            (name, node.text() or "")
            for name, node in (metadata.map_of("labels") if metadata else {}).items()
        )
        self.aliases = [alias for service in services for alias in service.aliases(self.labels)]
        self.published = [port for service in services for port in service.published(self.labels)]

    def services(self) -> list[Service]:
        """One for each container that stays; init containers end before."""
        if self.spec is None:
            self.workload.note("expected spec.template.spec with containers")
            return []
        containers = self.spec.list_of("containers")
        if not containers:
            self.spec.note("expected at least one container")
        return [self._service(container, alone=len(containers) == 1) for container in containers]

    def _service(self, container: Node, *, alone: bool) -> Service:
        own = container.text_of("name")
        role = self._role(own.value if own else "")
        variables, unread = self._environment(container)
        restart = self.spec.text_of("restartPolicy") if self.spec else None
        security = self._security(container)
        return Service(
            name=self._name if alone or own is None else own.value,
            group=None if alone or own is None else self._name,
            at=container.at,
            image=container.text_of("image"),
            role=role,
            entrypoint=_literal(container.words_of("command")),
            command=_literal(container.words_of("args")),
            user=security[0],
            environment=last_of_each(variables),
            env_files=unread,
            ports=tuple(self._ports(container)),
            mounts=tuple(self._mounts(container)),
            aliases=tuple(self.aliases),
            limits=_limits(container),
            healthcheck=_healthcheck(container),
            replicas=self.replicas,
            restart=restart and Said(_RESTARTS.get(restart.value, restart.value), restart.at),
            read_only=security[1],
            schedule=self.schedule,
        )

    @property
    def _name(self) -> str:
        """The workload's."""
        metadata = self.workload.get("metadata")
        said = metadata.text_of("name") if metadata else None
        return said.value if said else ""

    def _role(self, container: str) -> str | None:
        """`devenv.service`, or `devenv.service/CONTAINER` where there are several, as label or annotation."""
        metadata = self.workload.get("metadata")
        found = {**metadata.map_of("labels"), **metadata.map_of("annotations")} if metadata else {}
        node = found.get(f"{ROLE_LABEL}/{container}") or found.get(ROLE_LABEL)
        return node.text() if node else None

    def _environment(self, container: Node) -> tuple[list[Variable], tuple[Said[str], ...]]:
        variables: list[Variable] = []
        unread: list[Said[str]] = []
        for source in container.list_of("envFrom"):
            variables += self.surroundings.of(source)
            unknown = self.surroundings.knows(source)
            unread += [unknown] if unknown else []
        for item in container.list_of("env"):
            name, origin = item.required("name"), item.get("valueFrom")
            value = item.text_of("value")
            if name is None:
                continue
            text = self.surroundings.value(origin) if origin else (_unescaped(value.value) if value else "")
            variables.append(Variable(name.value, text, name.at))
        return variables, tuple(unread)

    def _security(self, container: Node) -> tuple[Said[str] | None, Said[bool] | None]:
        contexts = [node.get("securityContext") for node in (container, self.spec) if node is not None]
        users = [context.text_of("runAsUser") for context in contexts if context]
        read_only = [context.flag_of("readOnlyRootFilesystem") for context in contexts if context]
        return next((user for user in users if user), None), next((flag for flag in read_only if flag), None)

    def _ports(self, container: Node) -> list[Port]:
        found = []
        for item in container.list_of("ports"):
            target, name = item.required_whole("containerPort"), item.text_of("name")
            host = item.whole_of("hostPort")
            if target is None:
                continue
            names = {str(target.value), name.value if name else ""}
            outside = [port for key, port in self.published if key in names]
            found += [Port(target.value, one.at, one.published, None, one.protocol) for one in outside]
            if host is not None:
                found.append(Port(target.value, host.at, host.value))
        return found

    def _mounts(self, container: Node) -> list[Mount]:
        volumes = {
            name.value: node
            for node in (self.spec.list_of("volumes") if self.spec else ())
            if (name := node.text_of("name"))
        }
        found = []
        for item in container.list_of("volumeMounts"):
            name, path = item.required("name"), item.required("mountPath")
            if name is None or path is None:
                continue
            kind, source = _volume(volumes.get(name.value), name.value, self._name)
            read_only = item.flag_of("readOnly")
            found.append(
                Mount(target_path(path.value), kind, item.at, source, bool(read_only and read_only.value))
            )
        return found


def _unescaped(text: str) -> str:
    """The text as a container gets it: `$$` is one `$`; references to variables stay."""
    return text.replace("$$", "$")


def _literal(words: Said[tuple[str, ...]] | None) -> Said[tuple[str, ...]] | None:
    return words and Said(tuple(_unescaped(word) for word in words.value), words.at)


def _volume(volume: Node | None, name: str, workload: str) -> tuple[MountKind, str]:
    """The kind of a pod's volume, and a name that is the same wherever it is the same volume.

    What a pod brings itself belongs to its workload alone; one without an entry is a claim of a StatefulSet.
    """
    entries = volume.mapping() if volume else {}
    if "hostPath" in entries:
        path = entries["hostPath"].text_of("path")
        return MountKind.BIND, path.value if path else name
    if entries.keys() & {"configMap", "secret", "projected", "downwardAPI"}:
        return MountKind.FILE, name
    if "persistentVolumeClaim" in entries:
        claim = entries["persistentVolumeClaim"].required("claimName")
        return MountKind.VOLUME, claim.value if claim else name
    medium = entries["emptyDir"].text_of("medium") if "emptyDir" in entries else None
    if medium is not None and medium.value == "Memory":
        return MountKind.MEMORY, name
    return MountKind.VOLUME, f"{workload}/{name}"


def _limits(container: Node) -> Limits:
    resources = container.get("resources")
    limits = resources.get("limits") if resources else None
    memory, cpu = (limits.get("memory"), limits.get("cpu")) if limits else (None, None)
    return Limits(
        memory.quantity(partial(size, decimal=True), "a quantity such as 512Mi") if memory else None,
        cpu.quantity(cores, "a quantity such as 500m") if cpu else None,
    )


def _healthcheck(container: Node) -> Healthcheck | None:
    probe = container.get("readinessProbe") or container.get("livenessProbe")
    if probe is None:
        return None
    http, command = probe.get("httpGet"), probe.get("exec")
    words = command.words_of("command") if command else None
    return Healthcheck(
        probe.at,
        ("CMD", *words.value) if words else (),
        _asked(http, container) if http else None,
        _number(probe, "periodSeconds"),
        _number(probe, "timeoutSeconds"),
        _number(probe, "failureThreshold"),
        _patience(container.get("startupProbe")) or _number(probe, "initialDelaySeconds"),
    )


def _number(probe: Node, key: str) -> int | None:
    said = probe.whole_of(key)
    return said.value if said else None


def _patience(startup: Node | None) -> int | None:
    """The seconds in which a start may fail, by Kubernetes' own defaults where it does not say."""
    if startup is None:
        return None
    return (_number(startup, "periodSeconds") or 10) * (_number(startup, "failureThreshold") or 3)


def _asked(http: Node, container: Node) -> tuple[int, str] | None:
    """Port and path of `httpGet`; a port may be named as the container names it."""
    port, path = http.required("port"), http.text_of("path")
    if port is None:
        return None
    named = {
        name.value: number.value
        for item in container.list_of("ports")
        if (name := item.text_of("name")) and (number := item.whole_of("containerPort"))
    }
    number_text = str(named.get(port.value, port.value))
    if not number_text.isdigit():
        http.note(f'expected a port or the name of one of the container\'s, got "{port.value}"')
        return None
    return int(number_text), path.value if path else "/"
