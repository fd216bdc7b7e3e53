"""Compose files in both forms, Swarm stacks, and where a value is only a reference."""

from __future__ import annotations

import re

import pytest

from devenv.errors import ConfigError
from devenv.production.combine import read_manifest
from devenv.production.manifest import MountKind
from tests.unit.production.texts import environment, problems, read


def test_short_and_long_forms_say_the_same() -> None:
    short, long = read("""\
        services:
          short:
            image: a/b:1
            command: serve --name "two words"
            ports: ["127.0.0.1:8000:80/udp", "9000"]
            volumes: ["data:/data:ro", "./src:/src", "/anonymous/"]
            environment: [A=1, B]
            labels: [devenv.service=backend]
            mem_limit: 1g
            cpus: 0.5
            scale: 2
            healthcheck: {test: curl localhost, interval: 1m30s}
          long:
            image: a/b:1
            command: [serve, --name, two words]
            ports:
              - {target: 80, published: "8000", host_ip: 127.0.0.1, protocol: udp}
              - {target: 9000}
            volumes:
              - {type: volume, source: data, target: /data, read_only: true}
              - {type: bind, source: ./src, target: /src}
              - {type: volume, target: /anonymous}
            environment: {A: 1, B: }
            labels: {devenv.service: backend}
            deploy: {replicas: 2, resources: {limits: {memory: 1024M, cpus: "0.50"}}}
            healthcheck: {test: [CMD-SHELL, curl localhost], interval: 90s}
        """).services
    assert short.role == long.role == "backend"
    assert [(p.target, p.published, p.address, p.protocol) for p in short.ports] == [
        (p.target, p.published, p.address, p.protocol) for p in long.ports
    ]
    assert [(m.target, m.kind, m.source, m.read_only) for m in short.mounts] == [
        (m.target, m.kind, m.source, m.read_only) for m in long.mounts
    ]
    assert environment(short) == environment(long) == {"A": "1", "B": None}
    for one in (short, long):
        assert one.command
        assert one.command.value == ("serve", "--name", "two words")
        assert one.limits.memory
        assert one.limits.cpus
        assert (one.limits.memory.value, one.limits.cpus.value) == (2**30, 0.5)
        assert one.replicas
        assert one.replicas.value == 2
        assert one.healthcheck
        assert (one.healthcheck.test, one.healthcheck.interval) == (("CMD-SHELL", "curl localhost"), 90)
        assert not one.is_linked_only


def test_a_reference_without_a_default_leaves_the_value_unknown() -> None:
    (service,) = read("""\
        services:
          backend:
            image: shop/backend:${TAG:-7}
            user: ${USER}
            environment: {DB_PWD: "${DB_PWD}", PRICE: "5$$", HOST: "${HOST:-db}"}
            ports: ["${PORT:-80}:80", "${OTHER}:81"]
        """).services
    assert service.image
    assert service.image.value == "shop/backend:7"
    assert service.user is None
    assert environment(service) == {"DB_PWD": None, "PRICE": "5$", "HOST": "db"}
    assert [port.published for port in service.ports] == [80]


REFERENCES = """\
services:
  database:
    image: mysql:8.4
    volumes:
      - ${DATA_DIR:-./data}:/var/lib/mysql:${MODE-ro}
      - {type: "${KIND:-bind}", source: "${SOURCE:-./seed}", target: "${TARGET:-/seed}", read_only: "${RO:-true}"}
    ports: [{target: "${INSIDE:-3306}", published: "${OUTSIDE:-3307}", host_ip: "${IP:-127.0.0.1}"}]
    tmpfs: ["${SCRATCH:-/run}"]
    deploy: {replicas: "${REPLICAS:-2}", resources: {limits: {cpus: "${CPUS:-0.5}"}}}
    mem_limit: ${MEMORY:-512m}
    healthcheck: {test: ping, disable: "${NO_PROBE:-false}", interval: "${INTERVAL:-10s}", retries: "${RETRIES:-3}"}
    restart: ${RESTART:-always}
    read_only: ${RO:-true}
"""


def test_a_reference_anywhere_has_its_default() -> None:
    (service,) = read(REFERENCES).services
    assert [(one.source, one.target, one.kind, one.read_only) for one in service.mounts] == [
        ("./data", "/var/lib/mysql", MountKind.BIND, True),
        ("./seed", "/seed", MountKind.BIND, True),
        (None, "/run", MountKind.MEMORY, False),
    ]
    assert [(one.target, one.published, one.address) for one in service.ports] == [(3306, 3307, "127.0.0.1")]
    assert service.healthcheck
    assert (service.healthcheck.test, service.healthcheck.interval, service.healthcheck.retries) == (
        ("CMD-SHELL", "ping"),
        10,
        3,
    )
    said = (service.replicas, service.limits.memory, service.limits.cpus, service.restart, service.read_only)
    assert [one and one.value for one in said] == [2, 2**29, 0.5, "always", True]


def test_a_reference_without_a_default_says_nothing_anywhere() -> None:
    (service,) = read(re.sub(r"\$\{(\w+):?-[^}]*\}", r"${\1}", REFERENCES)).services
    assert [(one.source, one.target, one.read_only) for one in service.mounts] == [
        ("${DATA_DIR}", "/var/lib/mysql", False)
    ]
    assert service.ports == ()
    assert service.healthcheck
    assert (service.healthcheck.interval, service.healthcheck.retries) == (None, None)
    said = (service.replicas, service.limits.memory, service.limits.cpus, service.restart, service.read_only)
    assert said == (None,) * 5


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ("${DATA:?name a folder}/mysql:/var/lib/mysql", [("${DATA}/mysql", "/var/lib/mysql", MountKind.BIND)]),
        ("$DATA:/var/lib/mysql", [("$DATA", "/var/lib/mysql", MountKind.VOLUME)]),
        ("$$data:/var/lib/mysql", [("$data", "/var/lib/mysql", MountKind.VOLUME)]),
        ("data:${TARGET}", []),
        ("${VOLUME}", []),
    ],
)  # fmt: skip
def test_a_volume_keeps_what_is_known_of_it(volume: str, expected: list[tuple[str, str, MountKind]]) -> None:
    (service,) = read(f"services: {{a: {{image: b, volumes: ['{volume}']}}}}").services
    assert [(one.source, one.target, one.kind) for one in service.mounts] == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("shop:${TAG:-${VERSION:-7}}", "shop:7"),
        ("shop:${TAG:-v${VERSION:-7}-$${X}}", "shop:v7-${X}"),
        ("shop:${TAG:-$VERSION}", None),
        ("shop:${TAG:-${VERSION}}", None),
        ("shop:${TAG:?${VERSION:-7}}", None),
        ("${REGISTRY-}shop:${TAG:-7}", "shop:7"),
    ],
)  # fmt: skip
def test_a_default_may_hold_references(image: str, expected: str | None) -> None:
    (service,) = read(
        f"services: {{a: {{image: '{image}', volumes: ['${{A:-${{B:-./a}}}}:/a', '${{A:-$B}}:/b']}}}}"
    ).services
    assert (service.image and service.image.value) == expected
    assert [(one.source, one.target) for one in service.mounts] == [("./a", "/a"), ("${A}", "/b")]


def test_a_default_that_is_no_such_value_has_its_place() -> None:
    assert problems("services: {a: {image: b, scale: '${SCALE:-two}', mem_limit: '${MEMORY:-}'}}") == [
        'production.yaml:1:33: services.a.scale: expected a whole number, got "two"'
    ]


def test_what_a_stack_holds_is_mounted_as_a_file() -> None:
    (service,) = read("""\
        version: "3.9"
        services:
          frontend:
            image: shop/frontend:1
            configs: [{source: nginx, target: /etc/nginx/nginx.conf}]
            secrets: [certificate]
            tmpfs: [/run]
            deploy: {restart_policy: {condition: any}}
            networks: {default: {aliases: [www]}}
        """).services
    assert [(one.kind, one.target) for one in service.mounts] == [
        (MountKind.MEMORY, "/run"),
        (MountKind.FILE, "/etc/nginx/nginx.conf"),
        (MountKind.FILE, "/run/secrets/certificate"),
    ]
    assert service.restart
    assert service.restart.value == "always"
    assert [said.value for said in service.aliases] == ["www"]


def test_merged_mappings_and_an_env_file_beside_it() -> None:
    text = """\
        x-common: &common {A: 1, B: 2}
        services:
          backend:
            image: b
            env_file: [config/app.env, {path: secret.env}]
            environment: {<<: *common, B: 3}
        """
    (service,) = read(text, "deploy/production.yaml", **{"deploy/app.env": "C=4\nB=0\n"}).services
    assert environment(service) == {"C": "4", "A": "1", "B": "3"}
    assert [said.value for said in service.env_files] == ["secret.env"]


def test_an_env_file_is_read_as_compose_reads_it() -> None:
    text = "services: {backend: {image: b, env_file: app.env}}"
    file = "# c\r\nA=\"x y\" # why\r\n\r\n  export B='5$ #'\r\nC=z # why\r\nD\r\n?\r\nE=\r\n"
    (service,) = read(text, **{"app.env": file}).services
    assert environment(service) == {"A": "x y", "B": "5$ #", "C": "z", "D": None, "E": ""}
    assert [str(variable.at) for variable in service.environment] == [
        "app.env:2:1",
        "app.env:4:10",
        "app.env:5:1",
        "app.env:6:1",
        "app.env:8:1",
    ]


def test_an_env_file_in_raw_form_is_taken_literally() -> None:
    text = "services: {backend: {image: b, env_file: [{path: app.env, format: raw}, {path: none.env}]}}"
    (service,) = read(text, **{"app.env": "A='x' # y\n"}).services
    assert environment(service) == {"A": "'x' # y"}
    assert [said.value for said in service.env_files] == ["none.env"]


def test_a_disabled_check_is_none() -> None:
    (service,) = read("services: {a: {image: b, healthcheck: {disable: true}}}").services
    assert service.healthcheck
    assert service.healthcheck.test == ("NONE",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("services:\n  a: {image: b, ports: [x:y]}\n",
         ['production.yaml:2:25: services.a.ports[0]: expected [ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL], such as 8000:8000, got "x:y"']),
        ("services:\n  a: {image: b, volumes: [data], mem_limit: much, scale: two}\n",
         ['production.yaml:2:27: services.a.volumes[0]: expected [SOURCE:]/TARGET[:OPTIONS], got "data"',
          'production.yaml:2:45: services.a.mem_limit: expected a size such as 512m, got "much"',
          'production.yaml:2:58: services.a.scale: expected a whole number, got "two"']),
        ("services:\n  a: [image]\n", ["production.yaml:2:6: services.a: expected a mapping, got a list"]),
        ("services:\n  a:\n    image: b\n   c: d\n", ["production.yaml:4:4: not valid YAML: expected <block end>, but found '<block mapping start>' while parsing a block mapping"]),
        ("services: {a: {image: b, command: 'x \"y'}}\n", ["production.yaml:1:35: services.a.command: expected a command whose quotes are closed"]),
        ("services: {a: {image: [b], environment: 7}}\n", ["production.yaml:1:23: services.a.image: expected text, got a list",
                                                          "production.yaml:1:41: services.a.environment: expected a mapping, got 7"]),
        ("services: {a: {image: b, volumes: [{type: bind}], ports: [{published: 1}], healthcheck: {interval: soon}}}\n",
         ["production.yaml:1:36: services.a.volumes[0]: expected a target", "production.yaml:1:59: services.a.ports[0]: expected a target",
          'production.yaml:1:100: services.a.healthcheck.interval: expected a duration such as 10s, got "soon"']),
    ],
)  # fmt: skip
def test_what_is_malformed_has_its_place_and_all_of_it_is_named(text: str, expected: list[str]) -> None:
    assert problems(text) == expected


def test_a_secret_that_is_malformed_is_not_shown() -> None:
    assert problems("services: {a: {image: b, environment: {DB_PWD: [s3cret]}}}") == [
        "production.yaml:1:48: services.a.environment.DB_PWD: expected text, got a list"
    ]


def test_two_files_with_the_same_service_are_one_too_many() -> None:
    assert problems_of_two() == [
        "two.yaml:1:12: a: expected every service once, got a again (first in one.yaml:1:12)"
    ]


def problems_of_two() -> list[str]:
    text = "services: {a: {image: b}}"
    with pytest.raises(ConfigError) as caught:
        read_manifest({"one.yaml": text, "two.yaml": text}, "deploy")
    return [str(problem) for problem in caught.value.problems]
