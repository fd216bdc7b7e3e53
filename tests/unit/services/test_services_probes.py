"""Probes are shell: what each proves is tried out in a shell, where that needs nothing but a shell."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from devenv.config.settings import Healthcheck
from devenv.model import Healthcheck as HealthcheckValue
from devenv.services.probes import (
    configured,
    healthcheck,
    heartbeat_probe,
    http_probe,
    mail_probe,
    mysql_probe,
)

if TYPE_CHECKING:
    from pathlib import Path

STUB = '#!/bin/sh\necho "$@"\nexit {status}\n'


def sh(script: str, path: str | None = None, **variables: str) -> tuple[int, str]:
    environment = {"PATH": os.environ["PATH"] if path is None else path, **variables}
    done = subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=10
    )
    return done.returncode, done.stdout + done.stderr


def stub(folder: Path, name: str, status: int = 0) -> None:
    (folder / name).write_text(STUB.format(status=status))
    (folder / name).chmod(0o755)


def test_a_heartbeat_that_has_not_come_is_named(tmp_path: Path) -> None:
    file = str(tmp_path / "heart beat")
    assert sh(heartbeat_probe(file, 15)) == (1, f"no heartbeat yet: {file}\n")


def test_a_fresh_heartbeat_passes(tmp_path: Path) -> None:
    file = tmp_path / "heart beat"
    file.touch()
    status, output = sh(heartbeat_probe(str(file), 15))
    assert status == 0
    assert output.startswith("last heartbeat ")


def test_a_stale_heartbeat_fails_and_says_how_old_it_is(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    file.touch()
    age = file.stat().st_mtime - 100
    os.utime(file, (age, age))
    status, output = sh(heartbeat_probe(str(file), 15))
    assert status == 1
    assert output.startswith("last heartbeat 10")


def test_http_takes_curl_where_it_is(tmp_path: Path) -> None:
    stub(tmp_path, "curl")
    stub(tmp_path, "wget", status=9)
    status, output = sh(http_probe(8000, "/health?a=1&b='2'"), path=str(tmp_path))
    assert (status, output) == (
        0,
        "-sS --max-time 4 --fail-with-body http://127.0.0.1:8000/health?a=1&b='2'\n",
    )


def test_http_fails_with_curl(tmp_path: Path) -> None:
    stub(tmp_path, "curl", status=22)
    assert sh(http_probe(8000, "/health"), path=str(tmp_path))[0] != 0


def test_http_takes_wget_otherwise(tmp_path: Path) -> None:
    stub(tmp_path, "wget")
    assert sh(http_probe(80, "/"), path=str(tmp_path)) == (0, "-q -T 4 -O - http://127.0.0.1:80/\n")


def test_http_says_what_wget_does_not(tmp_path: Path) -> None:
    stub(tmp_path, "wget", status=8)
    status, output = sh(http_probe(80, "/health"), path=str(tmp_path))
    assert status == 1
    assert output.splitlines()[-1] == "GET http://127.0.0.1:80/health failed"


def test_mysql_is_asked_for_the_marker_over_tcp(tmp_path: Path) -> None:
    stub(tmp_path, "mysql")
    status, output = sh(mysql_probe(), path=str(tmp_path), MYSQL_ROOT_PASSWORD="a b")
    assert status == 0
    assert "--protocol=tcp" in output
    assert output.endswith("-NBe SELECT id FROM devenv.marker\n")


def test_mail_is_a_greeting_and_a_page() -> None:
    probe = mail_probe(1025, 1080)
    assert "busybox nc -w 3 127.0.0.1 1025 | grep -q ^220" in probe
    assert "http://127.0.0.1:1080/" in probe


def test_the_pace_is_the_settings_or_the_usual_one() -> None:
    assert healthcheck("true") == HealthcheckValue(("CMD-SHELL", "true"))
    given = Healthcheck(command="true", interval=1, timeout=2, retries=3, start_period=4)
    found = healthcheck("true", given)
    assert (found.interval, found.timeout, found.retries, found.start_period) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("given", "probe"),
    [
        (Healthcheck(http="/up"), http_probe(8000, "/up")),
        (Healthcheck(heartbeat="/tmp/beat", stale_after=3), heartbeat_probe("/tmp/beat", 3)),
        (Healthcheck(command="test -e /ready && true"), "test -e /ready && true"),
        (Healthcheck(command=("test", "-e", "/a b")), "test -e '/a b'"),
    ],
    ids=["http", "heartbeat", "a line for a shell", "a list of words"],
)
def test_each_kind_has_its_probe(given: Healthcheck, probe: str) -> None:
    assert configured(given, 8000).test == ("CMD-SHELL", probe)
