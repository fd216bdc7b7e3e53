"""What the application has mailed: look at it, wait for it, throw it away."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.errors import OperationError, ServiceFailedError, UsageError
from devenv.operations.guard import refuse_elsewhere
from devenv.operations.inside import running_container
from devenv.operations.mailbox import Mailbox
from devenv.services import mailcatcher

if TYPE_CHECKING:
    from devenv.operations.mailbox import Mail
    from devenv.operations.session import Session

POLL_SECONDS = 0.2
SHOWN = 5
"""Other mails that a wait in vain names."""


@dataclass(frozen=True)
class Wanted:
    """Which mail: `to` is one of its recipients, `subject` a regular expression found in its subject."""

    to: str | None = None
    subject: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError where `subject` is no regular expression."""
        try:
            re.compile(self.subject or "")
        except re.error as error:
            raise UsageError(
                f'--subject: expected a regular expression, got "{self.subject}": {error}'
            ) from error

    def fits(self, mail: Mail) -> bool:
        """Whether it is such a mail; addresses are compared without regard to case."""
        recipients = [address.lower() for address in mail.recipients]
        return (self.to is None or self.to.lower() in recipients) and bool(
            re.search(self.subject or "", mail.subject)
        )

    def __str__(self) -> str:
        to = "" if self.to is None else f" to {self.to}"
        return f"mail{to}" + ("" if self.subject is None else f' with "{self.subject}" in its subject')


@dataclass(frozen=True)
class Cleared:
    """How many mails were thrown away."""

    count: int


def mails(session: Session, wanted: Wanted) -> tuple[Mail, ...]:
    """Those that fit, the oldest first."""
    return tuple(mail for mail in _mailbox(session).messages() if wanted.fits(mail))


def mail_of(session: Session, identity: str | None) -> Mail:
    """The mail with this id, None for the last one; raises OperationError where there is none."""
    found = _mailbox(session).messages()
    mail = next((mail for mail in reversed(found) if identity in {None, mail.id}), None)
    if mail is None:
        what = "the mail catcher is empty" if identity is None else f'no mail has the id "{identity}"'
        raise OperationError(what, code="no_mail", hint="`devenv mail list` shows what there is")
    return mail


def wait_for_mail(session: Session, wanted: Wanted, timeout: float) -> Mail:
    """The last mail that fits, as soon as there is one; what is there already counts.

    Raises ServiceFailedError `timeout` where none came within `timeout` seconds.
    """
    box = _mailbox(session)
    begun = time.monotonic()
    while True:
        there = box.messages()
        found = next((mail for mail in reversed(there) if wanted.fits(mail)), None)
        if found is not None:
            return found
        if time.monotonic() - begun >= timeout:
            raise ServiceFailedError(
                f"no {wanted} within {timeout:g} s",
                code="timeout",
                hint="`devenv mail list` shows all there is; `devenv queue` and `devenv logs` what was to send it",
                detail={"mails": len(there)},
                evidence=tuple(f"there is: {_line(mail)}" for mail in there[-SHOWN:]),
            )
        time.sleep(POLL_SECONDS)


def clear(session: Session) -> Cleared:
    """Throw all mail away, so that what comes next is new."""
    box = _mailbox(session)
    there = box.messages()
    box.clear()
    return Cleared(len(there))


def _line(mail: Mail) -> str:
    return f'"{mail.subject}" to {", ".join(mail.recipients)}'


def _mailbox(session: Session) -> Mailbox:
    """The catcher on the port that it really has; raises OperationError where it does not run.

    Raises RefusedError where that port is another machine's.
    """
    container = running_container(session, mailcatcher.NAME)
    refuse_elsewhere(session, "the mail catcher", "run `devenv mail` on that machine")
    port = container.ports.get(mailcatcher.WEB_PORT)
    if port is None:
        raise OperationError(
            "the mail catcher publishes no port", code="mail_unreachable", hint="`devenv up mailcatcher`"
        )
    return Mailbox(session.settings.bind, port)
