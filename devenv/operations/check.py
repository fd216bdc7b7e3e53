"""Prove the whole chain, as a visitor meets it: page, static file, job, row and mail."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devenv.database.server import Server, quoted
from devenv.errors import DevenvError, OperationError
from devenv.events import Event, Status
from devenv.operations.entrance import connect
from devenv.operations.guard import refuse_elsewhere
from devenv.operations.inside import running_container
from devenv.operations.mailbox import Mailbox
from devenv.operations.status import status
from devenv.services import frontend, loadbalancer, mailcatcher, mysql, taskrunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from devenv.operations.report import StatusReport
    from devenv.operations.session import Session

PATIENCE = 30.0
"""Seconds for a job to be done and its mail to arrive."""
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Finding:
    """One link of the chain: whether it holds, and what was seen."""

    name: str
    ok: bool
    text: str
    seconds: float


@dataclass(frozen=True)
class CheckReport:
    """All links in their order; those behind a broken one were not tried."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every link holds."""
        return all(finding.ok for finding in self.findings)


def check(session: Session) -> CheckReport:
    """Walk the chain from outside, through the published ports; stops at the first broken link.

    Raises RefusedError where those are another machine's.
    """
    now = status(session)
    if now.state in {"absent", "stopped"}:
        raise OperationError("this environment is not up", code="not_up", hint="bring it up with `devenv up`")
    entrance = frontend.NAME if session.shape is None else loadbalancer.NAME
    hint = f"run `devenv check` on that machine; `devenv wait --for {entrance}=healthy` asks the engine"
    refuse_elsewhere(session, "the page", hint)
    chain = _Chain(session, now)
    findings: list[Finding] = []
    for name, link in chain.links():
        session.events.emit(Event(name, Status.WORKING, "checking"))
        begun = time.monotonic()
        try:
            text, ok = link(), True
        except DevenvError as error:
            text, ok = error.message, False
        findings.append(Finding(name, ok, text, time.monotonic() - begun))
        session.events.emit(Event(name, Status.DONE if ok else Status.FAILED, text))
        if not ok:
            break
    return CheckReport(tuple(findings))


@dataclass
class _Chain:
    """The links, and what one leaves for the next."""

    session: Session
    now: StatusReport
    _report: dict[str, Any] = field(default_factory=dict)
    _old_mail: frozenset[str] = frozenset()

    def links(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Every link that the settings ask for."""
        yield "page", self.page
        if self.session.settings.check.report is not None:
            yield "job", self.job
            yield "static file", self.static_file
            yield "row", self.row
            yield "mail", self.mail

    def page(self) -> str:
        """The start page comes through Nginx from the backend."""
        path = self.session.settings.check.page
        response = self._request("GET", path)
        if response.status >= http.client.BAD_REQUEST:
            raise _broken(f"GET {path} answered {response.status}", response)
        return f"GET {path}: {response.status}, {len(response.body)} bytes through Nginx"

    def job(self) -> str:
        """A report is asked for, and the taskrunner draws it."""
        path = self.session.settings.check.report or ""
        if not any(row.name == taskrunner.NAME and row.replicas for row in self.now.services):
            raise OperationError("no taskrunner runs, so nobody would do the job: `devenv up taskrunner`")
        # A reset database counts from the start again: an old mail may have the new one's subject.
        self._old_mail = frozenset(mail.id for mail in self._mailbox().messages())
        response = self._request("POST", path)
        self._report = _json(response, path)
        queued = time.monotonic()
        while self._report.get("state") != "ready":
            if self._report.get("state") == "failed":
                raise _broken(f"the job failed: {self._report.get('error')}", response)
            if time.monotonic() - queued > PATIENCE:
                raise _broken(
                    f"no worker finished the job within {PATIENCE:g} s: see `devenv logs taskrunner`",
                    response,
                )
            time.sleep(POLL_SECONDS)
            url = self._said("url")
            self._report = _json(self._request("GET", url), path) | {"url": url}
        return f"report {self._said('id')} drawn by the taskrunner in {time.monotonic() - queued:.1f} s"

    def static_file(self) -> str:
        """Nginx serves what the worker generated, and says how long it may be kept."""
        path = self._said("file")
        response = self._request("GET", path)
        if response.status != http.client.OK:
            raise _broken(f"GET {path} answered {response.status}", response)
        if "expires" not in response.headers:
            raise _broken(f"GET {path} came without an Expires header", response)
        return f"GET {path}: {len(response.body)} bytes, Expires {response.headers['expires']}"

    def row(self) -> str:
        """The row that the application wrote is in MySQL."""
        table, key = self._said("table"), self._said("id")
        if not key.isdigit():
            raise OperationError(f'expected a number as the report\'s id, got "{key}"', code="check_failed")
        container = running_container(self.session, mysql.NAME)
        database = self.session.settings.database
        server = Server(self.session.engine, container.id, database.root_password)
        result = server.query(
            f"SELECT COUNT(*) FROM {quoted(database.databases[0])}.{quoted(table)} WHERE id = {key}"
        )
        if result.output.strip() != "1":
            raise OperationError(f"row {key} is not in {table}: {result.output.strip()}")
        return f"{table} has row {key}"

    def mail(self) -> str:
        """The mail with the link is in the catcher."""
        subject = self._said("mail_subject")
        box = self._mailbox()
        begun = time.monotonic()
        while True:
            new = (mail for mail in box.messages() if mail.id not in self._old_mail)
            found = next((mail for mail in new if mail.subject == subject), None)
            if found is not None:
                return f'"{found.subject}" to {", ".join(found.recipients)} is in the catcher'
            if time.monotonic() - begun > PATIENCE:
                raise OperationError(f'no mail with the subject "{subject}" within {PATIENCE:g} s')
            time.sleep(POLL_SECONDS)

    def _said(self, name: str) -> str:
        """What the application said of its report."""
        if not isinstance(self._report.get(name), str | int):
            path = self.session.settings.check.report
            raise OperationError(f'the report of {path} has no "{name}"', code="check_failed")
        return str(self._report[name])

    def _mailbox(self) -> Mailbox:
        return Mailbox(self.session.settings.bind, self._port(mailcatcher.NAME, mailcatcher.WEB_PORT))

    def _port(self, service: str, target: int) -> int:
        row = next(row for row in self.now.services if row.name == service)
        return next(port.published for port in row.ports if port.target == target)

    def _request(self, method: str, path: str) -> _Response:
        connection = connect(self.session, self.now)
        try:
            connection.request(method, path, headers={"Accept": "application/json, text/html"})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return _Response(answer.status, headers, answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise OperationError(
                f"{method} {path} on port {connection.port} got no answer: {error}"
            ) from error
        finally:
            connection.close()


@dataclass(frozen=True)
class _Response:
    status: int
    headers: dict[str, str]
    body: bytes


def _json(response: _Response, path: str) -> dict[str, Any]:
    if response.status >= http.client.BAD_REQUEST:
        raise _broken(f"{path} answered {response.status}", response)
    try:
        found = json.loads(response.body)
    except ValueError:
        raise _broken(f"{path} did not answer in JSON", response) from None
    if not isinstance(found, dict):
        raise _broken(f"{path} did not answer with a JSON object", response)
    return found


def _broken(text: str, response: _Response) -> OperationError:
    body = response.body.decode(errors="replace").strip()
    return OperationError(text + (f": {body[:200]}" if body else ""), code="check_failed")
