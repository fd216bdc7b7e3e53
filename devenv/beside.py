"""One call that runs beside the rest of an operation, in a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class Beside(Generic[Result]):
    """Begins the call at once; `concurrent.futures` does the same, and takes 15 ms to import."""

    def __init__(
        self,
        call: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> None:
        self._outcome: list[Result] = []
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._outcome.append(call(*arguments, **named))
            except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
                self._error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def result(self) -> Result:
        """What the call returned, once it has; raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._outcome[0]
