"""Kubernetes manifests: several documents in several files, and what they give to each other."""

from __future__ import annotations

from textwrap import dedent

import pytest

from devenv.production.combine import read_manifest
from devenv.production.manifest import MountKind
from tests.unit.production.texts import environment, problems, read

SHOP = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: backend, annotations: {devenv.service: backend}}
spec:
  replicas: 3
  selector: {matchLabels: {app: backend}}
  template:
    metadata: {labels: {app: backend, tier: web}}
    spec:
      securityContext: {runAsUser: 10001}
      initContainers: [{name: migrate, image: shop/backend:1}]
      containers:
        - name: django
          image: shop/backend:1
          command: [entrypoint]
          args: [web]
          ports: [{containerPort: 8000, name: http}]
          envFrom:
            - configMapRef: {name: settings}
            - secretRef: {name: passwords}
            - secretRef: {name: elsewhere}
          env:
            - {name: DB_HOST, value: database}
            - {name: DB_PWD, valueFrom: {secretKeyRef: {name: passwords, key: DB_PWD}}}
            - {name: LANGUAGE, valueFrom: {configMapKeyRef: {name: settings, key: LANGUAGE}}}
          resources: {limits: {memory: 512Mi, cpu: 500m}}
          readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 5, failureThreshold: 3}
          securityContext: {readOnlyRootFilesystem: true}
          volumeMounts:
            - {name: generated, mountPath: /opt/app/generated_content}
            - {name: settings, mountPath: /etc/app, readOnly: true}
            - {name: scratch, mountPath: /tmp}
            - {name: host, mountPath: /srv}
      volumes:
        - {name: generated, persistentVolumeClaim: {claimName: generated}}
        - {name: settings, configMap: {name: settings}}
        - {name: scratch, emptyDir: {medium: Memory}}
        - {name: host, hostPath: {path: /srv/shop}}
---
apiVersion: v1
kind: Service
metadata: {name: database-of-web}
spec: {type: LoadBalancer, selector: {app: backend}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: inside}
spec: {selector: {app: backend}, ports: [{port: 8000}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LANGUAGE: sv, DEBUG: "0"}
---
apiVersion: v1
kind: Secret
metadata: {name: passwords}
data: {DB_PWD: czNjcmV0}
stringData: {API_TOKEN: never-shown}
"""


WRONG_POD = (
    "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: b, ports: [{containerPort: http}], "
    "resources: {limits: {memory: lots}}, readinessProbe: {httpGet: {port: web}}}]}}"
)


def test_a_deployment_with_all_that_is_around_it() -> None:
    (service,) = read(SHOP).services
    assert (service.name, service.role) == ("backend", "backend")
    assert service.replicas
    assert service.replicas.value == 3
    assert service.entrypoint
    assert service.command
    assert (service.entrypoint.value, service.command.value) == (("entrypoint",), ("web",))
    assert service.user
    assert service.user.value == "10001"
    assert environment(service) == {
        "LANGUAGE": "sv",
        "DEBUG": "0",
        "DB_PWD": None,
        "API_TOKEN": None,
        "DB_HOST": "database",
    }
    assert [said.value for said in service.env_files] == ["elsewhere"]
    assert "never-shown" not in repr(service)
    assert [(one.target, one.published) for one in service.ports] == [(8000, 80)]
    assert [said.value for said in service.aliases] == ["database-of-web", "inside"]
    assert [(one.kind, one.source, one.target, one.read_only) for one in service.mounts] == [
        (MountKind.VOLUME, "generated", "/opt/app/generated_content", False),
        (MountKind.FILE, "settings", "/etc/app", True),
        (MountKind.MEMORY, "scratch", "/tmp", False),
        (MountKind.BIND, "/srv/shop", "/srv", False),
    ]
    assert service.limits.memory
    assert service.limits.cpus
    assert (service.limits.memory.value, service.limits.cpus.value) == (512 * 2**20, 0.5)
    assert service.healthcheck
    assert (service.healthcheck.http, service.healthcheck.interval, service.healthcheck.retries) == (
        (8000, "/health"),
        5,
        3,
    )
    assert service.read_only
    assert service.read_only.value is True


def test_containers_of_one_pod_are_services_of_their_own() -> None:
    text = """\
        apiVersion: apps/v1
        kind: StatefulSet
        metadata:
          name: pod
          labels: {devenv.service/nginx: frontend}
        spec:
          template:
            spec:
              containers: [{name: nginx, image: n}, {name: django, image: d}]
        """
    services = read(text).services
    assert [(one.name, one.role) for one in services] == [("nginx", "frontend"), ("django", None)]


def workload(name: str, *containers: str) -> str:
    listed = ", ".join(f"{{name: {one}, image: b}}" for one in containers)
    return dedent(f"""\
        apiVersion: apps/v1
        kind: Deployment
        metadata: {{name: {name}}}
        spec: {{template: {{spec: {{containers: [{listed}]}}}}}}
        """)


def test_a_name_in_several_pods_is_told_apart_by_the_workload() -> None:
    texts = {
        "proxy.yaml": workload("proxy", "envoy"),
        "web.yaml": workload("web", "app", "proxy", "nginx"),
        "worker.yaml": workload("worker", "app", "proxy"),
    }
    services = read_manifest(texts, "deploy").services
    assert [one.name for one in services] == [
        "proxy", "web/app", "web/proxy", "nginx", "worker/app", "worker/proxy",
    ]  # fmt: skip


def test_the_same_workload_twice_is_one_too_many() -> None:
    text = workload("web", "app", "proxy")
    assert problems(f"{text}---\n{text}") == [
        "production.yaml:9:39: web/app: expected every service once, got web/app again (first in production.yaml:4:39)",
        "production.yaml:9:62: web/proxy: expected every service once, got web/proxy again (first in production.yaml:4:62)",
    ]


def test_containers_share_a_claim_across_pods_and_a_folder_within_one() -> None:
    pod = """\
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: NAME}
        spec:
          template:
            spec:
              containers:
                - {name: a, image: b, volumeMounts: [{name: files, mountPath: /files}, {name: own, mountPath: /own}]}
                - {name: b, image: b, volumeMounts: [{name: own, mountPath: /own}]}
              volumes: [{name: files, persistentVolumeClaim: {claimName: shared}}, {name: own, emptyDir: {}}]
        """
    text = dedent(pod)
    services = read(
        text.replace("NAME", "one")
        + "---\n"
        + text.replace("NAME", "two").replace("name: a,", "name: c,").replace("name: b,", "name: d,")
    ).services
    assert {one.name: [mount.source for mount in one.mounts] for one in services} == {
        "a": ["shared", "one/own"], "b": ["one/own"], "c": ["shared", "two/own"], "d": ["two/own"],
    }  # fmt: skip


def test_a_cron_job_says_when_it_runs_and_a_job_is_no_service() -> None:
    text = """\
        apiVersion: v1
        kind: List
        items:
          - apiVersion: batch/v1
            kind: CronJob
            metadata: {name: nightly}
            spec:
              schedule: "0 3 * * *"
              jobTemplate: {spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: a, image: b}]}}}}
          - apiVersion: batch/v1
            kind: Job
            metadata: {name: migrate}
            spec: {template: {spec: {containers: [{name: a, image: b}]}}}
        """
    (service,) = read(text).services
    assert service.schedule
    assert service.restart
    assert (service.name, service.schedule.value, service.restart.value) == (
        "nightly",
        "0 3 * * *",
        "on-failure",
    )


def test_a_node_port_and_a_host_port_are_published() -> None:
    text = """\
        apiVersion: v1
        kind: Pod
        metadata: {name: frontend, labels: {app: web}}
        spec: {containers: [{name: nginx, image: n, ports: [{containerPort: 80}, {containerPort: 443, hostPort: 8443}]}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
        """
    (service,) = read(text).services
    assert [(port.target, port.published) for port in service.ports] == [(80, 30080), (443, 8443)]


FOREIGN = {
    "kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [web.yaml]\n",
    "kind.yaml": "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: control-plane}]\n",
    "kubeconfig.yaml": "apiVersion: v1\nkind: Config\nclusters: []\n",
    "migrate.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: migrate-}\nspec: {template: {spec: {}}}\n",
    "list.yaml": "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Namespace, metadata: {name: shop}}]\n",
    "stack.yaml": "AWSTemplateFormatVersion: 2010-09-09\nParameters: {Size: {Type: String}}\nResources: {Zone: !Ref Size}\n",
    "stack.json": '{"Parameters": {"Size": {"Type": "String"}}, "Resources": {}}',
}
"""Files that stand beside manifests, and of which there is nothing to compare."""


@pytest.mark.parametrize("file", FOREIGN)
def test_what_is_beside_the_manifests_is_skipped(file: str) -> None:
    found = read_manifest({"shop.yaml": SHOP, file: FOREIGN[file]}, "deploy")
    assert [one.name for one in found.services] == ["backend"]
    assert (found.sources, found.skipped) == (("shop.yaml",), (file,))


@pytest.mark.parametrize("kind", ["Deployment", "CronJob", "Service", "ConfigMap", "Secret"])
def test_what_is_read_has_to_have_a_name(kind: str) -> None:
    expected = [f"production.yaml:1:1: expected metadata.name in this {kind}"]
    assert problems(f"{{apiVersion: v1, kind: {kind}, metadata: {{generateName: a-}}}}") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{apiVersion: v1, kind: Pod, metadata: {}, spec: {}}", ["production.yaml:1:1: expected metadata.name in this Pod"]),
        ("{apiVersion: v1, kind: Pod, metadata: {name: a}}", ["production.yaml:1:1: expected spec.template.spec with containers"]),
        ("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}", ["production.yaml:1:56: spec: expected at least one container"]),
        (WRONG_POD,
         ['production.yaml:1:114: spec.containers[0].ports[0].containerPort: expected a whole number, got "http"',
          'production.yaml:1:151: spec.containers[0].resources.limits.memory: expected a quantity such as 512Mi, got "lots"',
          "production.yaml:1:185: spec.containers[0].readinessProbe.httpGet: expected a port or the name of one of the container's, got \"web\""]),
    ],
)  # fmt: skip
def test_what_is_malformed_has_its_place(text: str, expected: list[str]) -> None:
    assert problems(text) == expected
