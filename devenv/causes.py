"""What probes and logs say when a service fails, and what usually helps: a table, the most telling rows first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Cause:
    """A likely cause: what it is, what mends it, and the code it gives the failure where it has one of its own."""

    text: str
    hint: str
    code: str | None = None


@dataclass(frozen=True)
class _Row:
    """`text` and `hint` may name the pattern's groups: `{1}` is the first.

    The pattern is compiled when a failure is told, not when the program starts.
    """

    pattern: str
    cause: Cause


def _row(pattern: str, text: str, hint: str, code: str | None = None) -> _Row:
    return _Row(pattern, Cause(text, hint, code))


ROWS: tuple[_Row, ...] = (
    _row(
        r"[Ee]xec format error",
        "the program was built for another architecture, or it is a script without a `#!` line",
        "build or pull the image for this machine's architecture, and look for a `platform:` that asks for another",
        "wrong_architecture",
    ),
    _row(
        r"[Nn]o space left on device|ENOSPC|errno: 28\b",
        "the engine's disk is full",
        "free some room: `devenv gc` and `docker system df` show what is held",
        "disk_full",
    ),
    _row(
        r"Access denied for user '([^']*)'",
        "the database refuses the user {1}",
        "compare DB_USER and DB_PWD in its `environment` with `database.root_password`",
    ),
    _row(
        r"Unknown database '([^']*)'",
        "the database {1} does not exist",
        "add it to `database.databases`, then `devenv reset-db`",
    ),
    _row(
        r"Table '([^']*)' doesn't exist|no such table: (\S+)",
        "the table {1} does not exist: migrations that make it have not run",
        "run them: `devenv exec backend -- python manage.py migrate`, or as a `run` step of `database.seed`",
    ),
    _row(
        r"Unknown column '([^']*)'",
        "the column {1} does not exist: migrations that make it have not run",
        "run them: `devenv exec backend -- python manage.py migrate`, or as a `run` step of `database.seed`",
    ),
    _row(
        r"unknown variable '([^']*)'",
        "the database server does not know the option {1}",
        "correct it in `database.parameters`: not every version has every one",
    ),
    _row(
        r"(?:Unknown (?:MySQL )?server host|getaddrinfo failed.*|could not translate host name|host not found in upstream)"
        r" [\"']([^\"']*)[\"']",
        "no service is reached by the name {1}",
        "`devenv status` shows the services there are; correct the host name where it is configured",
    ),
    _row(
        r"Name or service not known|Temporary failure in name resolution|ENOTFOUND|no such host",
        "a host name that it uses is not known in the environment's network",
        "`devenv status` shows the services there are; correct the host name where it is configured",
    ),
    _row(
        r"Can't connect to (?:local )?(?:MySQL )?server|Connection refused|ECONNREFUSED",
        "a server that it connects to does not answer",
        "`devenv status` shows whether that one runs; a service of your own waits for it with "
        "`depends_on: {{SERVICE: {{condition: service_healthy}}}}`",
    ),
    _row(
        r"ModuleNotFoundError: No module named '([^']*)'",
        "Python does not find the module {1}",
        "add it to the image's requirements and `devenv up --build`, or correct the mapping that holds it",
    ),
    _row(
        r"Cannot find module '([^']*)'",
        "Node does not find the module {1}",
        "add it to package.json and `devenv up --build`, or correct the mapping that holds it",
    ),
    _row(
        r"(?:ImproperlyConfigured): (.+)",
        "its settings are not complete: {1}",
        "correct the setting, or give it in the service's `environment`",
    ),
    _row(
        r"KeyError: '([A-Z][A-Z0-9_]+)'",
        "the environment variable {1} is not set",
        "set it in the service's `environment`",
    ),
    _row(
        r"(SyntaxError|IndentationError|TabError): (.+)",
        "the code does not parse: {1}: {2}",
        "correct the line that the log names",
    ),
    _row(
        r"\[emerg\](?: \d+#\d+:)? (.+)",
        "nginx refuses its configuration: {1}",
        "correct the line of the configuration that it names",
    ),
    _row(
        r"[Aa]ddress already in use|EADDRINUSE",
        "another process in its container, or on its network, listens on that port already",
        "start one server only, or give it another port",
    ),
    _row(
        r"(?:sh|bash): (?:line )?(?:\d+: )?(?:exec: )?([^\s:]+): (?:command )?not found",
        "its image has no program {1}",
        "correct the command, or install the program in the image and `devenv up --build`",
    ),
    _row(
        r"can't open file '([^']*)'|(?:cannot open|can't open) '?([^\s':]+)'?: No such file",
        "the file {1} is not in its container",
        "correct the path in the command, or the mapping that holds the file",
    ),
    _row(
        r"Read-only file system",
        "it writes where it may only read",
        "take `:ro` off that mapping, or let it write elsewhere",
    ),
    _row(
        r"[Pp]ermission denied:? *'?([^\s']*)|EACCES",
        "the user in the container may not use a file that it needs",
        "`devenv doctor` names mapped files that are not yours; `chmod +x` makes a script a program",
    ),
)


PROBE_ROWS: tuple[_Row, ...] = (
    _row(
        r"[Cc]onnection refused|Failed to connect|Couldn't connect",
        "nothing listens where its health check asks",
        "its log says why; a server has to listen on 0.0.0.0 and on the port that the health check names",
    ),
    _row(
        r"[Tt]imed? ?out",
        "it does not answer within the time that its health check allows",
        "see what it is busy with, or raise `timeout` in its health check",
    ),
)
"""What only a probe means: who is refused there is the probe, and the service is the one that does not listen."""


def likely_cause(log: Sequence[str], probe: Sequence[str] = ()) -> Cause | None:
    """The cause that a service's log speaks of, else its probe; None where no row fits any line.

    What was said last is nearest to the end: the last line that fits is taken, by the first row that fits it.
    """
    return _found(log, ROWS) or _found(probe, (*PROBE_ROWS, *ROWS))


def _found(lines: Sequence[str], rows: tuple[_Row, ...]) -> Cause | None:
    for line in reversed(lines):
        for row in rows:
            match = re.search(row.pattern, line)
            if match:
                return _filled(row.cause, match)
    return None


def _filled(cause: Cause, match: re.Match[str]) -> Cause:
    """The cause with what the pattern found; of alternatives the one that is there is `{1}`."""
    found = [group for group in match.groups() if group] or ["(unnamed)"]
    found += [""] * 2
    return Cause(cause.text.format("", *found), cause.hint.format("", *found), cause.code)
