"""From files to a located document: what is read, what is merged, and what is refused where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from devenv.config.document import Document, Position
from devenv.config.root import find_root
from devenv.config.source import load_document
from devenv.errors import ConfigError, UsageError


def load(
    root: Path, text: str | bytes, *, local: str | None = None, env: str | None = None, **environ: str
) -> Document:
    (root / "devenv.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    if local is not None:
        (root / "devenv.local.yaml").write_text(local)
    if env is not None:
        (root / ".env").write_text(env)
    return load_document(root, environ)


def refused(root: Path, text: str | bytes, **files: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(root, text, **files)
    return [str(problem) for problem in caught.value.problems]


def test_a_folder_that_was_removed_under_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    (tmp_path / "devenv.yaml").touch()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError) as caught:
        find_root(Path())
    assert caught.value.code == "folder_gone"
    assert find_root(tmp_path) == tmp_path


def test_the_nearest_folder_upward_is_the_root(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "devenv.yaml").touch()
    assert find_root(inner) == tmp_path
    (tmp_path / "a" / "devenv.yaml").touch()
    assert find_root(inner) == tmp_path / "a"
    assert find_root(tmp_path) == tmp_path


def test_without_a_file_the_error_names_the_folder_and_the_next_command(tmp_path: Path) -> None:
    for attempt in (lambda: find_root(tmp_path), lambda: load_document(tmp_path, {})):
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert caught.value.code == "config_not_found"
        assert caught.value.where == str(tmp_path)
        assert (
            caught.value.hint
            == "create one with `touch devenv.yaml`: an empty file is the reference environment"
        )


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "--- ~\n", "{}"])
def test_an_empty_file_is_an_empty_document(tmp_path: Path, text: str) -> None:
    document = load(tmp_path, text)
    assert document.data == {}
    assert str(document.position_of(("database", "port"))) == "devenv.yaml:1:1"


def test_values_and_keys_have_places(tmp_path: Path) -> None:
    document = load(tmp_path, "name: a\ndatabase:\n  port: 3\n  seed:\n    - x\n    - {run: y}\n")
    assert document.position_of(("database", "port")) == Position("devenv.yaml", 3, 9)
    assert document.key_position_of(("database", "port")) == Position("devenv.yaml", 3, 3)
    assert str(document.position_of(("database", "seed", 1, "run"))) == "devenv.yaml:6:13"
    assert str(document.position_of(("database", "seed", 1, "service"))) == "devenv.yaml:6:7"
    assert str(document.key_position_of(("database", "seed", 1))) == "devenv.yaml:6:7"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("25:25", "25:25"), ("yes", "yes"), ("No", "No"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("true", True), ("False", False), ("~", None), ("", None), ("null", None),
        ("7", 7), ("-7", -7), ("0x1f", 31), ("0440", 288), ("0o17", 15), ("089", "089"), ("1_000", "1_000"),
        ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("-.inf", float("-inf")), ("2024-01-01", "2024-01-01"),
        ("'7'", "7"), ('"true"', "true"), ("!!str 7", "7"), ("!!int '7'", 7), ("9" * 5000, "9" * 5000), ("=", "="), ("<<", "<<"),
    ],
)  # fmt: skip
def test_scalars_are_read_as_compose_reads_them(tmp_path: Path, written: str, value: Any) -> None:
    found = load(tmp_path, f"key: {written}\n").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_ports_in_a_list_stay_text(tmp_path: Path) -> None:
    assert load(tmp_path, "services: {a: {ports: [25:25, 2222:22]}}").data == {
        "services": {"a": {"ports": ["25:25", "2222:22"]}}
    }


def test_anchors_and_merge_keys_keep_the_place_of_what_they_name(tmp_path: Path) -> None:
    document = load(tmp_path, "x-a: &a {p: 1, q: 2}\nx-b: &b {q: 3, r: 4}\nmail:\n  <<: [*a, *b]\n  p: 9\n")
    assert document.data["mail"] == {"p": 9, "q": 2, "r": 4}
    assert str(document.position_of(("mail", "q"))) == "devenv.yaml:1:19"
    assert str(document.position_of(("mail", "p"))) == "devenv.yaml:5:6"
    assert load(tmp_path, "a: &a {k: 1}\nb: {<<: *a}").data["b"] == {"k": 1}
    twice = "a: &a {k: 1}\nb: &b {k: 2, l: 3}\nc:\n  <<: *a\n  <<: *b\n"
    assert load(tmp_path, twice).data["c"] == {"k": 1, "l": 3}


def test_the_local_file_is_merged_over(tmp_path: Path) -> None:
    document = load(
        tmp_path,
        "name: a\nmail: {port: 1, smtp_port: 2}\ndatabase: {databases: [a, b]}\n",
        local="mail:\n  port: 5\ndatabase:\n  databases: [c]\nfrontend: {port: 80}\n",
    )
    assert document.data == {
        "name": "a",
        "mail": {"port": 5, "smtp_port": 2},
        "database": {"databases": ["c"]},
        "frontend": {"port": 80},
    }
    assert str(document.position_of(("mail", "port"))) == "devenv.local.yaml:2:9"
    assert str(document.position_of(("mail", "smtp_port"))) == "devenv.yaml:2:28"
    assert str(document.position_of(("database", "databases", 0))) == "devenv.local.yaml:4:15"
    # What the local file replaced leaves nothing behind.
    assert ("database", "databases", 1) not in document.positions


def test_an_empty_section_of_the_local_file_leaves_the_one_below_it(tmp_path: Path) -> None:
    document = load(
        tmp_path,
        "backend: {image: 'a:1', environment: {A: b}}\nservices: {cache: {image: redis}}\n",
        local="backend:\n  # image: mine\n  environment: ~\nservices:\n  cache:\nmail:\n",
    )
    assert document.data == {
        "backend": {"image": "a:1", "environment": {"A": "b"}},
        "services": {"cache": {"image": "redis"}},
        "mail": None,
    }
    assert str(document.position_of(("backend", "image"))) == "devenv.yaml:1:18"
    assert load(tmp_path, "backend: {image: 'a:1'}\n", local="backend:\n  # image: mine\n").data == {
        "backend": {"image": "a:1"}
    }


@pytest.mark.parametrize("value", ["/reports/", "[a, b]"])
def test_an_empty_value_of_the_local_file_replaces_what_holds_no_keys(tmp_path: Path, value: str) -> None:
    document = load(tmp_path, f"check: {{report: {value}}}\n", local="check: {report: }\n")
    assert document.data == {"check": {"report": None}}
    assert str(document.key_position_of(("check", "report"))) == "devenv.local.yaml:1:9"


def test_references_are_replaced_and_read_again_where_nothing_is_quoted(tmp_path: Path) -> None:
    document = load(
        tmp_path,
        "a: ${PORT:-3306}\nb: '${PORT:-3306}'\nc: ${USED}\nd: x-${USED}-$$y-$z\ne: ${EMPTY:-}\nf: [\"${USED}\"]\ng: ${ON}\n",
        USED="0x10",
        ON="true",
    )
    assert document.data == {
        "a": 3306,
        "b": "3306",
        "c": 16,
        "d": "x-0x10-$y-$z",
        "e": "",
        "f": ["0x10"],
        "g": True,
    }
    assert document.texts[("c",)] == "0x10"


def test_services_and_anchors_are_left_to_compose(tmp_path: Path) -> None:
    text = "services: {a: {image: '${UNSET}', command: $$x}}\nx-a: '${UNSET}'\n"
    assert load(tmp_path, text).data == {
        "services": {"a": {"image": "${UNSET}", "command": "$$x"}},
        "x-a": "${UNSET}",
    }


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    document = load(tmp_path, "a: ${A}\nb: ${B}\n", env="A=file\nB=file\n", A="process")
    assert document.data == {"a": "process", "b": "file"}


def test_a_reference_that_the_local_file_replaces_is_not_resolved(tmp_path: Path) -> None:
    assert load(tmp_path, "name: ${UNSET}\n", local="name: b\n").data == {"name": "b"}


def test_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    assert refused(
        tmp_path,
        "name: ${UNSET}\nmail:\n  port: 1\n  port: 2\nfrontend: !foo x\n7: x\n",
        local="a: [\n",
        env="ok=1\nnot an entry\n",
    ) == [
        "devenv.yaml:4:3: mail.port: set twice: first in line 3, again in line 4",
        "devenv.yaml:5:11: frontend: unknown tag !foo",
        "devenv.yaml:6:1: expected text as a key, got 7",
        "devenv.local.yaml:2:1: not valid YAML: expected the node content, but found '<stream end>' while parsing a flow node",
        ".env:2:5: expected NAME=value and nothing behind it",
        "devenv.yaml:1:7: name: ${UNSET} is not set",
    ]


def test_an_unset_reference_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "name: ${NAME}\n")
    assert caught.value.hint == "set NAME in the environment or in .env, or write ${NAME:-default}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "devenv.yaml:3:1: a: set twice: first in line 1, again in line 3"),
        ("a: &a [*a]\n", "devenv.yaml:1:4: a[0]: expected a value, got an alias inside of what it names"),
        ("a: &a {<<: *a}\n", "devenv.yaml:1:4: a: expected a value, got an alias inside of what it names"),
        ("a: *b\n", "devenv.yaml:1:4: not valid YAML: found undefined alias 'b'"),
        ("a: {<<: 7}\n", "devenv.yaml:1:9: a: expected a mapping after <<"),
        ("a: !!binary aGk=\n", "devenv.yaml:1:4: a: unknown tag !!binary"),
        ("a: !!set {x}\n", "devenv.yaml:1:4: a: unknown tag !!set"),
        ("a: !!int x\n", "devenv.yaml:1:4: a: expected a value that fits !!int, got x"),
        ("true: 1\n", "devenv.yaml:1:1: expected text as a key, got true"),
        ("? [x]\n: 1\n", "devenv.yaml:1:3: expected text as a key, got a collection"),
        ("~: 1\n", "devenv.yaml:1:1: expected text as a key, got ~"),
        ("a:\n\t- b\n", "devenv.yaml:2:1: a tab cannot stand here; use spaces"),
        ("a: \x01\n", "devenv.yaml:1:4: expected text, got the control character U+0001"),
        ("b: 1\na: x\x00y\n", "devenv.yaml:2:5: expected text, got the control character U+0000"),
        ('a: "x\\0"\n', "devenv.yaml:1:4: a: expected text, got a control character"),
        ('a: "\\uD800"\n', "devenv.yaml:1:4: a: expected text, got a control character"),
        ('"\\0": 1\n', "devenv.yaml:1:1: expected text as a key, got a control character"),
        ('a: "\\UFFFFFFFF"\n', "devenv.yaml:1:7: expected a valid escape sequence"),
        ("--- {}\n--- {}\n", "devenv.yaml:2:1: expected one document, got another after ---"),
        ("- a\n", "devenv.yaml:1:1: expected keys such as `name: shop` at the top level"),
        ("text\n", "devenv.yaml:1:1: expected keys such as `name: shop` at the top level"),
        (b"a: 1\nb: \xff\n", "devenv.yaml:2:4: expected UTF-8, got the byte 0xff"),
        ("\ufeffa: 1\n", "devenv.yaml:1:1: expected UTF-8, got a byte order mark"),
        ("a: 1\n".encode("utf-16"), "devenv.yaml:1:1: expected UTF-8, got a byte order mark"),
        ("a: " + "[" * 3000, "devenv.yaml:1:53: not valid YAML: expected at most 50 levels"),
        (b"#" * 1_000_001, "devenv.yaml:1:1: expected at most 1,000,000 bytes, got more"),
        ("%YAML 3.0\n--- {}", "devenv.yaml:1:1: not valid YAML: found incompatible YAML document (version 1.* is required)"),
        ("a: ${B", "devenv.yaml:1:4: a: expected a } that closes ${"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_its_place(tmp_path: Path, text: str | bytes, problem: str) -> None:
    assert refused(tmp_path, text) == [problem]


def test_aliases_of_aliases_do_not_grow_without_bound(tmp_path: Path) -> None:
    lines = ["a0: &a0 x"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (problem,) = refused(tmp_path, "\n".join(lines))
    assert problem.endswith("expected at most 20,000 values; aliases repeat too much")


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "devenv.local.yaml").mkdir()
    (tmp_path / ".env").mkdir()
    assert refused(tmp_path, "") == [
        "devenv.local.yaml:1:1: expected a file, got a folder",
        ".env:1:1: expected a file, got a folder",
    ]


def test_a_folder_named_devenv_yaml_is_found_and_refused(tmp_path: Path) -> None:
    (tmp_path / "devenv.yaml").mkdir()
    assert find_root(tmp_path) == tmp_path
    with pytest.raises(ConfigError, match="expected a file, got a folder"):
        load_document(tmp_path, {})


def test_a_device_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "devenv.yaml")
    with pytest.raises(ConfigError, match="expected a file, got a device"):
        load_document(tmp_path, {})


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "devenv.yaml").symlink_to("nowhere")
    with pytest.raises(ConfigError) as caught:
        load_document(tmp_path, {})
    assert str(caught.value.problems[0]) == "devenv.yaml:1:1: cannot be read: No such file or directory"


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "devenv.yaml").touch()

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "open", refuse)  # root, as whom CI may run, reads everything
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        load_document(tmp_path, {})
