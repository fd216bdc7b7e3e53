"""What `.dockerignore` keeps out, by the rules of Docker's reference."""

from __future__ import annotations

import pytest

from devenv.images.ignore import IgnoreRules


@pytest.mark.parametrize(
    ("text", "entered", "left"),
    [
        ("*\n!src", [], ["data", "src/x"]),
        ("*\n!src/keep/this", ["src", "src/keep"], ["data", "src/other", "src/keep/this"]),
        ("*\n!*/keep", ["src", "data"], ["src/x"]),
        ("*\n!**/keep", ["src", "src/x/y"], []),
        ("src\ndata/**", [], ["src", "data"]),
    ],
)
def test_which_folders_that_are_out_have_to_be_entered(
    text: str, entered: list[str], left: list[str]
) -> None:
    rules = IgnoreRules.of(text)
    assert [name for name in (*entered, *left) if rules.may_keep_below(name)] == entered


@pytest.mark.parametrize(
    ("text", "out", "kept"),
    [
        ("", [], ["a", "a/b"]),
        ("# a\n\n  \n", [], ["a", "# a"]),
        ("a", ["a", "a/b", "a/b/c"], ["b/a", "ab"]),
        ("/a/", ["a", "a/b"], ["b/a"]),
        ("./a/../b", ["b", "b/c"], ["a"]),
        ("*/temp*", ["x/temp", "x/temporary.txt", "x/temp/y"], ["temp", "x/y/temp"]),
        ("temp?", ["tempa", "tempb/c"], ["temp", "tempab"]),
        ("**/*.go", ["a.go", "x/a.go", "x/y/a.go"], ["a.go.txt"]),
        ("**/data", ["data", "data/x", "x/data", "x/y/data/z"], ["database"]),
        ("a/**", ["a/b", "a/b/c"], ["b/a"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/bz"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "[a-c]x"]),
        ("[^a]x", ["bx"], ["ax"]),
        ("\\*", ["*"], ["a"]),
        ("a.b", ["a.b"], ["aXb"]),
        ("[", [], ["a"]),
        ("*.md\n!README.md", ["a.md"], ["README.md"]),
        ("*.md\n!README*.md\nREADME-secret.md", ["a.md", "README-secret.md"], ["README-x.md"]),
        ("a\n!a/keep", ["a/b"], ["a/keep", "a/keep/x"]),
        ("!x\n*", ["x", "y"], []),
    ],
)
def test_what_is_out_and_what_is_in(text: str, out: list[str], kept: list[str]) -> None:
    rules = IgnoreRules.of(text)
    assert [name for name in (*out, *kept) if rules.keeps_out(name)] == out
