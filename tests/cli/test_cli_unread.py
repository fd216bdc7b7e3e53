"""Progress that nobody reads: the work goes on, and its exit status is that of the work."""

from __future__ import annotations

import os
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, TextIO

from devenv.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.shop import Shop


@contextmanager
def unread() -> Iterator[TextIO]:
    """A pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as stream:
        yield stream


def test_the_work_goes_on(shop: Shop) -> None:
    with unread() as stream, redirect_stderr(stream):
        assert main(["-C", str(shop.root), "up"], shop.project.wiring) == 0
    assert len(shop.engine.containers) == 5


def test_an_error_keeps_its_status(shop: Shop) -> None:
    with unread() as stream, redirect_stderr(stream):
        assert main(["-C", str(shop.root), "logs"], shop.project.wiring) == 1
