"""What devenv does otherwise than production on purpose, and why: the differences that are always expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAPPED_CODE = "the code is mapped over the image's, so that it is live"
MAPPED_USER = "runs as the owner of the mapped code, so that files written there are the developer's"
MARKER = "devenv's mark that the data are complete"
BRANCH = "the data are a branch of a snapshot, so that they can be reset"
READ_ONLY = "mounted read-only here: it is only served from there"
SHARED = "what workers generate is served too, so that they share the volume here"
LOOPBACK = "published on 127.0.0.1 alone, for the developer"
MOVED_PORT = "the port was taken, and a free one is used"
STAND_IN = "made of Debian's packages in place of {}, as no registry was reached"
RECIPE = "built here from its recipe"
START = (
    "started by devenv, which prepares nothing where the data are there; options are compared as variables"
)
MAIL = "the mail catcher takes the place of the relay"
BALANCER = "one pod needs no balancer; `devenv up --production` runs it"
MANAGED = "a container takes the place of the managed service"
OUR_DATABASE = "the database here takes the place of production's"
SECRET = "production's secrets stay there"  # noqa: S105 - a sentence
UNKNOWN_FILE = "may be set in {}, which is not beside the manifest"
PROBE = "probed by devenv, which waits until it serves"
PACE = "probed at the pace of development"
RESTART = "what dies again and again stays down here, so that its cause is seen"
FAST = "development trades durability for speed and memory"
MACHINE = "the managed service sets it for its own machines"
FORMULA = "computed of the size of production's machine"

ONLY_HERE: Mapping[str, str] = {
    "DEBUG": "development shows errors in full",
    "RELOAD": "changed code is taken up at once",
    "SITE_URL": "the address here",
    "MAIL_HOST": MAIL,
    "MAIL_PORT": MAIL,
    "HEARTBEAT_FILE": "touched for devenv's health check",
    "STOP_GRACE": "how long devenv lets a worker finish its job",
    "DB_NAME": "the first of database.databases",
    "MYSQL_ROOT_PASSWORD": "the password is for everybody here",
    "MYSQL_DATABASE": "the first of database.databases",
}
"""Variables that devenv sets by itself."""

OTHER_VALUE: Mapping[str, str] = {
    name: reason for name, reason in ONLY_HERE.items() if name not in {"DB_NAME", "MYSQL_DATABASE"}
}
"""Of these the value too is devenv's affair."""

OF_THE_DATABASE = frozenset({"DB_HOST", "DB_PORT", "DB_USER", "DB_PWD"})
"""They lead to the database, which is another one where production's is a managed service."""
