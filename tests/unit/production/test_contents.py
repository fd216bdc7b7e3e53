"""What is inside of images: package lists as pip and dpkg print them, and Nginx's directives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from devenv.production.compare_contents import ContentTexts, content_rows
from devenv.production.facts import ContentFacts
from devenv.production.judge import Judge
from devenv.production.manifest import Said
from devenv.production.nginx import directives, files
from devenv.production.packages import installed_dpkg, installed_python, read_dpkg, read_pip
from devenv.production.rows import Verdict
from tests.harness import REPOSITORY

if TYPE_CHECKING:
    from devenv.errors import Problem

REQUIREMENTS = """\
# exact versions
Django==5.2.19
django_tasks==0.12.0 \\
    --hash=sha256:0123
typing.extensions == 4.15.0  # for older Pythons
gunicorn[gevent]===27.0.1 ; python_version > "3"
--index-url https://example.com/simple
"""
NGINX = (REPOSITORY / "compose" / "frontend" / "nginx.conf").read_text(encoding="utf-8")


def versions(text: str) -> tuple[dict[str, str], list[str]]:
    problems: list[Problem] = []
    found = read_pip("requirements.txt", text, problems)
    return {name: said.value for name, said in found.items()}, [str(problem) for problem in problems]


def drift(texts: ContentTexts, here: ContentFacts) -> list[tuple[str, str | None, str | None, str]]:
    rows = content_rows("frontend", texts.read(), here, Judge())
    assert not texts.problems
    return [(row.what, row.production, row.here, row.where) for row in rows if row.verdict is Verdict.DRIFT]


def test_requirements_and_lists_of_pip() -> None:
    expected = {
        "django": "5.2.19",
        "django-tasks": "0.12.0",
        "typing-extensions": "4.15.0",
        "gunicorn": "27.0.1",
    }
    assert versions(REQUIREMENTS) == (expected, [])
    rows = [{"name": "Django", "version": "5.2.19"}]
    assert versions(json.dumps(rows)) == ({"django": "5.2.19"}, [])
    assert versions(json.dumps({"installed": [{"metadata": row} for row in rows]}))[0] == {"django": "5.2.19"}
    assert versions("Package Version\n------- -------\nDjango  5.2.19\n") == ({"django": "5.2.19"}, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Django==5.2.19\n  gunicorn>=27\n", 'requirements.txt:2:3: expected a package with its exact version such as Django==5.2.19, got "gunicorn>=27"'),
        ("[{]", "requirements.txt:1:3: not valid JSON: Expecting property name enclosed in double quotes"),
        ("[1]", "requirements.txt:1:1: expected a list of packages, each with name and version, as `pip list --format=json` prints it"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_packages_has_its_place(text: str, problem: str) -> None:
    assert versions(text)[1] == [problem]


def test_what_dpkg_prints() -> None:
    problems: list[Problem] = []
    found = read_dpkg("dpkg", "adduser\t3.118\nlibc6:amd64\t2.41-12\nbroken\n", problems)
    assert {name: said.value for name, said in found.items()} == {"adduser": "3.118", "libc6": "2.41-12"}
    assert [str(problem) for problem in problems] == [
        'dpkg:3:1: expected a package and its version, got "broken"'
    ]
    long = "Desired=Unknown/Install\n||/ Name\n+++-====\nii  libc6:amd64  2.41-12  amd64  GNU C Library\nrc  old  1.0  all  gone\n"
    assert installed_dpkg(long) == {"libc6": "2.41-12"}


def test_what_python_says_of_itself() -> None:
    output = json.dumps({"python": "3.13.5", "packages": [{"name": "Typing_Extensions", "version": "4"}]})
    assert installed_python(output) == ("3.13.5", {"typing-extensions": "4"})
    assert installed_python("Traceback") is None


def test_packages_and_interpreter_are_compared_one_by_one() -> None:
    texts = ContentTexts(Said("3.13", None), pip=("r.txt", "Django==5.2.19\nPillow==12\nsame==1\n"))  # type: ignore[arg-type]
    here = ContentFacts("3.13.5", {"django": "5.1", "same": "1", "debug-toolbar": "6"})
    assert drift(texts, here) == [
        ("frontend.pip.django", "5.2.19", "5.1", "r.txt:1:1"),
        ("frontend.pip.pillow", "12", None, "r.txt:2:1"),
        ("frontend.pip.debug-toolbar", None, "6", ""),
    ]


@pytest.mark.parametrize(
    ("said", "here"), [("3.13", "3.12.9"), ("3.1", "3.13.5"), ("3.13.4", "3.13.5"), ("3.13", None)]
)
def test_another_python_is_drift(said: str, here: str | None) -> None:
    ((what, _, runs, _),) = drift(ContentTexts(Said(said, None)), ContentFacts(here))  # type: ignore[arg-type]
    assert (what, runs) == ("frontend.python", here or "could not be found out")


def test_nginx_of_the_reference_is_its_own() -> None:
    printed = f"# configuration file /etc/nginx/nginx.conf:\n{NGINX}\n# configuration file /etc/nginx/mime.types:\ntypes {{ text/html html; }}\n"
    assert drift(ContentTexts(nginx=("nginx.conf", NGINX)), ContentFacts(nginx=printed)) == []
    assert drift(ContentTexts(nginx=("nginx.txt", printed)), ContentFacts(nginx=printed)) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("expires 24h;\n            log_not_found", "expires 1h;\n            log_not_found", ("http > server > location /static > expires", "1h", "24h")),
        ("gzip on;", "", ("http > gzip", None, "on")),
        ("sendfile on;", "sendfile on; keepalive_timeout 5;", ("http > keepalive_timeout", "5", None)),
        ("client_max_body_size 20m", "client_max_body_size 200m", ("http > client_max_body_size", "200m", "20m")),
        ("worker_connections 1024", "worker_connections 4096", ("events > worker_connections", "4096", "1024")),
        ("proxy_set_header X-Real-IP $remote_addr;", "", ("http > server > proxy_set_header", None, "X-Real-IP $remote_addr")),
        ('"" $scheme;', '"" https;', ("http > map $http_x_forwarded_proto $scheme_of_visitor > ", "https", "$scheme")),
        ("daemon off;", "daemon off; user nginx;", ("user", "nginx", None)),
    ],
)  # fmt: skip
def test_one_directive_that_is_another(old: str, new: str, found: tuple[str, str | None, str | None]) -> None:
    assert NGINX.count(old) == 1
    ((what, production, here, _),) = drift(
        ContentTexts(nginx=("nginx.conf", NGINX.replace(old, new))), ContentFacts(nginx=NGINX)
    )
    assert (what, production, here) == (f"frontend.nginx.{found[0]}", *found[1:])


def test_directives_have_their_places_also_in_what_nginx_prints() -> None:
    text = "# configuration file /etc/nginx/nginx.conf:\na 1;\nb { c 'x y' \"}\"; }\n# configuration file /etc/nginx/d.conf:\ne;\n"
    found = [
        (one.path, one.value, str(one.at))
        for name, part in files(text).items()
        for one in directives(name, part, [])
    ]
    assert found == [
        ("a", "1", "main:2:1"),
        ("b", "", "main:3:1"),
        ("b > c", "x y }", "main:3:5"),
        ("e", "", "/etc/nginx/d.conf:5:1"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http {\n  gzip on\n}\n", "n:3:1: expected ; before }"),
        ("}\n", "n:1:1: expected no }"),
        ("http {\n", "n:2:1: expected }, got the end of the file"),
        ("gzip on", "n:1:1: expected ;, got the end of the file"),
        ("gzip 'on;", "n:1:6: expected a closing quote"),
        (";", "n:1:1: expected a directive before ;"),
    ],
)
def test_a_broken_configuration_has_its_place(text: str, problem: str) -> None:
    problems: list[Problem] = []
    directives("n", text, problems)
    assert str(problems[0]) == problem
