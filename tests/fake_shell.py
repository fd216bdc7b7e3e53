"""The little of a shell that the containers of the fake engine have: as much as the contract asks of an engine."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DISK_BYTES = 2**40
DATA_BYTES = 2**20
"""What `df` and `du` print inside a container."""
DENIED = "32"
STATEMENT_ENDS = re.compile(r"[;&\n]+")


@dataclass
class Program:
    """What a command did: the lines it wrote, whether it still runs, its status, and that on SIGTERM."""

    lines: list[str] = field(default_factory=list)
    status: int = 0
    goes_on: bool = True
    stop_status: int = 0


def interpret(
    command: tuple[str, ...], stdin: bytes, environment: Mapping[str, str], *, privileged: bool
) -> Program:
    """As much of a shell as the contract asks of an engine; an unknown word does nothing and goes on."""
    program = Program()
    is_script = command[:2] == ("sh", "-c")
    statements = STATEMENT_ENDS.split(command[2].replace(">&2", "")) if is_script else [shlex.join(command)]
    for words in (_words(statement, privileged=privileged) for statement in statements):
        match words:
            case ["echo", *rest]:
                program.lines.append(" ".join(rest))
            case ["cat"]:
                program.lines += stdin.decode().splitlines()
            case ["printenv", name]:
                program.lines.append(environment[name])
            case ["exit", status]:
                program.status, program.goes_on = int(status), False
                return program
            case ["trap", action, "TERM"] if action.startswith("exit "):
                program.stop_status = int(action.removeprefix("exit "))
            case ["true"]:
                program.goes_on = False
            case ["du", *_]:
                program.lines.append(str(DATA_BYTES))
            case ["df", *_]:
                program.lines.append(str(DISK_BYTES))
            case _:
                pass
    return program


def _words(statement: str, *, privileged: bool) -> list[str]:
    """The words of a statement, none of one whose quotes reach over several; not everybody may change mounts."""
    try:
        words = shlex.split(statement)
    except ValueError:
        return []
    return words if privileged or words[:1] != ["unshare"] else ["exit", DENIED]
