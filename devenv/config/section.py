"""What a section of `devenv.yaml` is made of: the model that all share, and the kinds of value that have a name."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from devenv.config.values import Duration, Form, Text, Whole, scalar_text, words

_SCALAR_SCHEMA = {"type": ["string", "number", "boolean"]}
_COMMAND_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ]
}

AnyText = Annotated[str, Text("text that is not empty")]
ImageName = Annotated[str, Text("an image name such as mysql:8.4", r"[^\s]+")]
ServiceName = Annotated[
    str, Text("a service name of letters, digits, dots, - and _", r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
]
DatabaseName = Annotated[
    str, Text("a database name of letters, digits, - and _", r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
]
VariableName = Annotated[str, Text("a variable name such as DB_HOST", r"[A-Za-z_][A-Za-z0-9_.-]*")]
Page = Annotated[str, Text("a path that starts with /", r"/\S*")]
ContainerPath = Annotated[str, Text("an absolute path such as /opt/app", r"/[^:\s]+")]
Port = Annotated[int, Whole(1, 65535)]
Seconds = Annotated[float, Duration()]
Command = Annotated[str | tuple[str, ...], Form(words, _COMMAND_SCHEMA)]
Environment = dict[VariableName, Annotated[str, Form(scalar_text, _SCALAR_SCHEMA)]]


class Section(BaseModel):
    """A mapping whose keys are all known, and whose values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")
