"""References in values and entries in `.env`."""

from __future__ import annotations

import pytest

from devenv.config.variables import VariableError, interpolate, parse_env_file

VARIABLES = {"SET": "value", "EMPTY": "", "BAD": "\udcff", "DOLLAR": "${SET}"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${SET}", "value"),
        ("a${SET}b${SET}", "avaluebvalue"),
        ("${EMPTY}", ""),
        ("${SET:-x}", "value"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${UNSET-x}", "x"),
        ("${UNSET:-}", ""),
        ("${UNSET:-a:-b}", "a:-b"),
        ("${UNSET:-${ALSO:-deep}}!", "deep!"),
        ("${SET:-${UNSET}}", "value"),
        ("${UNSET:-$${}", "${"),
        ("${SET:?message}", "value"),
        ("${EMPTY?message}", ""),
        ("$$", "$"),
        ("$${SET}", "${SET}"),
        ("$$$$", "$$"),
        ("$", "$"),
        ("$SET", "$SET"),
        ("${DOLLAR}", "${SET}"),
        ("", ""),
    ],
)
def test_a_reference_is_replaced(text: str, result: str) -> None:
    assert interpolate(text, VARIABLES) == result


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${UNSET}", "${UNSET} is not set"),
        ("${UNSET:?give it}", "${UNSET} is not set: give it"),
        ("${EMPTY:?give it}", "${EMPTY} is not set: give it"),
        ("${UNSET?}", "${UNSET} is not set"),
        ("${}", "expected ${NAME}, ${NAME:-default} or ${NAME:?message}, got ${}"),
        ("${SET:+x}", "expected ${NAME}, ${NAME:-default} or ${NAME:?message}, got ${SET:+x}"),
        ("${1}", "expected ${NAME}, ${NAME:-default} or ${NAME:?message}, got ${1}"),
        ("a ${SET", "expected a } that closes ${"),
        ("${A:-" * 20 + "}" * 20, "expected at most 8 references inside each other"),
        ("${BAD}", "expected text, got a control character or bytes that are not UTF-8 from a variable"),
    ],
)
def test_a_reference_that_means_nothing_is_refused(text: str, problem: str) -> None:
    with pytest.raises(VariableError) as caught:
        interpolate(text, VARIABLES)
    assert caught.value.text == problem


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("export A=1\r\n  B = 2  \r\n", {"A": "1", "B": "2"}),
        ("# c\n\nA=1 # c\nB=a#b\nC=# c\nD=#c", {"A": "1", "B": "a#b", "C": "", "D": ""}),
        ('A=\'x # y\' # c\nB="x\\ny\\"\\d"\n', {"A": "x # y", "B": 'x\ny"\\d'}),
        ('A="two\nlines"\nB=1', {"A": "two\nlines", "B": "1"}),
        ("A=\nB=''\nC", {"A": "", "B": ""}),
        ("A=b=c\nA=d", {"A": "d"}),
        ("A=$B ${C}", {"A": "$B ${C}"}),
        ("", {}),
    ],
)
def test_an_env_file_is_read_literally(text: str, entries: dict[str, str]) -> None:
    assert parse_env_file(text) == (entries, [])


def test_every_line_that_is_no_entry_is_named_and_the_rest_is_read() -> None:
    entries, problems = parse_env_file('=1\nA=1\nB=\'x\nC="1" 2\nD=4\n')
    assert entries == {"A": "1", "D": "4"}
    assert [(problem.text, problem.offset) for problem in problems] == [
        ("expected NAME=value", 0),
        ("expected a closing quote", 9),
        ("expected NAME=value and nothing behind it", 17),
    ]
