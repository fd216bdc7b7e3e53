"""What the engine and Compose say when they refuse, by table: a stable code and what helps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

FREE_ROOM = "free some room: `devenv gc` and `docker system df` show what is held"
FULL = re.compile(
    r"no space left on device|ENOSPC|have enough free space in|/work/work: no such file or directory",
    re.IGNORECASE,
)
"""How the engine, and what it runs in a build, say that its disk is full.

The last is of a new layer: where the kernel has no room for an overlay's own folder it mounts it all the same, read-only
("failed to create directory work (errno: 28); mounting read-only"), and the engine misses the folder.
"""


@dataclass(frozen=True)
class Refusal:
    """One way in which the engine refuses; `detail` names the pattern's groups."""

    code: str
    reason: str
    hint: str
    detail: dict[str, Any] = field(default_factory=dict)


def _row(pattern: str, code: str, hint: str) -> tuple[re.Pattern[str], str, str]:
    return re.compile(pattern, re.IGNORECASE), code, hint


ROWS = (
    _row(
        r"port is already allocated|address already in use|ports are not available",
        "port_in_use",
        "run `devenv up` again: it chooses a free port for its own services; `devenv doctor` names the holder",
    ),
    _row(FULL.pattern, "disk_full", FREE_ROOM),
    _row(
        r"bind source path does not exist: (?P<mount>.+)",
        "mount_missing",
        "correct the mapping, or create the folder",
    ),
    _row(
        r"mounts denied|(?P<mount>\S+) is not shared from the host",
        "mount_not_shared",
        "share the folder with the engine (Docker Desktop: Settings, Resources, File sharing)",
    ),
    _row(
        r"no matching manifest for|does not (?:match|provide) the (?:specified|requested)? ?platform|exec format error",
        "wrong_architecture",
        "name an image that is made for this machine's architecture, or take a wrong `platform:` away",
    ),
    _row(
        r"failed to solve|did not complete successfully|failed to read dockerfile",
        "build_failed",
        "mend what the last lines name, then run `devenv up` again",
    ),
    _row(
        r"no such image: (?P<reference>\S+)", "image_missing", "correct the image's name, or pull or build it"
    ),
    _row(
        r"pull access denied|manifest unknown|manifest for \S+ not found|repository does not exist|unauthorized"
        r"|requested access to the resource is denied",
        "pull_denied",
        "check the image's name and tag, and `docker login` if it is private",
    ),
    _row(
        r"(?:get|head) \"?https?://\S+/v2/|failed to resolve reference",
        "registry_unreachable",
        "go online, or give the service a `build:` in place of the image",
    ),
    _row(
        r"exec: \"(?P<command>[^\"]*)\": (?:executable file not found|permission denied|is a directory|no such file|stat )",
        "command_not_found",
        "correct `command` or `entrypoint`: the image has no such program, or it is not executable",
    ),
    _row(r"no command specified", "command_not_found", "give the service a `command`: its image has none"),
    _row(
        r"unable to find user (?P<user>[^:\s]+)", "user_unknown", "correct `user`: the image does not know it"
    ),
    _row(
        r"error gathering device information[^\"]*\"(?P<device>[^\"]*)\"",
        "device_missing",
        "correct `devices`: this machine has no such device",
    ),
    _row(
        r"network (?P<network>\S+) (?:declared as external, but could not be )?(?:not )?found",
        "network_missing",
        "create it with `docker network create`, or leave it out",
    ),
    _row(
        r"external volume \"(?P<volume>[^\"]*)\" not found",
        "volume_missing",
        "create it with `docker volume create`, or leave it out",
    ),
    _row(
        r"volume is in use - \[(?P<container>[0-9a-f]{12})",
        "volume_in_use",
        "run the command again when the container is done with it: another user of this engine may be making the same"
        " data; `docker ps --all` names it",
    ),
    _row(
        r"container name \"/?(?P<container>[^\"]*)\" is already in use",
        "name_taken",
        "take `container_name` away: with a name of its own only one environment can run",
    ),
    _row(r"env file (?P<file>\S+) not found", "env_file_missing", "correct `env_file`, or create the file"),
    _row(
        r"services\.[\w.-]+?[. ](?:\S+ )?(?:additional propert|must be|contains|invalid)|"
        r"service \"[\w.-]+\" (?:refers to|depends on|has neither)",
        "service_invalid",
        "correct the service under `services:`; its words are Compose's own",
    ),
)
"""The most telling first. Texts are the engine's and Compose's own, which give no codes for these."""

GONE = re.compile(
    r"cannot connect to the docker daemon|error during connect|is the docker daemon running", re.IGNORECASE
)
"""What the `docker` client says when nobody answers it."""

WRAPPING = re.compile(
    r"^.*unable to start container process: |^(?:error response from daemon|error): |: unknown$",
    re.IGNORECASE,
)
"""Layers of the engine around what matters."""


def refusal(lines: Iterable[str]) -> Refusal | None:
    """What the lines say, by the first row that fits any of them; the last such line is the reason."""
    known = tuple(lines)
    for pattern, code, hint in ROWS:
        for line in reversed(known):
            match = pattern.search(line)
            if match:
                detail = {name: value for name, value in match.groupdict().items() if value}
                return Refusal(code, unwrapped(line), hint, detail)
    return None


def speaks_of_full_disk(lines: Iterable[str]) -> bool:
    """Whether any line says so."""
    return any(FULL.search(line) for line in lines)


def unwrapped(text: str) -> str:
    """The engine's words without the layers around them."""
    return WRAPPING.sub("", WRAPPING.sub("", text.strip())).strip()
