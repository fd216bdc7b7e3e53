"""What the mail catcher holds, through one adapter for the two programs that may be behind it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from devenv.errors import OperationError

TIMEOUT = 5


@dataclass(frozen=True)
class Mail:
    """One message as the catcher holds it."""

    id: str
    subject: str
    sender: str
    recipients: tuple[str, ...]
    text: str
    html: str = ""
    received: str = ""
    """As the catcher writes it, in UTC."""


class Mailbox:
    """The catcher's web interface on a port of 127.0.0.1: sj26/mailcatcher's or MailDev's.

    Which of the two answers is found out at the first request: only mailcatcher knows `/messages`.
    """

    def __init__(self, address: str, port: int) -> None:
        self._address = address
        self._port = port

    def messages(self) -> tuple[Mail, ...]:
        """All messages, the oldest first; raises OperationError where the catcher does not answer."""
        rows = _rows(*self._get("/messages"))
        if rows is not None:
            return tuple(self._mailcatcher_mail(row) for row in rows)
        rows = _rows(*self._get("/api/email"))
        if rows is None:
            raise self._unreadable("asking for mail")
        return tuple(_maildev_mail(row) for row in rows)

    def clear(self) -> None:
        """Throw all messages away; raises OperationError where the catcher does not answer."""
        answers = (self._ask("DELETE", path)[0] for path in ("/messages", "/api/email/all"))
        if not any(status < http.client.BAD_REQUEST for status in answers):
            raise self._unreadable("clearing it")

    def _mailcatcher_mail(self, row: dict[str, Any]) -> Mail:
        return Mail(
            id=str(row["id"]),
            subject=row.get("subject") or "",
            sender=str(row.get("sender") or "").strip("<>"),
            recipients=tuple(str(name).strip("<>") for name in row.get("recipients") or ()),
            text=self._part(row, "plain"),
            html=self._part(row, "html"),
            received=row.get("created_at") or "",
        )

    def _part(self, row: dict[str, Any], kind: str) -> str:
        """One of a message's two bodies, empty where it has none."""
        status, body = self._get(f"/messages/{row['id']}.{kind}")
        return body.decode(errors="replace") if status == http.client.OK else ""

    def _unreadable(self, doing: str) -> OperationError:
        return OperationError(
            f"the mail catcher on port {self._port} answers neither way of {doing}",
            code="mail_unreadable",
            hint="run the image that devenv.yaml names by default, or `devenv logs mailcatcher`",
        )

    def _get(self, path: str) -> tuple[int, bytes]:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=TIMEOUT)
        try:
            connection.request(method, path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise OperationError(
                f"the mail catcher does not answer on port {self._port}: {error}",
                code="mail_unreachable",
                hint="`devenv status` shows whether it runs",
            ) from error
        finally:
            connection.close()


def _rows(status: int, body: bytes) -> list[dict[str, Any]] | None:
    """The messages that were answered; None where the answer is something else, such as a page for people."""
    if status != http.client.OK:
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    is_list = isinstance(found, list) and all(isinstance(row, dict) and "id" in row for row in found)
    return found if is_list else None


def _maildev_mail(row: dict[str, Any]) -> Mail:
    return Mail(
        id=str(row["id"]),
        subject=row.get("subject") or "",
        sender=next((str(one.get("address", "")) for one in row.get("from") or ()), ""),
        recipients=tuple(str(one.get("address", "")) for one in row.get("to") or ()),
        text=row.get("text") or "",
        html=row.get("html") or "",
        received=row.get("time") or "",
    )
