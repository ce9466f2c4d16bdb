"""Small Dockerfiles and their trees, and those that are wrong with what is said of them."""

from __future__ import annotations

import pytest

from rootless.build.dockerfile.errors import DockerfileError
from rootless.build.dockerfile.parsing import parse, syntax
from rootless.build.dockerfile.tree import quote, tree
from tests.build.dockerfile.cases import cases

pytestmark = pytest.mark.once

TREES = [case for name in ("instructions", "lines", "heredocs") for case in cases(name)]
ERRORS = cases("errors")


def names(found: list[tuple[str, str, str]]) -> list[str]:
    return [about.replace(" ", "-") for about, _, _ in found]


@pytest.mark.parametrize(("about", "text", "expected"), TREES, ids=names(TREES))
def test_trees(about: str, text: str, expected: str) -> None:
    assert tree(syntax(text, "Dockerfile")) == expected, about


@pytest.mark.parametrize(("about", "text", "expected"), TREES, ids=names(TREES))
def test_trees_with_the_line_ends_of_windows(about: str, text: str, expected: str) -> None:
    marked = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    assert tree(syntax(marked, "Dockerfile")) == expected, about


@pytest.mark.parametrize(("about", "text", "expected"), ERRORS, ids=names(ERRORS))
def test_errors(about: str, text: str, expected: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(text, "Dockerfile")
    error = caught.value
    told = [str(error), error.excerpt()] if error.line else [str(error)]
    assert "\n".join(told) + "\n" == expected, about


def test_an_error_knows_its_place() -> None:
    with pytest.raises(DockerfileError) as caught:
        parse("FROM a\nRUN b \\\n # c\n --x\n\tCOPPY d", "some/Dockerfile")
    error = caught.value
    assert (error.file, error.line, error.column, error.end) == ("some/Dockerfile", 5, 1, 6)
    assert (error.reason, error.hint) == ("unknown instruction: COPPY", "did you mean COPY?")
    assert error.excerpt() == "   5 |  COPPY d\n     |  ^^^^^"


def test_an_excerpt_of_a_long_line_is_short() -> None:
    text = "FROM a\nCOPY --from=b " + "x" * 500 + " --chown " + "y" * 500
    with pytest.raises(DockerfileError) as caught:
        parse(text + "\nCOPY " + "--link=" + "z" * 1000 + " a b", "Dockerfile")
    lines = caught.value.excerpt().splitlines()
    assert max(map(len, lines)) < 200
    assert lines[1].endswith("^" * 6)


def test_an_excerpt_shows_no_escapes() -> None:
    with pytest.raises(DockerfileError) as caught:
        parse("FROM a\nRUN --\x1b[31m --nope b", "Dock\x1berfile")
    assert "\x1b" not in caught.value.excerpt()
    assert caught.value.excerpt().splitlines()[0] == "   2 | RUN --\\x1b[31m --nope b"


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a b", '"a b"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        ("\0\x1b\x7f", r'"\x00\x1b\x7f"'),
        ("é\u200b\ue000\U000e0001😀", '"é\\u200b\\ue000\\U000e0001😀"'),
        ("\udcff", r'"\xff"'),
    ],
)
def test_strings_are_quoted_as_by_go(text: str, quoted: str) -> None:
    assert quote(text) == quoted
