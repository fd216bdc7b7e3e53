"""HAProxy's runtime interface as far as devenv asks, inside a container of the engine in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.engine.observed import ExecResult
from devenv.render.haproxy import digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes import FakeEngine

CONTAINER = "shop-production-loadbalancer-1"


@dataclass
class FakeBalancer:
    """Knows the pods of the configuration that it took up last; `told` holds what it was told, in order."""

    engine: FakeEngine
    folder: Path
    told: list[str] = field(default_factory=list)
    requests: int = 0
    """In every pod's hands; each look at a pod that is drained finds one fewer."""
    taken_up: str = ""
    states: dict[str, str] = field(default_factory=dict)
    obeys: bool = True
    """Whether it takes up another configuration."""
    silent: int = 0
    """Questions for its pods that get an empty answer, as while a new process takes over."""

    def __post_init__(self) -> None:
        self.engine.when(f"execute {CONTAINER}", self.hear)

    def hear(self) -> None:
        """Take one statement, and have the answer ready."""
        if not self.taken_up:
            self.take_up()
        call = self.engine.calls[-1]
        statement = call.rpartition(" ask ")[2]
        answer = ""
        if "kill -USR2" in call:
            self.told.append("reload")
            if self.obeys:
                self.take_up()
        elif statement == "show stat" and self.silent:
            self.silent -= 1
        elif statement == "show stat":
            answer = self.table()
        elif statement == "show info desc":
            answer = f"Description: {digest_of(self.taken_up)}"
        elif match := re.fullmatch(r"set server pods/(\S+) state (\S+)", statement):
            self.told.append(f"{match[1]} {match[2]}")
            self.states[match[1]] = {"drain": "DRAIN", "ready": "UP"}[match[2]]
        self.engine.answers[:] = [(re.escape(CONTAINER), ExecResult(0, answer))]

    def take_up(self) -> None:
        """Read the configuration in the folder."""
        self.taken_up = (self.folder / "haproxy.cfg").read_text()
        names = re.findall(r"^ +server (\S+)", self.taken_up, re.MULTILINE)
        self.states = {name: self.states.get(name, "UP") for name in names}

    def table(self) -> str:
        """Every pod, as comma-separated values."""
        in_hand = self.requests
        if "DRAIN" in self.states.values():
            self.requests = max(0, self.requests - 1)
        rows = [f"pods,{name},{in_hand},{state}," for name, state in self.states.items()]
        return "\n".join(
            ["# pxname,svname,scur,status,", "entrance,FRONTEND,0,OPEN,", *rows, "pods,BACKEND,0,UP,"]
        )
