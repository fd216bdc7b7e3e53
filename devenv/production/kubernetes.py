"""Read Kubernetes manifests, several documents in several files: what runs in pods, and what they are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.production.kubernetes_pod import Pod, Surroundings
from devenv.production.manifest import Manifest, Port, Said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.production.node import Node

_WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "Pod"}
"""A Job ends by itself, as a migration does: it is no service."""
_READ = _WORKLOADS | {"Service", "ConfigMap", "Secret"}


@dataclass(frozen=True)
class KubernetesService:
    """A Service: the pods that `selector` chooses are reachable under its name."""

    name: str
    selector: frozenset[tuple[str, str]]
    node: Node

    def aliases(self, labels: frozenset[tuple[str, str]]) -> list[Said[str]]:
        """Its name, where it leads to pods with these labels."""
        return [Said(self.name, self.node.at)] if self.selector and self.selector <= labels else []

    def published(self, labels: frozenset[tuple[str, str]]) -> list[tuple[str, Port]]:
        """What is reachable from outside the cluster: the name or number of the pod's port, and ours."""
        spec = self.node.get("spec")
        kind = spec.text_of("type") if spec else None
        if spec is None or kind is None or kind.value not in {"NodePort", "LoadBalancer"}:
            return []
        found = []
        for item in spec.list_of("ports") if self.aliases(labels) else ():
            port, node_port = item.required_whole("port"), item.whole_of("nodePort")
            target = item.text_of("targetPort")
            if port is None:
                continue
            outside = node_port if kind.value == "NodePort" else port
            number = outside.value if outside else None
            protocol = item.text_of("protocol")
            found.append(
                (
                    target.value if target else str(port.value),
                    Port(port.value, item.at, number, None, protocol.value.lower() if protocol else "tcp"),
                )
            )
        return found


@dataclass
class _Cluster:
    workloads: list[Node] = field(default_factory=list)
    services: list[KubernetesService] = field(default_factory=list)
    config_maps: dict[str, Node] = field(default_factory=dict)
    secrets: dict[str, Node] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)
    """Those in which something was read, in their order."""


def is_kubernetes(document: Node) -> bool:
    """Whether a document is an object of Kubernetes."""
    return isinstance(document.raw, dict) and {"apiVersion", "kind"} <= document.raw.keys()


def read_kubernetes(documents: Iterable[Node]) -> Manifest:
    """One service per container; a container alone in its pod is called after the workload.

    Its sources are the files that hold something which is read: of others there is nothing to compare.
    """
    cluster = _Cluster()
    for document in documents:
        _sort_in(document, cluster)
    surroundings = Surroundings(cluster.config_maps, cluster.secrets)
    services = [
        service
        for workload in cluster.workloads
        for service in Pod(workload, surroundings, cluster.services).services()
    ]
    return Manifest(services=tuple(services), sources=tuple(cluster.files))


def _sort_in(document: Node, cluster: _Cluster) -> None:
    kind = document.text_of("kind")
    if kind is None:
        return
    if kind.value == "List":
        for item in document.list_of("items"):
            _sort_in(item, cluster)
        return
    # Not even a name is asked of other kinds: a Kustomization has none, a Job may leave it to the cluster.
    if kind.value not in _READ:
        return
    cluster.files[document.at.file] = None
    metadata = document.get("metadata")
    name = metadata.text_of("name") if metadata else None
    if name is None:
        document.note(f"expected metadata.name in this {kind.value}")
    elif kind.value in _WORKLOADS:
        cluster.workloads.append(document)
    elif kind.value == "Service":
        spec = document.get("spec")
        selector = pairs(spec.map_of("selector")) if spec else frozenset()
        cluster.services.append(KubernetesService(name.value, selector, document))
    elif kind.value == "ConfigMap":
        cluster.config_maps[name.value] = document
    elif kind.value == "Secret":
        cluster.secrets[name.value] = document


def pairs(nodes: dict[str, Node]) -> frozenset[tuple[str, str]]:
    """Labels as they are compared with a selector."""
    return frozenset((name, node.text() or "") for name, node in nodes.items())
