"""Global options may stand anywhere on the line, but never reach into another program's words."""

from __future__ import annotations

import pytest

from devenv.cli.app import hoist


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("", ""),
        ("status", "status"),
        ("status --json", "--json status"),
        ("--json status", "--json status"),
        ("up backend --yes --no-color -y --verbose", "--yes --no-color -y --verbose up backend"),
        ("status -C folder", "-C folder status"),
        ("-C folder status --env x", "-C folder --env x status"),
        ("status --env=x", "--env=x status"),
        ("up --timeout 5 --json backend", "--json up --timeout 5 backend"),
        ("up --profile backend", "up --profile= backend"),
        ("up --profile=a.html backend --json", "--json up --profile=a.html backend"),
        ("exec backend -- prog --profile x", "exec backend -- prog --profile x"),
        ("logs -f backend --json", "--json logs -f backend"),
        ("up --production --pods 3", "--production up --pods 3"),
        ("exec backend ls", "exec backend -- ls"),
        ("exec backend ls --json", "exec backend -- ls --json"),
        ("exec --json backend ls --yes", "--json exec backend -- ls --yes"),
        ("exec --json backend -- ls --json", "--json exec backend -- ls --json"),
        ("exec backend -- ls -C x", "exec backend -- ls -C x"),
        ("exec backend -- -- ls", "exec backend -- -- ls"),
        ("exec -u root backend ls --json", "exec -u root -- backend ls --json"),
        ("exec --user=root backend ls --json", "exec --user=root backend -- ls --json"),
        ("--env x exec backend ls", "--env x exec backend -- ls"),
        ("exec backend", "exec backend"),
        ("exec", "exec"),
        ("shell backend --json", "--json shell backend"),
        ("status -- --json", "status -- --json"),
        ("status --env", "status --env"),
        ("status -C", "status -C"),
    ],
)
def test_hoist(given: str, found: str) -> None:
    assert hoist(given.split()) == found.split()


def test_the_words_of_another_program_stay_whole() -> None:
    words = ["exec", "backend", "sh", "-c", "echo a b; ls --json"]
    assert hoist(words) == ["exec", "backend", "--", *words[2:]]
