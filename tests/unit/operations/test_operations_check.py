"""The check walks the chain and stops at the first broken link; Nginx and mail catcher are small servers here."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from devenv.environments.ports import find_free_port
from devenv.errors import OperationError, RefusedError
from devenv.operations.check import CheckReport, check
from devenv.operations.mailbox import Mail, Mailbox
from tests.fakes import RecordingSink
from tests.samples import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clock import Clock
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

Answer = tuple[int, dict[str, str], bytes]


def as_json(value: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


@dataclass
class Site:
    """Answers by `METHOD /path`; a list gives one answer after the other and keeps the last."""

    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, request: str) -> Answer:
        self.asked.append(request)
        found = self.answers.get(request, (404, {}, b"nothing here"))
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found


@contextmanager
def served(site: Site, port: int) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.respond()

        def do_POST(self) -> None:
            self.respond()

        def do_DELETE(self) -> None:
            self.respond()

        def respond(self) -> None:
            status, headers, body = site.answer(f"{self.command} {self.path}")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((ADDRESS, port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


REPORT = {
    "id": 7,
    "url": "/api/reports/7/",
    "file": "/static/report-7.svg",
    "table": "reports_report",
    "mail_subject": "Report 7 is ready",
}
EXPIRES = "Thu, 01 Jan 2026 00:00:00 GMT"
MAIL = {"id": 1, "subject": "Report 7 is ready", "sender": "<shop@x.test>", "recipients": ["<you@x.test>"]}


@dataclass
class Chain:
    """A shop that is up, with a web site and a mail catcher on its published ports."""

    shop: Shop
    web: Site = field(default_factory=Site)
    mail: Site = field(default_factory=Site)

    def check(self) -> CheckReport:
        return check(self.shop.session())

    def texts(self) -> list[str]:
        return [f"{'ok' if one.ok else 'failed'} {one.name}: {one.text}" for one in self.check().findings]


@pytest.fixture
def chain(shop: Shop) -> Iterator[Chain]:
    shop.up()
    shop.engine.answer("COUNT", "1\n")
    found = Chain(shop)
    found.web.answers = {
        "GET /": (200, {}, b"<html>campaigns</html>"),
        "POST /api/reports/": as_json({**REPORT, "state": "queued"}, 202),
        "GET /api/reports/7/": [
            as_json({**REPORT, "state": "queued"}),
            as_json({**REPORT, "state": "ready"}),
        ],
        "GET /static/report-7.svg": (200, {"Expires": EXPIRES}, b"<svg/>"),
    }
    found.mail.answers = {
        "GET /messages": [as_json([]), as_json([]), as_json([MAIL])],
        "GET /messages/1.plain": (200, {}, b"the link"),
    }
    with served(found.web, 18080), served(found.mail, 10801):
        yield found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times less patience: the clock stands still here, but the servers take their time."""
    monkeypatch.setattr("devenv.operations.check.PATIENCE", 3.0)


def test_who_answers_here_proves_nothing_for_an_engine_elsewhere(chain: Chain) -> None:
    chain.shop.engine.is_here = False
    with pytest.raises(RefusedError) as caught:
        chain.check()
    assert caught.value.code == "engine_elsewhere"
    assert caught.value.hint is not None
    assert "devenv wait --for frontend=healthy" in caught.value.hint
    assert (chain.web.asked, chain.mail.asked) == ([], [])


def test_the_whole_chain_holds(chain: Chain) -> None:
    assert chain.texts() == [
        "ok page: GET /: 200, 22 bytes through Nginx",
        "ok job: report 7 drawn by the taskrunner in 0.2 s",
        f"ok static file: GET /static/report-7.svg: 6 bytes, Expires {EXPIRES}",
        "ok row: reports_report has row 7",
        'ok mail: "Report 7 is ready" to you@x.test is in the catcher',
    ]
    query = next(one for one in chain.shop.engine.executed if "COUNT" in one.text)
    assert query.command[-1] == "SELECT COUNT(*) FROM `app`.`reports_report` WHERE id = 7"
    assert chain.shop.sink.lines[:2] == [
        "working page: checking",
        "done page: GET /: 200, 22 bytes through Nginx",
    ]


def broken(chain: Chain) -> str:
    """The last finding, which is the only one that failed."""
    report = chain.check()
    assert [one.ok for one in report.findings] == [True] * (len(report.findings) - 1) + [False]
    assert not report.ok
    return f"{report.findings[-1].name}: {report.findings[-1].text}"


def test_a_page_that_fails_is_shown(chain: Chain) -> None:
    chain.web.answers["GET /"] = (502, {}, b"Bad Gateway" + b"x" * 500)
    assert broken(chain) == "page: GET / answered 502: Bad Gateway" + "x" * 189
    assert chain.web.asked == ["GET /"]


@pytest.mark.parametrize(
    ("request_", "answer", "text"),
    [
        (
            "POST /api/reports/",
            as_json({"error": "no"}, 500),
            'job: /api/reports/ answered 500: {"error": "no"}',
        ),
        ("POST /api/reports/", (200, {}, b"<html>"), "job: /api/reports/ did not answer in JSON: <html>"),
        ("POST /api/reports/", as_json([1]), "job: /api/reports/ did not answer with a JSON object: [1]"),
        (
            "GET /static/report-7.svg",
            (200, {}, b"<svg/>"),
            "static file: GET /static/report-7.svg came without an Expires header: <svg/>",
        ),
        (
            "GET /static/report-7.svg",
            (403, {}, b"no"),
            "static file: GET /static/report-7.svg answered 403: no",
        ),
    ],
)
def test_a_broken_link_says_what_was_seen(chain: Chain, request_: str, answer: Answer, text: str) -> None:
    chain.web.answers[request_] = answer
    assert broken(chain) == text


def test_a_job_that_fails_says_why(chain: Chain) -> None:
    chain.web.answers["GET /api/reports/7/"] = as_json({**REPORT, "state": "failed", "error": "no ink"})
    assert broken(chain).startswith("job: the job failed: no ink")


@pytest.mark.usefixtures("impatient")
def test_a_job_that_nobody_does(chain: Chain, clock: Clock) -> None:
    chain.web.answers["GET /api/reports/7/"] = as_json({**REPORT, "state": "queued"})
    begun = clock.now
    assert broken(chain).startswith(
        "job: no worker finished the job within 3 s: see `devenv logs taskrunner`"
    )
    assert 3 < clock.now - begun < 3.5


@pytest.mark.parametrize("missing", ["id", "url", "file", "table", "mail_subject"])
def test_a_report_that_lacks_something_is_a_broken_link(chain: Chain, missing: str) -> None:
    """An application of the user's may answer anything."""
    report = {name: value for name, value in REPORT.items() if name != missing}
    state = "queued" if missing == "url" else "ready"
    chain.web.answers["POST /api/reports/"] = as_json({**report, "state": state})
    assert broken(chain).endswith(f': the report of /api/reports/ has no "{missing}"')


def test_an_id_that_is_no_number_never_reaches_the_database(chain: Chain) -> None:
    report = {**REPORT, "id": "1; DROP TABLE x", "state": "ready"}
    chain.web.answers["POST /api/reports/"] = as_json(report)
    assert broken(chain) == 'row: expected a number as the report\'s id, got "1; DROP TABLE x"'


def test_a_row_that_is_not_there(chain: Chain) -> None:
    chain.shop.engine.answer("COUNT", "0\n")
    assert broken(chain) == "row: row 7 is not in reports_report: 0"


@pytest.mark.usefixtures("impatient")
def test_a_mail_that_does_not_come(chain: Chain, clock: Clock) -> None:
    chain.mail.answers["GET /messages"] = as_json([])
    begun = clock.now
    assert broken(chain) == 'mail: no mail with the subject "Report 7 is ready" within 3 s'
    assert 3 < clock.now - begun < 3.5


@pytest.mark.usefixtures("impatient")
def test_an_old_mail_of_the_same_subject_does_not_count(chain: Chain) -> None:
    chain.mail.answers["GET /messages"] = as_json([MAIL])
    assert broken(chain) == 'mail: no mail with the subject "Report 7 is ready" within 3 s'


def test_an_application_without_reports_is_checked_by_its_page(chain: Chain) -> None:
    chain.shop.add("check: {page: /start, report: null}\n")
    chain.web.answers["GET /start"] = (302, {}, b"")
    assert chain.texts() == ["ok page: GET /start: 302, 0 bytes through Nginx"]


def test_a_site_that_does_not_answer(shop: Shop) -> None:
    shop.up()
    (finding,) = check(shop.session()).findings
    assert finding.text.startswith("GET / on port 18080 got no answer: ")


@pytest.mark.parametrize("state", ["absent", "stopped"])
def test_an_environment_that_is_not_up_is_not_checked(shop: Shop, state: str) -> None:
    if state == "stopped":
        shop.up()
        shop.project.run("stop").ok()
    with pytest.raises(OperationError) as caught:
        check(shop.session())
    assert (caught.value.code, caught.value.hint) == ("not_up", "bring it up with `devenv up`")


@contextmanager
def mailbox(site: Site) -> Iterator[Mailbox]:
    port = find_free_port(())
    with served(site, port):
        yield Mailbox(ADDRESS, port)


def test_mail_of_mailcatcher() -> None:
    site = Site(
        {
            "GET /messages": as_json([MAIL, {"id": 2, "subject": None, "sender": None, "recipients": []}]),
            "GET /messages/1.plain": (200, {}, "Grüße".encode()),
        }
    )
    with mailbox(site) as box:
        assert box.messages() == (
            Mail("1", "Report 7 is ready", "shop@x.test", ("you@x.test",), "Grüße"),
            Mail("2", "", "", (), ""),
        )


def test_mail_of_maildev() -> None:
    rows = [
        {
            "id": "abc",
            "subject": "Hello",
            "from": [{"address": "a@x.test", "name": ""}],
            "to": [{"address": "b@x.test"}, {"address": "c@x.test"}],
            "text": "body\n",
        },
        {"id": "def"},
    ]
    with mailbox(Site({"GET /api/email": as_json(rows)})) as box:
        assert box.messages() == (
            Mail("abc", "Hello", "a@x.test", ("b@x.test", "c@x.test"), "body\n"),
            Mail("def", "", "", (), ""),
        )


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, b""),
        (200, {}, b"<html>"),
        (200, {}, b"\xff"),
        as_json({}),
        as_json(None),
        as_json([1]),
        as_json([{}]),
    ],
)
def test_a_program_that_is_no_mail_catcher(answer: Answer) -> None:
    site = Site({"GET /messages": answer, "GET /api/email": answer})
    with mailbox(site) as box, pytest.raises(OperationError, match="neither way of asking") as caught:
        box.messages()
    assert caught.value.code == "mail_unreadable"
    assert site.asked == ["GET /messages", "GET /api/email"]


def test_no_mail_catcher_at_all() -> None:
    with pytest.raises(OperationError, match="does not answer on port") as caught:
        Mailbox(ADDRESS, find_free_port(())).messages()
    assert caught.value.code == "mail_unreachable"


def test_progress_is_told_for_each_link(chain: Chain) -> None:
    chain.web.answers["GET /"] = (500, {}, b"")
    sink = RecordingSink()
    check(chain.shop.project.session(sink))
    assert sink.lines == ["working page: checking", "failed page: GET / answered 500"]
