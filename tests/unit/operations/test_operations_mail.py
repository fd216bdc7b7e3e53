"""The mail catcher's mail, behind either of the two programs; the catcher is a small server here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from devenv.errors import OperationError, RefusedError, ServiceFailedError, UsageError
from devenv.operations.mail import Wanted, clear, mail_of, mails, wait_for_mail
from devenv.operations.mailbox import Mail
from tests.unit.operations.test_operations_check import Site, as_json, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clock import Clock
    from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("clock")

EVERY = Wanted()


def maildev(identity: str, subject: str, to: str) -> dict[str, Any]:
    return {
        "id": identity,
        "subject": subject,
        "from": [{"address": "shop@x.test"}],
        "to": [{"address": to}],
        "text": f"text of {identity}",
        "html": "<p>",
        "time": "2026-01-02T03:04:05.000Z",
    }


@pytest.fixture
def catcher(shop: Shop) -> Iterator[Site]:
    """MailDev with two mails, beside a shop that is up."""
    shop.up()
    site = Site(
        {"GET /api/email": as_json([maildev("a", "Hello", "You@x.test"), maildev("b", "Bye", "me@x.test")])}
    )
    with served(site, 10801):
        yield site


def test_who_answers_here_is_not_asked_for_an_engine_elsewhere(shop: Shop, catcher: Site) -> None:
    shop.engine.is_here = False
    session = shop.session()
    for call in (lambda: mails(session, EVERY), lambda: clear(session)):
        with pytest.raises(RefusedError, match="published where the engine runs, memory://") as caught:
            call()
        assert (caught.value.code, caught.value.exit_status) == ("engine_elsewhere", 6)
    assert catcher.asked == []


def test_all_of_them_the_oldest_first(shop: Shop, catcher: Site) -> None:
    assert [mail.id for mail in mails(shop.session(), EVERY)] == ["a", "b"]
    assert catcher.asked == ["GET /messages", "GET /api/email"]


@pytest.mark.usefixtures("catcher")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(to="you@X.test"), ["a"]),
        (Wanted(to="you"), []),
        (Wanted(subject="^B"), ["b"]),
        (Wanted(subject="l+o"), ["a"]),
        (Wanted(to="me@x.test", subject="Hello"), []),
    ],
)
def test_only_those_that_fit(shop: Shop, wanted: Wanted, found: list[str]) -> None:
    assert [mail.id for mail in mails(shop.session(), wanted)] == found


@pytest.mark.usefixtures("catcher")
def test_one_of_them(shop: Shop) -> None:
    assert mail_of(shop.session(), "a") == Mail(
        "a", "Hello", "shop@x.test", ("You@x.test",), "text of a", "<p>", "2026-01-02T03:04:05.000Z"
    )
    assert mail_of(shop.session(), None).id == "b"
    with pytest.raises(OperationError) as caught:
        mail_of(shop.session(), "c")
    assert (caught.value.code, caught.value.message) == ("no_mail", 'no mail has the id "c"')


def test_both_parts_of_mailcatchers_mail(shop: Shop, catcher: Site) -> None:
    row = {"id": 3, "subject": None, "sender": "<a@x>", "recipients": ["<b@x>"], "created_at": "2026-01-02"}
    catcher.answers = {"GET /messages": as_json([row]), "GET /messages/3.html": (200, {}, b"<p>hi")}
    assert mail_of(shop.session(), "3") == Mail("3", "", "a@x", ("b@x",), "", "<p>hi", "2026-01-02")


def test_a_mail_that_is_waited_for(shop: Shop, catcher: Site, clock: Clock) -> None:
    late = maildev("c", "Report 7", "me@x.test")
    before = clock.waits

    def arrive() -> None:
        catcher.answers["GET /api/email"] = as_json([late])

    clock.after[before + 3] = arrive
    assert wait_for_mail(shop.session(), Wanted("me@x.test", r"Report \d"), 5).id == "c"
    assert clock.waits == before + 3


@pytest.mark.usefixtures("catcher")
def test_a_mail_that_is_there_is_not_waited_for(shop: Shop, clock: Clock) -> None:
    before = clock.waits
    assert wait_for_mail(shop.session(), EVERY, 0).id == "b"
    assert clock.waits == before


@pytest.mark.usefixtures("catcher")
def test_a_mail_that_does_not_come(shop: Shop, clock: Clock) -> None:
    begun = clock.now
    with pytest.raises(ServiceFailedError) as caught:
        wait_for_mail(shop.session(), Wanted("boss@x.test", "Report"), 2)
    error = caught.value
    assert error.message == 'no mail to boss@x.test with "Report" in its subject within 2 s'
    assert (error.code, error.exit_status, error.detail) == ("timeout", 4, {"mails": 2})
    assert error.evidence == ('there is: "Hello" to You@x.test', 'there is: "Bye" to me@x.test')
    assert clock.now - begun == pytest.approx(2, abs=0.3)


def test_all_of_it_thrown_away(shop: Shop, catcher: Site) -> None:
    catcher.answers["DELETE /api/email/all"] = (200, {}, b"true")
    assert clear(shop.session()).count == 2
    assert catcher.asked[-2:] == ["DELETE /messages", "DELETE /api/email/all"]
    catcher.answers["DELETE /messages"] = (204, {}, b"")
    clear(shop.session())
    assert catcher.asked[-1] == "DELETE /messages"


@pytest.mark.usefixtures("catcher")
def test_a_catcher_that_keeps_its_mail(shop: Shop) -> None:
    with pytest.raises(OperationError) as caught:
        clear(shop.session())
    assert caught.value.message == "the mail catcher on port 10801 answers neither way of clearing it"


def test_no_regular_expression() -> None:
    with pytest.raises(UsageError, match=r'--subject: expected a regular expression, got "\("'):
        Wanted(subject="(")


def test_no_catcher(shop: Shop) -> None:
    with pytest.raises(OperationError) as caught:
        mails(shop.session(), EVERY)
    assert caught.value.code == "not_up"
