"""How manifests write durations, sizes and processors: text into seconds, bytes and a number of cores."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b?)", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def seconds(text: str) -> float | None:
    """`1m30s`, `500ms` or a bare number of seconds; None for anything else."""
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def size(text: str, *, decimal: bool = False) -> int | None:
    """`512m`, `1GB` or bytes, in powers of 1024; None for anything else.

    With `decimal`, as Kubernetes reads it, `M` is a million and only `Mi` is 1024 * 1024.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    base = 1000 if decimal and "i" not in match[3].lower() else 1024
    return int(float(match[1]) * base ** _POWER[match[2].lower()])


def cores(text: str) -> float | None:
    """`0.5` or, as Kubernetes writes it, `500m`; None for anything else."""
    match = re.fullmatch(r"(\d*\.?\d+)(m?)", text)
    return None if match is None else float(match[1]) / (1000 if match[2] else 1)
