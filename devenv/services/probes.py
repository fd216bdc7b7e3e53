"""Health checks as commands that run inside the containers: each proves that the service serves."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from devenv.model import Healthcheck, Question

if TYPE_CHECKING:
    from devenv.config.settings import Healthcheck as HealthcheckSettings

MARKER_TABLE = "devenv.marker"
"""Present once a data directory is complete: written last, by the seed or by the image's first start."""


def healthcheck(
    probe: str, settings: HealthcheckSettings | None = None, questions: tuple[Question, ...] = ()
) -> Healthcheck:
    """A shell command as health check, at the pace that the settings ask for."""
    if settings is None:
        return Healthcheck(("CMD-SHELL", probe), questions=questions)
    return Healthcheck(
        ("CMD-SHELL", probe),
        interval=settings.interval,
        timeout=settings.timeout,
        retries=settings.retries,
        start_period=settings.start_period,
        questions=questions,
    )


def configured(settings: HealthcheckSettings, port: int) -> Healthcheck:
    """The health check that a service's section asks for; `port` is where it serves HTTP."""
    if settings.http is not None:
        return healthcheck(
            http_probe(port, settings.http), settings, (Question(port, "http", settings.http),)
        )
    if settings.heartbeat is not None:
        probe = heartbeat_probe(settings.heartbeat, settings.stale_after)
        return healthcheck(probe, settings, (Question(None, "heartbeat", settings.heartbeat),))
    command = settings.command
    assert command is not None
    return healthcheck(command if isinstance(command, str) else shlex.join(command), settings)


def http_probe(port: int, path: str) -> str:
    """GET `path` and want a status below 400; prints the body otherwise, which often names the cause."""
    url = shlex.quote(f"http://127.0.0.1:{port}{path}")
    return (
        "if command -v curl >/dev/null; "
        f"then curl -sS --max-time 4 --fail-with-body {url}; "
        f"else wget -q -T 4 -O - {url} || {{ echo 'GET '{url}' failed'; exit 1; }}; fi"
    )


def mysql_probe(statement: str = f"SELECT id FROM {MARKER_TABLE}") -> str:
    """Read the marker row over TCP: the image's first start runs a server without networking before."""
    return (
        'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql --protocol=tcp -h127.0.0.1 -uroot --connect-timeout=3 '
        f"-NBe '{statement}'"
    )


def mail_probe(smtp_port: int, web_port: int) -> str:
    """An SMTP greeting and the web page; busybox is in the registry's image and in ours.

    The client stays silent until the greeting has had time to come: MailDev hangs up on one that talks,
    or closes its side, before. And it asks for HTML, without which MailDev has no page.
    """
    return (
        f"(sleep 0.5; printf 'QUIT\\r\\n') | busybox nc -w 3 127.0.0.1 {smtp_port} | grep -q ^220 "
        f"|| {{ echo 'no SMTP greeting on port {smtp_port}'; exit 1; }}; "
        f"busybox wget -q -T 2 -O /dev/null --header 'Accept: text/html' http://127.0.0.1:{web_port}/ "
        f"|| {{ echo 'no web page on port {web_port}'; exit 1; }}"
    )


def heartbeat_probe(path: str, stale_after: float) -> str:
    """The file at `path` was touched within the last `stale_after` seconds: the worker's loop turns."""
    file = shlex.quote(path)
    return (
        f"test -e {file} || {{ echo 'no heartbeat yet: '{file}; exit 1; }}; "
        f"age=$(( $(date +%s) - $(stat -c %Y {file}) )); "
        f'echo "last heartbeat $age s ago"; test "$age" -le {stale_after:g}'
    )
