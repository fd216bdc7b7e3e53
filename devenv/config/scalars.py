"""How a bare word in YAML is read: one grammar for the parser and for what replaces `${NAME}`."""

from __future__ import annotations

import re
from typing import Any

TAG = "tag:yaml.org,2002:"

# Compose's reading, so that what stands under `services` means here what it means there: yes, no, on and
# off are text, 25:25 and 2024-01-01 are text, 0440 is octal. Longer digits are text: no setting is as big.
PLAIN = {
    "bool": re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
    "null": re.compile(r"(?:~|null|Null|NULL|)\Z"),
    "int": re.compile(r"(?:[-+]?(?:0|[1-9][0-9]{0,17})|0o?[0-7]{1,17}|0x[0-9a-fA-F]{1,15})\Z"),
    "float": re.compile(
        r"(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
}


def kind_of(text: str) -> str:
    """`bool`, `null`, `int`, `float` or `str`."""
    return next((kind for kind, pattern in PLAIN.items() if pattern.match(text)), "str")


def read_as(kind: str, text: str) -> Any:
    """The value that `text`, which has the form of `kind`, stands for."""
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "float":
        # YAML writes .inf and .nan where Python has inf and nan.
        return float(text.replace(".", "") if text[-1] in "fFnN" else text)
    if kind == "int":
        if text.startswith("0x"):
            return int(text, 16)
        return int(text.replace("o", ""), 8) if text.startswith("0") else int(text)
    return text
