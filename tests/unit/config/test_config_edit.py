"""One value changed in `devenv.yaml`, and all around it as it was."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devenv.config.edit import with_value
from devenv.errors import OperationError
from tests.harness import REPOSITORY

IMAGE = ("database", "image")
ZONE = ("database", "parameters", "time_zone")


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ("", ZONE, "UTC", "database:\n  parameters:\n    time_zone: UTC\n"),
        ("name: shop", IMAGE, "mysql:8.0", "name: shop\ndatabase:\n  image: mysql:8.0\n"),
        ("database:\n  image: mysql:8.4   # why\n", IMAGE, "mysql:8.0", "database:\n  image: mysql:8.0   # why\n"),
        ("database:\n  image: 'it''s'\n", IMAGE, "mysql:8.0", "database:\n  image: mysql:8.0\n"),
        ('database: {image: "a\\"b", port: 1}\n', IMAGE, "mysql:8.0", "database: {image: mysql:8.0, port: 1}\n"),
        ("database: {port: 1}  # c\n", ZONE, "UTC", "database: {parameters: {time_zone: UTC}, port: 1}  # c\n"),
        ("database:\n  parameters: {}\n", ZONE, "UTC", "database:\n  parameters:\n    time_zone: UTC\n"),
        ("database:\n  parameters: {}   # why\n  port: 1\n", ZONE, "UTC", "database:\n  parameters:   # why\n    time_zone: UTC\n  port: 1\n"),
        ("database: {parameters: {}}\n", ZONE, "UTC", "database: {parameters: {time_zone: UTC}}\n"),
        ("database: {}", IMAGE, "a", "database:\n  image: a\n"),
        ("database:\n  parameters: {a: 1}\n", ZONE, "UTC", "database:\n  parameters: {time_zone: UTC, a: 1}\n"),
        ("database:\n    # first\n    port: 1\n", ZONE, "+00:00", "database:\n    # first\n    parameters:\n      time_zone: +00:00\n    port: 1\n"),
        ("database:\n  parameters:\n  port: 1\n", ZONE, "UTC", "database:\n  parameters:\n    time_zone: UTC\n  port: 1\n"),
        ("database:\nname: x\n", IMAGE, "a", "database:\n  image: a\nname: x\n"),
        ("database:\r\n  port: 1\r\n", IMAGE, "a", "database:\r\n  image: a\r\n  port: 1\r\n"),
        ("database: {parameters: {time_zone: '1'}}", ZONE, "a, b", 'database: {parameters: {time_zone: "a, b"}}'),
        ("database: {parameters: {time_zone: 1.10}}", ZONE, "0440", 'database: {parameters: {time_zone: "0440"}}'),
        ("database: {parameters: {time_zone: a}}", ZONE, "true", 'database: {parameters: {time_zone: "true"}}'),
        ("a: $${X}\nb: ${HOME}\ndatabase: {image: a}\n", IMAGE, "b", "a: $${X}\nb: ${HOME}\ndatabase: {image: b}\n"),
    ],
)  # fmt: skip
def test_only_the_value_changes(before: str, path: tuple[str, ...], value: str, after: str) -> None:
    assert with_value(before, path, value) == after
    assert with_value(after, path, value) == after


@pytest.mark.parametrize(
    "text",
    [
        "x-a: &a {image: q}\ndatabase: *a\n",
        "x-a: &a {image: q}\ndatabase:\n  <<: *a\n  port: 1\nbackend: *a\n",
        "database:\n  image: ${IMAGE:-mysql}\n",
        "database:\n  image: >\n    folded\n",
        "database: [image]\n",
        "database: {image: a\n",
        "- database\n",
        "name: a\n---\nname: b\n",
    ],
)
def test_what_would_change_something_else_is_left_to_the_user(text: str) -> None:
    with pytest.raises(OperationError) as caught:
        with_value(text, IMAGE, "mysql:8.0")
    assert caught.value.code == "cannot_edit"
    assert caught.value.hint == "write it yourself: database.image: mysql:8.0"


@settings(max_examples=30)
@given(value=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp"))))
def test_any_value_is_read_back_as_itself_or_refused(value: str) -> None:
    reference = (REPOSITORY / "devenv.yaml").read_text(encoding="utf-8")
    try:
        text = with_value(reference, ZONE, value)
    except OperationError:
        return
    same = [line for line in text.splitlines() if line in reference.splitlines()]
    assert len(same) == len(reference.splitlines()) - 1
