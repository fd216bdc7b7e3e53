"""A minimal Debian made of its packages, for machines that reach no registry."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.engine.apt import AptSource, read_apt_sources
from devenv.engine.host import HostCommand, find_program, stream
from devenv.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE = 1 << 20
DEBIAN_SUITES = ("bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@contextmanager
def root_file_system(suite: str) -> Iterator[Iterable[bytes]]:
    """A Debian of `suite` with apt and nothing else, as a tar stream in pieces.

    The packages come from where this machine's own apt gets Debian's, else from mmdebstrap's default.
    Raises ImageError where mmdebstrap is missing, OperationError where it fails.
    """
    if find_program("mmdebstrap") is None:
        raise ImageError(
            "no registry can be reached, and mmdebstrap is not here to make the base image of packages",
            code="bootstrap_missing",
            hint="run `devenv setup`, which installs it on Debian and Ubuntu; elsewhere go online",
        )
    with stream(HostCommand(bootstrap_command(suite, read_apt_sources()))) as tar:
        yield iter(lambda: tar.read(PIECE), b"")


def bootstrap_command(suite: str, sources: tuple[AptSource, ...]) -> tuple[str, ...]:
    """The command line that writes the tar to its standard output."""
    mirror = debian_mirror(sources)
    command = ["mmdebstrap", "--quiet", "--variant=apt", "--include=ca-certificates"]
    if KEYRING.exists():
        command.append(f"--keyring={KEYRING}")
    return (*command, suite, "-", *([mirror] if mirror else []))


def debian_mirror(sources: tuple[AptSource, ...]) -> str | None:
    """The first address from which this machine gets Debian itself, not its security updates."""
    for source in sources:
        if "main" in source.components and any(suite in DEBIAN_SUITES for suite in source.suites):
            return source.uris[0]
    return None
