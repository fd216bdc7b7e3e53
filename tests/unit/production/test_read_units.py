"""systemd units that run `docker run`, in the forms that people write them in."""

from __future__ import annotations

import pytest

from devenv.production.combine import FORMS
from devenv.production.manifest import Limits, Link, MountKind, Port
from tests.unit.production.texts import environment, problems, read, unit

SEED = """\
# systemd config
[Service]
ExecStart=/usr/bin/docker run --name frontend \\
--link backend:backend \\
--volumes-from backend \\
-p 80:80 \\
qwaya/app-frontend:latest
"""


def test_the_unit_of_the_post() -> None:
    (service,) = read(SEED, "frontend.service").services
    assert (service.name, service.image and service.image.value) == ("frontend", "qwaya/app-frontend:latest")
    assert [(link.service, link.alias) for link in service.links] == [("backend", "backend")]
    assert [said.value for said in service.volumes_from] == ["backend"]
    assert [(port.target, port.published) for port in service.ports] == [(80, 80)]
    assert service.is_linked_only
    assert service.image
    assert str(service.image.at) == "frontend.service:7:1"
    assert str(service.ports[0].at) == "frontend.service:6:4"


@pytest.mark.parametrize(
    "start",
    [
        "/usr/bin/docker run img", "-/usr/bin/docker run img", "@/usr/bin/docker docker run img", "docker run img",
        "/usr/bin/env docker run img", "/usr/bin/docker -H unix:///run/docker.sock run img", "/usr/bin/docker container run img",
        "/bin/sh -c 'exec docker run img'", '/bin/bash -c "docker run img"', "+!/usr/bin/docker run --rm -it img",
    ],
)  # fmt: skip
def test_ways_to_start_a_container(start: str) -> None:
    (service,) = read(f"[Service]\nExecStart={start}\n", "backend.service").services
    assert (service.name, service.image and service.image.value) == ("backend", "img")


def test_all_options_that_count() -> None:
    service = unit(
        "-dit --rm --name=backend -p 127.0.0.1:8000:8000 -p 53:53/udp -p 9000-9001:9000-9001 -eDB_HOST=db -e 'A=b c' --env X=1 "
        "-v data:/data -v /srv/x:/x:ro,z -v /anonymous --mount type=bind,source=/a,target=/b,readonly --tmpfs /tmp:size=1m "
        "--user 1000:1000 -m 1g --cpus .5 --restart=always --read-only --network=shop --network-alias app -l devenv.service=backend "
        "--health-cmd 'curl -f localhost' --health-interval=10s --health-retries 3 --entrypoint /start img:1 serve --fast"
    )
    assert service.role == "backend"
    assert [(one.target, one.published, one.address, one.protocol) for one in service.ports] == [
        (8000, 8000, "127.0.0.1", "tcp"), (53, 53, None, "udp"), (9000, 9000, None, "tcp"), (9001, 9001, None, "tcp"),
    ]  # fmt: skip
    assert environment(service) == {"DB_HOST": "db", "A": "b c", "X": "1"}
    assert [(one.kind, one.source, one.target, one.read_only) for one in service.mounts] == [
        (MountKind.VOLUME, "data", "/data", False), (MountKind.BIND, "/srv/x", "/x", True), (MountKind.VOLUME, None, "/anonymous", False),
        (MountKind.BIND, "/a", "/b", True), (MountKind.MEMORY, None, "/tmp", False),
    ]  # fmt: skip
    assert service.limits.memory
    assert service.limits.cpus
    assert (service.limits.memory.value, service.limits.cpus.value) == (2**30, 0.5)
    assert service.healthcheck
    assert (service.healthcheck.test, service.healthcheck.interval, service.healthcheck.retries) == (
        ("CMD-SHELL", "curl -f localhost"),
        10,
        3,
    )
    assert service.command
    assert service.entrypoint
    assert (service.entrypoint.value, service.command.value) == (("/start",), ("serve", "--fast"))
    assert not service.is_linked_only
    assert [said.value for said in service.aliases] == ["app"]


def test_comments_and_blank_lines_between_continued_lines_are_left_out() -> None:
    service = unit("\\\n  # the port\n  -p 80:80 \\\n  ; and the image\n  img")
    assert service.ports == (Port(80, service.ports[0].at, 80),)


def test_variables_and_specifiers_of_the_unit_are_replaced() -> None:
    text = """\
    [Service]
    Environment=TAG=7 "WORDS=a b"
    EnvironmentFile=/etc/shop/tags.env
    ExecStart=/usr/bin/docker run --name %n -e WORDS -e OTHER --label unit=%p $REGISTRY/app:${TAG}
    Restart=on-failure
    """
    (service,) = read(text, "backend.service", **{"tags.env": "REGISTRY=r.example.com\n"}).services
    assert service.name == "backend"
    assert service.image
    assert service.image.value == "$REGISTRY/app:7", "systemd replaces $NAME only where it is a whole word"
    assert environment(service) == {"WORDS": "a b", "OTHER": None}
    assert service.restart
    assert service.restart.value == "on-failure"


def test_a_file_of_the_unit_overrides_what_the_unit_sets() -> None:
    text = """\
    [Service]
    EnvironmentFile=/etc/shop/first.env
    EnvironmentFile=-/etc/shop/second.env
    Environment=TAG=1 "WORDS=of the unit" LEFT=alone
    ExecStart=/usr/bin/docker run -e WORDS -e LEFT shop/app:${TAG}
    """
    files = {"first.env": "TAG=2\nWORDS=of the file\n", "second.env": "TAG=3\n"}
    (service,) = read(text, "backend.service", **files).services
    assert service.image
    assert service.image.value == "shop/app:3"
    assert environment(service) == {"WORDS": "of the file", "LEFT": "alone"}


def test_a_file_of_the_unit_is_read_as_systemd_reads_it() -> None:
    file = """\
# a comment
; another
PLAIN = a b # no comment
SINGLE='it is $HOME \\n'
DOUBLE="say \\"x\\" \\$y \\n"
LINES="one
two"
GOES_ON=one \\
two
ESCAPED=a\\\\b
EMPTY=
no setting
export NEITHER=1
"""
    names = ("PLAIN", "SINGLE", "DOUBLE", "LINES", "GOES_ON", "ESCAPED", "EMPTY", "NEITHER")
    run = " ".join(f"-e {name}" for name in names)
    text = f"[Service]\nEnvironmentFile=/etc/shop/app.env\nExecStart=docker run {run} img\n"
    (service,) = read(text, "backend.service", **{"app.env": file}).services
    assert environment(service) == {
        "PLAIN": "a b # no comment",
        "SINGLE": "it is $HOME \\n",
        "DOUBLE": 'say "x" $y \\n',
        "LINES": "one\ntwo",
        "GOES_ON": "one two",
        "ESCAPED": "a\\b",
        "EMPTY": "",
        "NEITHER": None,
    }


def test_a_reference_that_is_not_known_leaves_the_value_unknown() -> None:
    text = """\
    [Service]
    Environment=LANGUAGE=sv KNOWN=yes
    EnvironmentFile=/etc/shop/not-here.env
    ExecStart=/usr/bin/docker run -e LANGUAGE=${OTHER} -eA=1${B} --env=C=${D} -e E=${KNOWN} -e KNOWN \\
      -e F=$${LITERAL} -e G=$H --user 1000 ${REGISTRY}/app:7 serve
    """
    (service,) = read(text, "backend.service").services
    assert service.image is None
    assert environment(service) == {
        "LANGUAGE": None,
        "A": None,
        "C": None,
        "E": "yes",
        "KNOWN": "yes",
        "F": "${LITERAL}",
        "G": "$H",
    }
    assert service.command
    assert service.command.value == ("serve",)


def test_an_env_file_beside_the_units_is_read_and_another_is_named() -> None:
    service = unit(
        "--env-file /etc/shop/app.env --env-file /etc/shop/secret.env img",
        **{"app.env": "# c\nA='1' # d\n\nB=x=y\nC\n"},
    )
    assert environment(service) == {"A": "'1' # d", "B": "x=y", "C": None}, "Docker takes it literally"
    assert [str(variable.at) for variable in service.environment] == [
        "app.env:2:1",
        "app.env:4:1",
        "app.env:5:1",
    ]
    assert [said.value for said in service.env_files] == ["/etc/shop/secret.env"]


def test_an_instance_counts_wherever_it_is_wanted() -> None:
    template = "[Service]\nExecStart=docker run --name taskrunner-%i img\n[Install]\nDefaultInstance=1\n"
    others = {
        "shop.target": "[Unit]\nWants=taskrunner@1.service taskrunner@2.service\n",
        "taskrunner@3.service": template,
    }
    (service,) = read(template, "taskrunner@.service", **others).services
    assert service.replicas
    assert (service.name, service.replicas.value) == ("taskrunner", 3)


def test_a_drop_in_adds_and_replaces() -> None:
    drop_in = "[Service]\nExecStart=\nExecStart=docker run -m 1g new\n"
    (service,) = read(
        "[Service]\nExecStart=docker run old\n",
        "backend.service",
        **{"backend.service.d/limits.conf": drop_in},
    ).services
    assert service.image
    assert service.limits == Limits(service.limits.memory)
    assert (service.image.value, str(service.image.at)) == ("new", "backend.service.d/limits.conf:3:28")


def test_a_unit_that_runs_no_container_is_no_service() -> None:
    other = {"nginx.service": "[Service]\nExecStart=/usr/sbin/nginx\n"}
    assert [
        one.name for one in read("[Service]\nExecStart=docker run img\n", "a.service", **other).services
    ] == ["a"]


def test_a_link_without_an_alias_is_called_after_the_service() -> None:
    (link,) = unit("--link database img").links
    assert link == Link("database", "database", link.at)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[Service]\nExecStart=docker run --name x\n", ["a.service:2:11: docker run: expected an image, got the end of the command"]),
        ("[Service]\nExecStart=docker run -p 80:80:80:80 -m lots img\n", [
            'a.service:2:25: --publish: expected [ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL], such as 8000:8000, got "80:80:80:80"',
            'a.service:2:40: --memory: expected a size such as 512m, got "lots"']),
        ("[Service]\nExecStart=docker run -v data:data img\n", ['a.service:2:25: --volume: expected [SOURCE:]/TARGET[:OPTIONS], got "data:data"']),
        ("[Service]\nExecStart=docker run \\\n  -e 'A=b img\n", ["a.service:3:6: ExecStart: expected a closing quote"]),
        ("[Service]\nnonsense\nExecStart=docker run img -p\n", ["a.service:2:1: expected [Section] or Key=value, got 'nonsense'"]),
        ("[Service]\nExecStart=docker run -p\n", ["a.service:2:11: docker run: expected an image, got the end of the command",
                                                  "a.service:2:22: docker run: expected a value behind -p"]),
        ("[Unit]\nDescription=x\n", [f"a.service: expected {FORMS}"]),
    ],
)  # fmt: skip
def test_what_is_malformed_has_its_place(text: str, expected: list[str]) -> None:
    assert problems(text, "a.service") == expected
