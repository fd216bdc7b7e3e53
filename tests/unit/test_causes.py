"""Likely causes: what real programs write when they fail, and what it is taken for."""

from __future__ import annotations

import pytest

from devenv.causes import likely_cause


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            "django.db.utils.OperationalError: (1045, \"Access denied for user 'shop'@'172.18.0.5' (using password: YES)\")",
            "the database refuses the user shop",
        ),
        ("ERROR 1049 (42000): Unknown database 'shop'", "the database shop does not exist"),
        (
            "MySQLdb.ProgrammingError: (1146, \"Table 'app.campaign' doesn't exist\")",
            "the table app.campaign does not",
        ),
        ("(1054, \"Unknown column 'price' in 'field list'\")", "the column price does not exist"),
        ("[ERROR] [MY-000067] [Server] unknown variable 'query_cache_size=1'.", "option query_cache_size=1"),
        ("(2005, \"Unknown MySQL server host 'datbase' (-2)\")", "no service is reached by the name datbase"),
        (
            '[emerg] 1#1: host not found in upstream "backend" in /etc/nginx/nginx.conf:3',
            "by the name backend",
        ),
        (
            '[emerg] 1#1: unexpected "}" in /etc/nginx/nginx.conf:3',
            'nginx refuses its configuration: unexpected "}"',
        ),
        ("socket.gaierror: [Errno -2] Name or service not known", "a host name that it uses is not known"),
        ("(2003, \"Can't connect to MySQL server on 'database:3306' (111)\")", "does not answer"),
        (
            "ConnectionRefusedError: [Errno 111] Connection refused",
            "a server that it connects to does not answer",
        ),
        ("ModuleNotFoundError: No module named 'celery'", "Python does not find the module celery"),
        ("Error: Cannot find module '/app/server.js'", "Node does not find the module /app/server.js"),
        (
            "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.",
            "not complete: The SECRET_KEY setting must not be empty.",
        ),
        ("KeyError: 'DB_HOST'", "the environment variable DB_HOST is not set"),
        ("SyntaxError: invalid syntax", "the code does not parse: SyntaxError: invalid syntax"),
        ("OSError: [Errno 98] Address already in use", "listens on that port already"),
        ("Error: listen EADDRINUSE: address already in use :::3000", "listens on that port already"),
        ("sh: 1: gunicorn: not found", "its image has no program gunicorn"),
        ("bash: line 1: gunicorn: command not found", "its image has no program gunicorn"),
        ("python: can't open file '/opt/app/manage.py': [Errno 2]", "the file /opt/app/manage.py is not in"),
        ("exec /prog: exec format error", "built for another architecture"),
        ("sh: 1: /prog: Exec format error", "built for another architecture"),
        ("OSError: [Errno 28] No space left on device", "the engine's disk is full"),
        ("touch: cannot touch '/x': Read-only file system", "writes where it may only read"),
        ("PermissionError: [Errno 13] Permission denied: '/opt/app/log'", "may not use a file"),
    ],
)
def test_what_a_log_says(line: str, text: str) -> None:
    cause = likely_cause(["starting", line, "bye"])
    assert cause is not None
    assert text in cause.text
    assert cause.hint
    assert "{" not in cause.text.replace("{SERVICE", "")


@pytest.mark.parametrize("line", ["listening on 8000", "GET /missing 404 Not Found", ""])
def test_what_says_nothing(line: str) -> None:
    assert likely_cause([line]) is None


def test_what_was_said_last_counts() -> None:
    cause = likely_cause(["Connection refused, trying again", "KeyError: 'SECRET_KEY'"])
    assert cause is not None
    assert cause.text == "the environment variable SECRET_KEY is not set"


def test_some_causes_have_a_code_of_their_own() -> None:
    found = [
        likely_cause([line]) for line in ("exec format error", "No space left on device", "KeyError: 'ABC'")
    ]
    assert [cause and cause.code for cause in found] == ["wrong_architecture", "disk_full", None]


def test_who_is_refused_by_a_probe_is_the_probe() -> None:
    probe = ["curl: (7) Failed to connect to 127.0.0.1 port 8000: Connection refused"]
    cause = likely_cause([], probe)
    assert cause is not None
    assert cause.text == "nothing listens where its health check asks"
    told = likely_cause(["KeyError: 'DB_HOST'"], probe)
    assert told is not None
    assert told.text == "the environment variable DB_HOST is not set"
