"""A project in its production shape as stack file for `docker stack deploy`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devenv.render.compose import MARK, dumped, escaped
from devenv.render.exported import mark
from devenv.render.production_compose import container, deploy, port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.model import Project, Service, Volume

FILE = "stack.yaml"
VERSION = "3.8"
"""The oldest version of the format that knows all that is used: clients that want one read it."""
MANAGERS = "node.role == manager"


@dataclass(frozen=True)
class Site:
    """Where a stack runs: on which nodes data stay, how ports are published, and what marks it as whose.

    Volumes in `given` are there before.
    """

    data: str = MANAGERS
    mode: str = "ingress"
    labels: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()


def render(project: Project, images: Mapping[str, str]) -> dict[str, str]:
    """The one file. A secret stands there by its name alone: its value is in the environment of who deploys.

    Swarm's own secrets are files, which the application would have to read: it knows variables only.
    """
    return {FILE: mark("swarm") + dumped(_document(project, images, Site()))}


def render_environment(project: Project, images: Mapping[str, str], site: Site) -> str:
    """The stack of an environment; its network has a name of its own, beside that of the seed's commands."""
    document = _document(project, images, site)
    document["networks"]["default"]["name"] = f"{project.name}_swarm"
    return MARK + dumped(document)


def _document(project: Project, images: Mapping[str, str], site: Site) -> dict[str, Any]:
    document = {
        "version": VERSION,
        "services": {service.name: _service(project, service, images, site) for service in project.services},
        "networks": {"default": {"driver": "overlay", "attachable": True}},
        "volumes": {volume.key: _volume(volume, site) for volume in project.volumes},
    }
    return {key: value for key, value in document.items() if value}


def _volume(volume: Volume, site: Site) -> dict[str, Any]:
    if volume.key in site.given:
        return {"name": volume.name, "external": True}
    return {"name": volume.name, **({"labels": escaped(dict(volume.labels))} if volume.labels else {})}


def _service(project: Project, service: Service, images: Mapping[str, str], site: Site) -> dict[str, Any]:
    if service.raw is not None:
        return _own(service.raw)
    definition = container(service, images)
    memory = [{"type": "tmpfs", "target": path} for path in service.tmpfs]
    labels = {"labels": escaped(dict(site.labels))} if site.labels else {}
    definition["volumes"] = [*definition.get("volumes", []), *memory]
    definition["ports"] = [{**port(one), "mode": site.mode} for one in service.ports]
    definition["deploy"] = {
        **_placed(project, service, site),
        **deploy(service),
        **_restarted(service),
        **labels,
    }
    return {key: value for key, value in (definition | labels).items() if value not in (None, {}, [])}


def _own(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A user's own service, without the words of Compose that version 3 refuses and Swarm has no use for.

    It waits for nothing, and publishes on every node's every address, by numbers.
    """
    definition = {key: value for key, value in raw.items() if key != "depends_on"}
    if isinstance(raw.get("ports"), list):
        definition["ports"] = [_own_port(one) for one in raw["ports"]]
    return definition


def _own_port(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    rest = {key: value for key, value in given.items() if key != "host_ip"}
    published = str(rest.get("published", ""))
    return {**rest, "published": int(published)} if published.isdecimal() else rest


def _placed(project: Project, service: Service, site: Site) -> dict[str, Any]:
    """Where its tasks run, and how others find them.

    A pod is whole on every node: what its backend generates is in a volume of that node, where its frontend
    finds it. Data stay on one node. Others are found by the addresses of their tasks, which Nginx asks for
    anew all the time: a virtual address would only stand between.
    """
    if service.is_job:
        return {"mode": "replicated-job"}
    found = {} if service.ports and site.mode == "ingress" else {"endpoint_mode": "dnsrr"}
    if service.pod is not None:
        return {"mode": "global", **found}
    shared = {mount.source for one in project.services if one.pod is not None for mount in one.mounts}
    if any(mount.source not in shared for mount in service.mounts):
        return {**found, "placement": {"constraints": [site.data]}}
    return found


def _restarted(service: Service) -> dict[str, Any]:
    condition = {"always": "any", "on-failure": "on-failure"}.get(service.restart or "")
    return {"restart_policy": {"condition": condition}} if condition else {}
