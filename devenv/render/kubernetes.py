"""A project in its production shape as Kubernetes objects."""

from __future__ import annotations

import math
import re
import shlex
from typing import TYPE_CHECKING, Any

from devenv.render.compose import dumped
from devenv.render.exported import mark, mebibytes
from devenv.services import backend, mailcatcher, mysql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from devenv.model import Healthcheck, Mount, Project, Service

FILE = "kubernetes.yaml"
POD = "web"
"""The Deployment whose pods hold frontend and backend."""
GROUP = 10001
"""The group that owns the volumes: whatever user an image names, its containers belong to it too."""
SIZES = {mysql.VOLUME: "20Gi"}
SIZE = "1Gi"
NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""What a Service may be called; a database's alias with a dot is a name elsewhere."""
INSIDE = {backend.NAME: backend.PORT, mailcatcher.NAME: mailcatcher.SMTP_PORT, mysql.NAME: mysql.PORT}
"""The port at which others in the cluster reach a service."""


def render(project: Project, images: Mapping[str, str]) -> dict[str, str]:
    """The one file, with a document per object; each secret is a key of the Secret called like the project.

    A user's own services are left out: they are in Compose's words.
    """
    documents = [dumped(one) for one in _objects(project, images)]
    return {FILE: mark("kubernetes") + "---\n".join(documents)}


def secret_name(project: Project) -> str:
    """The Secret with the values; Kubernetes knows no `_` in names."""
    return project.name.replace("_", "-").rstrip("-")


def _objects(project: Project, images: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    services = [service for service in project.services if service.raw is None]
    pod = [service for service in services if service.pod is not None]
    yield from (_claim(project, volume.key) for volume in project.volumes)
    for service in services:
        if service.is_job:
            yield _job(project, service, images)
        elif service.pod is None:
            yield _workload(project, service.name, [service], images)
    if pod:
        yield _workload(project, POD, pod, images)
    for service in services:
        yield from _services(project, service)


def _named(kind: str, version: str, project: Project, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "labels": _labels(project, name)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _labels(project: Project, name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": project.name}


def _claim(project: Project, key: str) -> dict[str, Any]:
    """What is generated is written by the backend of every pod and by the workers, on whatever node."""
    users = [service for service in project.services if service.mount(key)]
    spec = {
        "accessModes": ["ReadWriteMany" if len(users) > 1 else "ReadWriteOnce"],
        "resources": {"requests": {"storage": SIZES.get(key, SIZE)}},
    }
    return _named("PersistentVolumeClaim", "v1", project, key, spec)


def _job(project: Project, service: Service, images: Mapping[str, str]) -> dict[str, Any]:
    spec = {"backoffLimit": 10, "template": _template(project, service.name, [service], images)}
    return _named("Job", "batch/v1", project, service.name, spec)


def _workload(
    project: Project, name: str, services: Sequence[Service], images: Mapping[str, str]
) -> dict[str, Any]:
    """A Deployment; a StatefulSet where the volume is its own, so that two never write into it at once."""
    spec = {
        "replicas": max(service.replicas for service in services),
        "selector": {"matchLabels": _labels(project, name)},
        "template": _template(project, name, services, images),
    }
    if any(service.name == mysql.NAME for service in services):
        return _named("StatefulSet", "apps/v1", project, name, {"serviceName": name, **spec})
    return _named("Deployment", "apps/v1", project, name, spec)


def _template(
    project: Project, name: str, services: Sequence[Service], images: Mapping[str, str]
) -> dict[str, Any]:
    grace = max(service.stop_grace_period for service in services)
    spec = {
        "restartPolicy": "OnFailure" if services[0].is_job else "Always",
        "terminationGracePeriodSeconds": math.ceil(grace),
        "securityContext": {"fsGroup": GROUP} if any(service.mounts for service in services) else None,
        "enableServiceLinks": False,
        "containers": [_container(project, service, images) for service in services],
        "volumes": [*_volumes(services)],
    }
    given = {key: value for key, value in spec.items() if value not in (None, [])}
    return {"metadata": {"labels": _labels(project, name)}, "spec": given}


def _volumes(services: Iterable[Service]) -> Iterator[dict[str, Any]]:
    claimed = dict.fromkeys(mount.source for service in services for mount in service.mounts)
    yield from ({"name": key, "persistentVolumeClaim": {"claimName": key}} for key in claimed)
    for service in services:
        for path in service.tmpfs:
            yield {"name": _scratch(service, path), "emptyDir": {"medium": "Memory"}}


def _scratch(service: Service, path: str) -> str:
    return service.name + path.replace("/", "-")


def _container(project: Project, service: Service, images: Mapping[str, str]) -> dict[str, Any]:
    command = service.command
    container = {
        "name": service.name,
        "image": images[service.image],
        "command": _literal(service.entrypoint),
        "args": _literal(shlex.split(command) if isinstance(command, str) else command),
        "env": [*_environment(project, service)],
        "ports": [{"containerPort": port.target} for port in service.ports],
        "resources": _resources(service),
        "securityContext": _security(service),
        **(_probes(service, service.healthcheck) if service.healthcheck else {}),
        "volumeMounts": [
            *map(_mount, service.mounts),
            *({"name": _scratch(service, path), "mountPath": path} for path in service.tmpfs),
        ],
    }
    return {key: value for key, value in container.items() if value not in (None, [], {})}


def _environment(project: Project, service: Service) -> Iterator[dict[str, Any]]:
    for name, value in service.environment.items():
        yield {"name": name, "value": _escaped(value)}
    for name in service.secrets:
        yield {"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name(project), "key": name}}}


def _mount(mount: Mount) -> dict[str, Any]:
    rendered: dict[str, Any] = {"name": mount.source, "mountPath": mount.target}
    return {**rendered, "readOnly": True} if mount.read_only else rendered


def _resources(service: Service) -> dict[str, Any]:
    limits = {
        "cpu": None if service.cpus is None else f"{service.cpus:g}",
        "memory": None if service.memory is None else mebibytes(service.memory, "Mi"),
    }
    given = {name: value for name, value in limits.items() if value is not None}
    return {"limits": given} if given else {}


def _security(service: Service) -> dict[str, Any]:
    user, _, group = (service.user or "").partition(":")
    ids = {"runAsUser": int(user)} if user.isdigit() else {}
    ids |= {"runAsGroup": int(group)} if group.isdigit() else {}
    read_only = {"readOnlyRootFilesystem": True} if service.read_only else {}
    return {**ids, **read_only, "allowPrivilegeEscalation": False}


def _probes(service: Service, healthcheck: Healthcheck) -> dict[str, Any]:
    """The health check as production's own: who serves is taken out of its Service while it fails.

    A worker has no Service to be taken out of: one that hangs is started again. A server that fails because
    its database does would be killed for nothing, and all of them at once.
    """
    kind, *words = healthcheck.test
    period = max(1, math.ceil(healthcheck.interval))
    probe = {
        "exec": {"command": ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else list(words)},
        "periodSeconds": period,
        "timeoutSeconds": max(1, math.ceil(healthcheck.timeout)),
        "failureThreshold": healthcheck.retries,
    }
    patience = max(healthcheck.retries, math.ceil(healthcheck.start_period / period))
    serves = service.pod is not None or service.name in INSIDE
    return {
        "startupProbe": {**probe, "failureThreshold": patience},
        "readinessProbe" if serves else "livenessProbe": probe,
    }


def _services(project: Project, service: Service) -> Iterator[dict[str, Any]]:
    """How it is reached: from outside by its published ports, from other pods by its name and aliases."""
    selector = _labels(project, POD if service.pod is not None else service.name)
    for port in service.ports:
        spec = {
            "type": "LoadBalancer",
            "selector": selector,
            "ports": [{"name": port.scheme or "tcp", "port": port.published, "targetPort": port.target}],
        }
        yield _named("Service", "v1", project, service.name, spec)
    inside = INSIDE.get(service.name)
    for name in filter(NAME.fullmatch, (service.name, *service.aliases)) if inside else ():
        yield _named("Service", "v1", project, name, {"selector": selector, "ports": [{"port": inside}]})


def _literal(words: Iterable[str] | None) -> list[str] | None:
    return None if words is None else [_escaped(word) for word in words]


def _escaped(text: str) -> str:
    """Kubernetes replaces `$(NAME)`, and takes `$$` for a `$`."""
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text
