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
            raise OperationError(
                f"the mail catcher on port {self._port} answers neither way of asking for mail",
                code="mail_unreadable",
                hint="run the image that devenv.yaml names by default, or `devenv logs mailcatcher`",
            )
        return tuple(_maildev_mail(row) for row in rows)

    def _mailcatcher_mail(self, row: dict[str, Any]) -> Mail:
        status, body = self._get(f"/messages/{row['id']}.plain")
        return Mail(
            id=str(row["id"]),
            subject=row.get("subject") or "",
            sender=str(row.get("sender") or "").strip("<>"),
            recipients=tuple(str(name).strip("<>") for name in row.get("recipients") or ()),
            text=body.decode(errors="replace") if status == http.client.OK else "",
        )

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=TIMEOUT)
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
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
    )
