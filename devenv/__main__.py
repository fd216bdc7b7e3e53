"""The program's entry, also as `python -m devenv`."""

from __future__ import annotations

import sys

from devenv import __version__


def console() -> None:
    """Run this process's command line; its exit status is the process's.

    The version is what other programs ask for, before anything: it waits for no import.
    """
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"devenv {__version__}\n")
        return
    from devenv.cli.app import main  # noqa: PLC0415

    sys.exit(main())


if __name__ == "__main__":
    console()
