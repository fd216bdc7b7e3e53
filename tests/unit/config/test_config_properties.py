"""Whatever stands in the files: settings, or an error that names the place. Never anything else."""

# ruff: noqa: PT017 # an error is one of two allowed ends, so pytest.raises cannot say it
from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devenv.config.document import Document
from devenv.config.explain import explain
from devenv.config.parse import parse_settings
from devenv.config.reference import Defaults
from devenv.config.settings import Settings
from devenv.config.source import load_document
from devenv.config.variables import UNUSABLE, VariableError, interpolate, parse_env_file
from devenv.errors import ConfigError

QUICK = settings(derandomize=True, max_examples=40, database=None,
                 suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
DEFAULTS = Defaults("folder", ("./a:/b",), ("x.sql", {"run": "y"}), "compose/backend", "compose/frontend")

KEYS = st.sampled_from(
    ["name", "images", "bind", "database", "mail", "backend", "taskrunner", "frontend", "services", "check", "production",
     "image", "build", "port", "smtp_port", "seed", "file", "run", "service", "databases", "aliases", "parameters", "healthcheck",
     "http", "command", "heartbeat", "interval", "stale_after", "mappings", "environment", "queue", "replicas", "allow", "ports",
     "root_password", "published", "x-a"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["app", "backend", "/x", "./a:/b", "2s", "auto", 80, 8000, "80:80", "${A}", "0.0.0.0", "", "\ud800"]
)  # fmt: skip
NESTED = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
YAML = st.lists(
    st.sampled_from(
        ["name", "database", "port", ": ", ":", "\n", "\n  ", "\n- ", "- ", "[", "]", "{", "}", ", ", "&a ", "*a", "<<: ", "!!int ", "!x ",
         "|\n", ">\n", "'", '"', "\\", "\\U", "\\x0", "#", "---\n", "...\n", "%", "?", "\t", "0", "7", "${", "}", "$$", ":-", "~", "\r\n", "é", "@", "`"]
    )
    | st.text(max_size=3),
    max_size=20,
).map("".join)  # fmt: skip


def attempt(document: Document) -> None:
    try:
        parsed = parse_settings(document, DEFAULTS)
    except ConfigError as error:
        assert error.problems
        assert all(problem.where and problem.text for problem in error.problems)
        assert all("Input should" not in problem.text for problem in error.problems)
    else:
        assert isinstance(parsed, Settings)
        assert explain(parsed, document)


@QUICK
@given(st.dictionaries(KEYS, NESTED, max_size=5))
@example({"services": {"a": {"ports": [{"published": "²"}]}}})
def test_any_data_gives_settings_or_a_located_error(data: dict[str, Any]) -> None:
    attempt(Document(data, {}))


@QUICK
@given(
    st.sampled_from(
        ["database", "mail", "backend", "taskrunner", "frontend", "services", "check", "production"]
    ),
    KEYS,
    NESTED,
)
@example("services", "a", {"ports": [{"host_ip": [], "published": True}]})
def test_any_value_under_any_key_of_a_section(section: str, key: str, value: Any) -> None:
    attempt(Document({section: {key: value}}, {}))


@pytest.mark.parametrize("key", [1, None, True, (1, 2)])
def test_keys_that_are_no_text_are_problems(key: Any) -> None:
    found: list[dict[Any, Any]] = [
        {key: 1},
        {"services": {key: {}}},
        {"backend": {"environment": {key: 1}}},
        {"mail": {key: 1}},
    ]
    for data in found:
        with pytest.raises(ConfigError):
            parse_settings(Document(data, {}), DEFAULTS)


@pytest.fixture(scope="module")
def folder() -> Any:
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@QUICK
@given(text=YAML, local=YAML)
@example(text='name: "\\UFFFFFFFF"', local="")
@example(text="a: &a {<<: [*a, *a]}", local="&a *a : b")
def test_any_text_gives_settings_or_a_located_error(folder: Path, text: str, local: str) -> None:
    (folder / "devenv.yaml").write_bytes(text.encode(errors="surrogatepass"))
    (folder / "devenv.local.yaml").write_bytes(local.encode(errors="surrogatepass"))
    try:
        document = load_document(folder, {})
    except ConfigError as error:
        assert all(problem.where.startswith("devenv.") for problem in error.problems)
    else:
        attempt(document)


@QUICK
@given(st.binary(max_size=40))
def test_any_bytes_give_settings_or_a_located_error(folder: Path, content: bytes) -> None:
    for name in ("devenv.yaml", ".env"):
        (folder / "devenv.yaml").write_bytes(b"")
        (folder / "devenv.local.yaml").write_bytes(b"")
        (folder / name).write_bytes(content)
        try:
            load_document(folder, {})
        except ConfigError as error:
            assert all(problem.where.startswith(f"{name}:") for problem in error.problems)
        finally:
            (folder / name).unlink()


@QUICK
@given(st.text(alphabet="${}:-?AB$ x'\"=\n#\\", max_size=30))
def test_any_reference_and_any_entry_is_read_or_refused(text: str) -> None:
    entries, refused = parse_env_file(text)
    assert all(0 <= problem.offset <= len(text) for problem in refused)
    try:
        result = interpolate(text, {**entries, "A": "a"})
    except VariableError as error:
        assert error.text
    else:
        assert not UNUSABLE.search(result)
        assert "$" in text or result == text


@QUICK
@given(st.text(max_size=20))
def test_doubled_dollars_protect_any_text(text: str) -> None:
    if not UNUSABLE.search(text):
        assert interpolate(text.replace("$", "$$"), {}) == text
