"""`mail` and `wait`: what stands on standard output, and the exit statuses that scripts go by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_cli_commands import assert_said
from tests.fakes import STARTING
from tests.unit.operations.test_operations_check import Site, as_json, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

MAIL: dict[str, Any] = {
    "id": "a1",
    "subject": "Report 7 is ready",
    "from": [{"address": "shop@x.test"}],
    "to": [{"address": "you@x.test"}, {"address": "me@x.test"}],
    "text": "Dear you,\n[it] is here\n",
    "time": "2026-01-02",
}


@pytest.fixture(autouse=True)
def catcher(shop: Shop) -> Iterator[Site]:
    """MailDev with one mail, beside a shop that is up."""
    shop.up()
    site = Site({"GET /api/email": as_json([MAIL]), "DELETE /api/email/all": as_json([])})
    with served(site, 10801):
        yield site


def test_list(shop: Shop) -> None:
    assert_said(
        shop.run("mail", "list"),
        0,
        """
        ID  RECEIVED    FROM         TO                     SUBJECT
        a1  2026-01-02  shop@x.test  you@x.test, me@x.test  Report 7 is ready
        """,
    )


def test_list_as_json(shop: Shop) -> None:
    document = shop.run("mail", "list", "--to", "me@x.test", "--json").ok().json
    assert document["schema"] == "devenv.mail-list/1"
    assert [mail["subject"] for mail in document["data"]] == ["Report 7 is ready"]
    assert shop.run("mail", "list", "--subject", "Hello", "--json").ok().data == []


@pytest.mark.parametrize("words", [("show",), ("show", "a1"), ("wait", "--to", "me@x.test")])
def test_show(shop: Shop, words: tuple[str, ...]) -> None:
    assert_said(
        shop.run("mail", *words),
        0,
        """
        From: shop@x.test
        To: you@x.test, me@x.test
        Subject: Report 7 is ready
        Received: 2026-01-02

        Dear you,
        [it] is here
        """,
    )


def test_a_mail_without_text_shows_its_html(shop: Shop, catcher: Site) -> None:
    catcher.answers["GET /api/email"] = as_json([{**MAIL, "text": "\n", "html": "<p>it is here</p>"}])
    assert shop.run("mail", "show").ok().out.endswith("\n\n<p>it is here</p>\n")


def test_wait_as_json(shop: Shop) -> None:
    document = shop.run("mail", "wait", "--subject", r"Report \d", "--json").ok().json
    assert (document["schema"], document["data"]["id"]) == ("devenv.mail/1", "a1")


def test_wait_in_vain(shop: Shop) -> None:
    found = shop.run("mail", "wait", "--to", "boss@x.test", "--timeout", "1", "--json")
    assert (found.code, found.error["code"]) == (4, "timeout")
    assert found.error["detail"]["evidence"] == ['there is: "Report 7 is ready" to you@x.test, me@x.test']


def test_clear(shop: Shop, catcher: Site) -> None:
    assert_said(shop.run("mail", "clear"), 0, "1 mail thrown away")
    catcher.answers["GET /api/email"] = as_json([])
    assert_said(shop.run("mail", "clear"), 0, "there was no mail")


def test_wait_for_services(shop: Shop) -> None:
    assert_said(
        shop.run("wait", "--for", "backend=healthy", "--for", "frontend=running"),
        0,
        "backend is healthy, frontend is running after 0.0 s",
        """
        ok backend: healthy
        ok frontend: running
        """,
    )
    document = shop.run("wait", "--for", "backend=healthy", "--json").ok().json
    assert (document["schema"], document["data"]["services"]) == ("devenv.wait/1", {"backend": "healthy"})


def test_wait_for_services_in_vain(shop: Shop) -> None:
    shop.engine.turn("shop-backend-1", STARTING)
    found = shop.run("wait", "--for", "backend=healthy", "--timeout", "1", "--json")
    assert (found.code, found.error["code"]) == (4, "timeout")


@pytest.mark.parametrize("word", ["backend", "=healthy", "backend=", "backend=well"])
def test_wait_wants_a_condition(shop: Shop, word: str) -> None:
    found = shop.run("wait", "--for", word)
    assert (found.code, found.err.splitlines()[0]) == (
        2,
        f'error: --for: expected SERVICE=healthy|running|stopped, got "{word}"',
    )
