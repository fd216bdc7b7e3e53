"""Which service of production is which here, and what is on one side only."""

from __future__ import annotations

import pytest

from devenv.production import reasons
from devenv.production.combine import read_manifest
from devenv.production.compare import compare
from devenv.production.match import matched
from tests.five_containers import COMPOSE, FACTS
from tests.unit.production.texts import read


def pairs(text: str) -> dict[str, str]:
    return {here: there.name for here, there in matched(read(text).services, FACTS.services).items()}


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ("backend: {image: x}", {"backend": "backend"}),
        ("shop-backend: {image: x}", {"backend": "shop-backend"}),
        ("web: {image: 'qwaya/app-backend:7'}", {"backend": "web"}),
        ("web: {image: 'registry.example.com/nginx:1'}", {"frontend": "web"}),
        ("db: {image: x}", {"databasemaster": "db"}),
        ("a: {image: 'docker.io/library/mysql:8.0'}", {"databasemaster": "a"}),
        ("b: {image: boky/postfix}", {"mailcatcher": "b"}),
        ("backend-worker: {image: x}", {"taskrunner": "backend-worker"}),
        ("a: {image: 'qwaya/app-backend', environment: [PROCESS_NAME=task]}", {"taskrunner": "a"}),
        ("a: {image: 'qwaya/app-backend', command: python manage.py db_worker}", {"taskrunner": "a"}),
        ("a: {image: x, labels: {devenv.service: frontend}}", {"frontend": "a"}),
        ("backend: {image: x, labels: {devenv.service: taskrunner}}", {"taskrunner": "backend"}),
        ("a: {image: x, labels: {devenv.service: nobody}}", {}),
        ("cache: {image: redis}", {}),
        ("backend: {image: x}, app-backend: {image: x}", {"backend": "backend"}),
    ],
)
def test_by_label_name_and_image(services: str, expected: dict[str, str]) -> None:
    assert pairs(f"services: {{{services}}}") == expected


ONCE = "image: qwaya/app-backend, restart: 'no'"
STAYS = "image: qwaya/app-backend"
PROBED = "image: qwaya/app-backend, healthcheck: {test: curl localhost}"


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        # what ends comes behind what stays, by whatever it is told
        (f"migrate: {{{ONCE}}}, web: {{{STAYS}}}", {"backend": "web"}),
        (f"backend-migrate: {{{ONCE}}}, django-web: {{{STAYS}}}", {"backend": "django-web"}),
        (f"backend-migrate: {{{ONCE}}}, web: {{{STAYS}}}", {"backend": "web"}),
        (f"migrate: {{{ONCE}, ports: ['8000:8000']}}, web: {{{STAYS}}}", {"backend": "web"}),
        (f"migrate: {{{ONCE}}}", {"backend": "migrate"}),
        # who serves comes before who does not
        (f"migrate: {{{STAYS}}}, web: {{{STAYS}, ports: ['8000:8000']}}", {"backend": "web"}),
        (f"migrate: {{{STAYS}}}, web: {{{PROBED}}}", {"backend": "web"}),
        (f"backend-init: {{{STAYS}}}, backend-web: {{{PROBED}}}", {"backend": "backend-web"}),
        (f"init: {{{STAYS}, healthcheck: {{disable: true}}}}, web: {{{PROBED}}}", {"backend": "web"}),
        (f"one: {{{STAYS}}}, two: {{{STAYS}}}", {"backend": "one"}),
        (f"one: {{{PROBED}}}, two: {{{STAYS}, ports: ['8000:8000']}}", {"backend": "one"}),
        # a worker serves nobody, unlike what watches it
        ("celery-worker: {image: x}, celery-flower: {image: x, ports: ['5555:5555']}", {"taskrunner": "celery-worker"}),
        # a name and a label are said, not guessed
        (f"backend: {{{ONCE}}}, web: {{{PROBED}}}", {"backend": "backend"}),
        (f"job: {{{ONCE}, labels: {{devenv.service: backend}}}}, web: {{{PROBED}}}", {"backend": "job"}),
    ],
)  # fmt: skip
def test_of_those_that_share_an_image_or_a_word_the_one_that_serves(
    services: str, expected: dict[str, str]
) -> None:
    assert pairs(f"services: {{{services}}}") == expected


def test_a_cron_job_of_the_image_is_not_the_backend() -> None:
    job = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: clearsessions}
spec: {schedule: "0 3 * * *", jobTemplate: {spec: {template: {spec: {containers: [{name: it, image: qwaya/app-backend:1}]}}}}}
"""
    web = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: it, image: qwaya/app-backend:1}]}}}
"""
    manifest = read_manifest({"k8s/cronjob.yaml": job, "k8s/deployment.yaml": web}, "k8s")
    found = matched(manifest.services, FACTS.services)
    assert {here: there.name for here, there in found.items()} == {"backend": "web"}


def test_a_service_on_one_side_only_is_a_row() -> None:
    text = COMPOSE["production.yaml"].partition("\n\nfrontend:")[0]
    text += "\n\ncache:\n  image: redis:7\n\nlb:\n  image: haproxy:3.0\n"
    found = compare(read_manifest({"p.yaml": text}, "p"), FACTS)
    rows = {row.what: row for row in found.rows}
    assert (rows["cache"].production, rows["cache"].here, rows["cache"].verdict) == ("redis:7", None, "drift")
    assert (rows["frontend"].production, rows["frontend"].here, rows["frontend"].verdict) == (
        None,
        "qwaya/app-frontend:latest",
        "drift",
    )
    assert (rows["lb"].verdict, rows["lb"].reason) == ("expected", reasons.BALANCER)


def test_a_catcher_that_production_lacks_is_expected() -> None:
    found = compare(read("services: {backend: {image: 'qwaya/app-backend:latest'}}"), FACTS)
    (row,) = (row for row in found.rows if row.what == "mailcatcher")
    assert (row.production, row.verdict, row.reason) == (None, "expected", reasons.MAIL)
