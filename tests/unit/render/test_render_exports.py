"""The exports, byte for byte as in `tests/golden/export`, and what our readers find in them: the same model."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from devenv.model import Healthcheck
from devenv.operations.export import TARGETS
from tests import golden_files as golden
from tests.exported import ALL, exported, manifest_of, read_back, released

WHOLE: dict[str, Any] = {
    "database": {
        "root_password": "s3cret-of-root",
        "parameters": {"sql_mode": "STRICT_ALL_TABLES", "time_zone": "+00:00"},
        "aliases": ["database", "db"],
    },
    "backend": {
        "command": ["gunicorn", "--workers", "4"],
        "environment": {
            "PRICE": "5 $ or 5%",
            "TEMPLATE": "${NAME} $(ME) \"a\" 'b' \\n",
            "API_TOKEN": "t0ken",
        },
        "healthcheck": {"http": "/up", "interval": 5, "timeout": 9, "retries": 3, "start_period": "2m"},
    },
    "taskrunner": {"replicas": 3},
    "production": {
        "environment": {"MAIL_HOST": "smtp.example.com", "DB_HOST": "db.example.com"},
        "withheld": ["SECRET_KEY", "SIGNING"],
        "cpus": 0.5,
        "memory": "300MB",
    },
    "services": {"cache": {"image": "redis:7"}},
}
CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "reference": ((), {}),
    "whole": (ALL, WHOLE),
    "writable": ((), {"production": {"read_only": False, "migrate": None}}),
}
VERSIONS = ("1.25", "1.31", "1.37")
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=12)
WORDS = st.lists(TEXT.filter(bool), min_size=1, max_size=3)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, target: str) -> None:
    included, sections = CASES[case]
    files = exported(target, released(included, **sections))
    text = "".join(f"### {name}\n{text}" for name, text in files.items())
    golden.check(f"export/{case}.{target}.txt", text)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_reading_back_is_lossless(case: str, target: str) -> None:
    included, sections = CASES[case]
    project = released(included, **{**sections, "services": {}})
    assert read_back(target, project) == manifest_of(project)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=40)
@given(value=TEXT, words=WORDS)
def test_any_text_comes_back_as_it_was(target: str, value: str, words: list[str]) -> None:
    shop = released()
    probe = Healthcheck(("CMD-SHELL", shlex.join(words)))
    web = replace(
        shop.service("backend"),
        environment={"VALUE": value},
        entrypoint=(words[0],),
        command=tuple(words),
        healthcheck=probe,
        depends_on={},
    )
    project = replace(shop, services=(web, shop.service("frontend")))
    assert read_back(target, project) == manifest_of(project)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("included", [(), ALL])
def test_secrets_are_named_and_never_written(target: str, included: tuple[str, ...]) -> None:
    project = released(included, **WHOLE)
    texts = "".join(exported(target, project).values())
    for secret in ("s3cret-of-root", "t0ken", "toor"):
        assert secret not in texts
    for name in ("DB_PWD", "API_TOKEN", "SECRET_KEY", "SIGNING"):
        assert re.search(rf"\b{name}\b", texts), name
    assert ("MYSQL_ROOT_PASSWORD" in texts.replace("$MYSQL_ROOT_PASSWORD", "")) == bool(included)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_of_development_is_exported(target: str) -> None:
    texts = "".join(exported(target, released()).values())
    for word in (
        "/srv/shop",
        "RELOAD",
        "SITE_URL",
        "mailcatcher",
        "databasemaster",
        "127.0.0.1:",
        "1000:1000",
    ):
        assert word not in re.sub(r"http://127\.0\.0\.1:\d+/", "", texts), word


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_kubernetes_knows_every_object(case: str, version: str) -> None:
    included, sections = CASES[case]
    text = exported("kubernetes", released(included, **sections))["kubernetes.yaml"]
    documents = list(yaml.safe_load_all(text))
    kinds = {document["kind"] for document in documents}
    assert {"Deployment", "Service", "PersistentVolumeClaim"} <= kinds
    assert ("Job" in kinds) == (case != "writable")
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def test_a_pod_is_one_deployment_whose_containers_share_what_is_generated() -> None:
    text = exported("kubernetes", released())["kubernetes.yaml"]
    (web,) = (one for one in yaml.safe_load_all(text) if one["metadata"]["name"] == "web")
    containers = {one["name"]: one for one in web["spec"]["template"]["spec"]["containers"]}
    assert set(containers) == {"backend", "frontend"}
    mounts = {
        name: [mount for mount in one["volumeMounts"] if mount["name"] == "generated"]
        for name, one in containers.items()
    }
    path = "/opt/app/generated_content"
    assert mounts["backend"] == [{"name": "generated", "mountPath": path}]
    assert mounts["frontend"] == [{"name": "generated", "mountPath": path, "readOnly": True}]


def test_a_volume_that_several_nodes_write_into_is_claimed_so() -> None:
    text = exported("kubernetes", released(ALL))["kubernetes.yaml"]
    claims = {
        one["metadata"]["name"]: one["spec"]["accessModes"]
        for one in yaml.safe_load_all(text)
        if one["kind"] == "PersistentVolumeClaim"
    }
    assert claims == {"generated": ["ReadWriteMany"], "database": ["ReadWriteOnce"]}


def test_a_stack_has_one_pod_on_every_node_and_keeps_data_on_one() -> None:
    stack = yaml.safe_load(exported("swarm", released(ALL))["stack.yaml"])
    modes = {name: one["deploy"].get("mode", "replicated") for name, one in stack["services"].items()}
    assert modes == {
        "migrate": "replicated-job",
        "databasemaster": "replicated",
        "mailcatcher": "replicated",
        "backend": "global",
        "taskrunner": "replicated",
        "frontend": "global",
    }
    placed = {name for name, one in stack["services"].items() if "placement" in one["deploy"]}
    assert placed == {"databasemaster"}


def test_a_users_own_services_are_left_out_where_compose_is_not_spoken() -> None:
    project = released(services={"cache": {"image": "redis:7"}})
    found = {target: "redis:7" in "".join(exported(target, project).values()) for target in TARGETS}
    assert found == {"systemd": False, "swarm": True, "kubernetes": False, "compose": True}


def test_an_alias_that_no_kubernetes_service_can_have_is_left_out() -> None:
    text = exported("kubernetes", released(ALL, database={"aliases": ["database", "db.internal"]}))
    services = [one for one in yaml.safe_load_all(text["kubernetes.yaml"]) if one["kind"] == "Service"]
    names = {one["metadata"]["name"] for one in services}
    assert names == {"backend", "frontend", "databasemaster", "database", "mailcatcher"}


OWN = {
    "image": "shop/report:1",
    "depends_on": {"backend": {"condition": "service_healthy"}},
    "ports": [{"target": 80, "published": "8090"}, {"target": 81, "published": 8091, "host_ip": "10.0.0.1"}, "8092:82"],
}  # fmt: skip


def test_an_own_service_is_in_words_that_a_stack_knows() -> None:
    """Version 3 has `depends_on` as list, which Swarm ignores, numbers as ports, and no address to publish at."""
    project = released(services={"report": OWN})
    service = yaml.safe_load(exported("swarm", project)["stack.yaml"])["services"]["report"]
    assert service == {
        "image": "shop/report:1",
        "ports": [{"target": 80, "published": 8090}, {"target": 81, "published": 8091}, "127.0.0.1:8092:82"],
    }
    service = yaml.safe_load(exported("compose", project)["compose.yaml"])["services"]["report"]
    assert service["depends_on"] == OWN["depends_on"]
    assert [port["host_ip"] for port in service["ports"][:2]] == ["127.0.0.1", "10.0.0.1"]
