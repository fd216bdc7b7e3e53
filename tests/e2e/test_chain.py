"""The chain as a visitor meets it: page, static file, job, mail; and code that changes under it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from tests.e2e.support import OWNER, mail_subjects, order_report, tried, until

if TYPE_CHECKING:
    from tests.e2e.support import Response, Stack

APP = "compose/backend/app"
TEMPLATE = f"{APP}/campaigns/templates/campaigns/index.html"
TASKS = f"{APP}/campaigns/tasks.py"
MIDDLEWARE = f"{APP}/campaigns/middleware.py"


def test_a_page_comes_from_the_database_through_nginx(stack: Stack) -> None:
    customer = stack.engine.mysql("SELECT name FROM campaigns_customer WHERE id = 1")[0][0]

    pages = [stack.page(f"/?page={number}") for number in range(1, 5)]

    assert {page.status for page in pages} == {200}
    assert all("nginx" in page.headers["server"] for page in pages)
    assert any(customer in page.text for page in pages)


def test_a_static_file_comes_from_nginx_and_expires_in_a_day(stack: Stack) -> None:
    page = stack.page("/static/campaigns/site.css")

    assert page.status == 200
    expires = parsedate_to_datetime(page.headers["expires"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=55) < expires < timedelta(hours=24, minutes=5)
    assert page.text == stack.read(f"{APP}/campaigns/static/campaigns/site.css")
    assert "site.css" not in stack.engine.log("backend")


def test_a_job_is_drawn_by_the_taskrunner_and_mailed(stack: Stack) -> None:
    report = order_report(stack)

    assert stack.page(report["file"]).text.lstrip().startswith("<svg")
    rows = stack.engine.mysql(f"SELECT state FROM {report['table']} WHERE id = {report['id']}")
    assert rows == [["ready"]]
    assert "draw_report" in stack.engine.log("taskrunner")
    until(lambda: report["mail_subject"] in mail_subjects(stack), "the mail in the catcher", 10)


def test_scripts_wait_for_a_mail_and_throw_it_away(stack: Stack) -> None:
    stack.run("wait", "--for", "backend=healthy", "--for", "taskrunner=healthy", "--timeout", "60").ok()
    stack.run("mail", "clear").ok()
    report = order_report(stack)

    found = stack.run("mail", "wait", "--subject", f"^{report['mail_subject']}$", "--json").ok().data

    assert report["file"] in found["text"]
    assert stack.run("mail", "show", found["id"], "--json").ok().data == found
    late = stack.run("mail", "wait", "--to", "nobody@example.com", "--timeout", "0", "--json")
    assert (late.code, late.error["code"]) == (4, "timeout")
    assert stack.run("mail", "clear", "--json").ok().data["count"] == 1
    assert mail_subjects(stack) == []


def test_check_proves_every_link(stack: Stack) -> None:
    document = stack.run("check", "--json").ok().json

    assert document["ok"] is True
    links = {finding["name"]: finding["ok"] for finding in document["data"]["findings"]}
    assert links == dict.fromkeys(("page", "job", "static file", "row", "mail"), True)


def test_check_without_a_worker_names_the_job(stack: Stack) -> None:
    stack.engine.api.stop(stack.engine.service("taskrunner")["Id"], timeout=2)

    outcome = stack.run("check", "--json")

    assert outcome.code == 1
    assert outcome.json["ok"] is False
    broken = [finding["name"] for finding in outcome.data["findings"] if not finding["ok"]]
    assert broken == ["job"]


def test_a_changed_template_shows_at_once(stack: Stack) -> None:
    stack.edit(TEMPLATE, "<h1>Campaigns</h1>", "<h1>Campaigns, e2e edition</h1>")

    assert "e2e edition" in stack.page().text


def test_changed_code_is_served_by_the_same_container(stack: Stack) -> None:
    before = stack.engine.starts()
    stack.edit(
        MIDDLEWARE,
        "        return self.get_response(request)",
        '        response = self.get_response(request)\n        response["X-E2E"] = "new"\n        return response',
    )

    until(lambda: _header(tried(stack.port("frontend.port"))) == "new", "the changed middleware at work", 20)
    assert stack.engine.starts() == before


def test_a_worker_takes_up_changed_code(stack: Stack) -> None:
    before = stack.engine.starts()
    stack.edit(TASKS, 'note=f"Report {report.pk}, drawn', 'note=f"Report {report.pk}, painted')

    # A job that is asked for at the very moment of the change may still be drawn by the old code.
    until(
        lambda: "painted" in stack.page(order_report(stack)["file"]).text, "a chart drawn by changed code", 30
    )
    assert stack.engine.starts() == before


def test_files_that_containers_write_into_a_mapping_are_the_developers(stack: Stack) -> None:
    for service in ("backend", "taskrunner"):
        container = stack.engine.service(service)
        name = f"written-by-{service}.txt"
        status, output = stack.engine.execute(container["Id"], "sh", "-c", f"echo x > /opt/app/{name}")
        assert status == 0, output
        written = (stack.root / APP / name).stat()
        assert (written.st_uid, written.st_gid) == OWNER
        assert container["Config"]["User"] == f"{OWNER[0]}:{OWNER[1]}"
    mountpoint = (stack.root / APP / "generated_content").stat()
    assert (mountpoint.st_uid, mountpoint.st_gid) == OWNER


def test_nginx_finds_a_backend_that_was_replaced(stack: Stack) -> None:
    nginx = stack.engine.starts()["frontend"]
    old = stack.engine.service("backend")
    network = f"{stack.name}_default"
    old_address = old["NetworkSettings"]["Networks"][network]["IPAddress"]
    stack.engine.api.remove_container(old["Id"], force=True)
    # Somebody else takes the address, so that the new backend cannot have it.
    squatter = stack.engine.run_beside(old["Config"]["Image"], "sleep", "600")
    try:
        stack.up()
        new = stack.engine.service("backend")["NetworkSettings"]["Networks"][network]["IPAddress"]
        assert new != old_address
        assert stack.page().status == 200
        assert stack.engine.starts()["frontend"] == nginx
    finally:
        stack.engine.api.remove_container(squatter, force=True, v=True)


def _header(response: Response | None) -> str | None:
    return None if response is None else response.headers.get("x-e2e")
