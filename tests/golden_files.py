"""Files of text that a test compares with; `UPDATE_GOLDEN=1` writes them anew, and the diff is to be read."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "golden"
UPDATING = bool(os.environ.get("UPDATE_GOLDEN"))
"""Read while the tests are collected: they themselves run in a sealed environment."""


def check(name: str, text: str) -> None:
    """The text is byte for byte what the golden file of that name holds."""
    file = FOLDER / name
    if UPDATING:
        file.write_bytes(text.encode())
    assert file.exists(), f"{file} is missing: UPDATE_GOLDEN=1 writes it"
    golden = file.read_bytes().decode()
    assert text == golden
