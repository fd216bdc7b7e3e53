"""Which service an error is about, told from the words of the engine and of Compose."""

from __future__ import annotations

import pytest

from devenv.blame import places_of, service_in
from tests.samples import project

SERVICES = {
    "web": {"image": "nope/web:1", "volumes": ["/srv/data:/data", "named:/x"]},
    "web2": {
        "image": "nope/web:12",
        "volumes": [{"type": "bind", "source": "/srv/data2", "target": "/data"}],
    },
    "built": {"build": "./built"},
}


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("services.web Additional property imag is not allowed", "web"),
        ("services.web2.ports.0 must be a string", "web2"),
        ('web Error Get "https://registry.example/v2/": no such host', "web"),
        ("#5 [built 2/2] RUN exit 7\n#5 ERROR: process did not complete", "built"),
        ("#5 [built stage-1 2/2] RUN exit 7", "built"),
        ("#4 [web 1/2] RUN true\n#5 [built 2/2] RUN x\n------\n > [built 2/2] RUN x:\n------", "built"),
        ("#3 ERROR: no space\n------\n > [built internal] load build context:\n------", "built"),
        ("bind source path does not exist: /srv/data", "web"),
        ("bind source path does not exist: /srv/data2", "web2"),
        (
            "bind source path does not exist: /srv/shop/compose/backend/app",
            None,
        ),  # backend's and taskrunner's
        ("No such image: nope/web:1", "web"),
        ("No such image: nope/web:12", "web2"),
        ("Container shop-web-1  Created\n Container shop-built-1  Creating\nError", "built"),
        ("Container shop-web-1  Creating\n Container shop-built-1  Creating\nError", None),
        ("web Pulling\n web2 Pulling\n web2 Pulled\nwrite /x: no space left on device", "web"),
        ("web Pulling\n web2 Pulling\nwrite /x: no space left on device", None),
        ("no space left on device", None),
    ],
)
def test_who_is_spoken_of(text: str, service: str | None) -> None:
    assert service_in(text, project(services=SERVICES)) == service


def test_the_key_of_an_image_stands_for_its_service() -> None:
    assert service_in("whatever", project(), "database") == "databasemaster"
    assert service_in("whatever", project(), "backend") == "backend"


def test_places_from_the_likeliest_to_the_section() -> None:
    assert places_of("web", "port_in_use") == (
        ("services", "web", "ports"),
        ("services", "web", "port"),
        ("services", "web"),
    )
    assert places_of("mailcatcher", "image_missing") == (("mail", "image"), ("mail",))
    assert places_of("backend", "never_heard_of") == (("backend",),)
