"""`--profile`: where the time of a start went, for people, as a page and as data."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.cli.output import plain
from devenv.errors import DevenvError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.cli.context import Context
    from devenv.operations.recording import Recorder

ENDINGS = (".html", ".htm")


@contextmanager
def profiled(context: Context, profile: str | None) -> Iterator[Recorder]:
    """Gives the recorder of a start; writes the page that `profile` names, if it names one.

    Of a start that fails the profile is shown here, as there is no result that holds it.
    """
    from devenv.operations.recording import Recorder, write_page

    file = _page(profile) if profile else None
    recorder = Recorder(context.begun)
    try:
        yield recorder
    except DevenvError as error:
        if profile is not None and recorder.waterfall is not None:
            error.detail["profile"] = plain(recorder.waterfall)
            if not context.output.as_json:
                context.output.print(f"{recorder.waterfall}\n")
            if file is not None:
                # That the start failed is what matters now.
                with suppress(DevenvError):
                    write_page(recorder.waterfall, file)
        raise
    if file is not None and recorder.waterfall is not None:
        write_page(recorder.waterfall, file)


def _page(name: str) -> Path:
    """The file of that name, checked before anything is done."""
    file = Path(name)
    if file.suffix.lower() not in ENDINGS or file.is_dir() or not file.absolute().parent.is_dir():
        raise UsageError(
            f"--profile: expected a file that ends in .html, in a folder that exists, got {name}",
            hint="`devenv up --profile` shows the profile here, `--profile=FILE.html` writes a page as well",
        )
    return file
