"""Every error says what it is about: the texts that are raised, read from the source.

A text names something by a value in it, or by an option. Those that do neither are listed here,
each with its reason; the list is to become shorter.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from rootless.errors import UsageError
from rootless.oci.errors import Error
from tests.test_house import SOURCES, short

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

OPTION = re.compile(r"(?<!\w)--?[a-z][\w-]*")
ALONE = re.compile(
    r"(os\.strerror\(.*\)|\w+\.strerror|\w+\.message|str\(\w+\)|\w+\.args\[0\]|error(!r)?|reason)"
)
"""What says how it went wrong, and not with what."""

KINDS = {
    r"^which .*\?$": "nothing was named; the hint says how",
    r"^the image host\b": "that is its name",
    r"\b(standard (in|out)put|terminal|the archive: nobody)\b": "there is one in a command",
    r"^cannot (make|enter|mount|write).*(namespace|anything here|network)": "of this machine",
    r"^(this kernel|neither a )": "of this machine",
    r"^(the (process|supervisor|start|settings)|the container's|cannot map the ids).*\b"
    r"(killed|interrupted|missing|namespace)\b": (
        "of the one container that is started; where there are several, output.each names it"
    ),
}
"""Kinds of texts without a name -> why they need none."""

WITHIN = {
    "oci/archive.py": "images.transfer.loading, pulling and copying put the archive before it",
    "oci/artifacts.py": "decode, in the same file, has its subject before it",
    "oci/distribution/auth.py": "registry.Repository makes its own error of it, with the host",
    "oci/distribution/registries.py": "its caller in the file has the key and the path before it",
    "oci/layers/tar.py": "what opens the archive names it, as that of oci/archive.py",
    "oci/signatures/": "images.policy has the image and policy.json before it",
    "rootless/images/mending.py": "its callers have what is to be mended before it",
    "rootless/build/carriers/opening.py": "course.lazily has the cache before it",
    "rootless/registry/catalogue.py": "an answer to a request, which names it",
}
"""Files whose errors are a reason within another's sentence -> who begins that."""

TEXTS = {
    "nobody says whether to continue": "the answer to the question of one command",
    "there is no container yet": "none has a name",
    "help is asked for": "it is caught and told to nobody",
    "the copy was given up": "it ends threads, whose first error is told",
    "cannot read a blob": "as above: the first error of a copy is told with its place",
    "the seccomp profile has no defaultAction": "the words of a front end know the file and look",
    "cannot compile the seccomp profile": "as above, and the reason has the rule",
    "cannot mount with fuse-overlayfs": "its own words are the reason, and name what it mounts",
}
"""Beginnings or parts of texts -> why they need no name."""


def errors() -> set[str]:
    """Return the names of all classes of errors."""
    found, more = {"Error"}, True
    trees = [ast.parse(path.read_text()) for path in SOURCES]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while more:
        new = {one.name for one in classes if {ast.unparse(base) for base in one.bases} & found}
        more = not new <= found
        found |= new
    return found


def made() -> Iterator[tuple[str, ast.Call]]:
    """Yield the place of each error that is made with a text, and the call."""
    names = errors()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            text = isinstance(node.args[0], ast.Constant | ast.JoinedStr)
            if text and ast.unparse(node.func).split(".")[-1] in names:
                yield f"{short(path)}:{node.lineno}", node


def parts(text: ast.expr) -> tuple[str, list[str]]:
    """Return the constant words of a text, and what is put into it."""
    if isinstance(text, ast.Constant):
        return str(text.value), []
    assert isinstance(text, ast.JoinedStr)
    words = [str(one.value) for one in text.values if isinstance(one, ast.Constant)]
    values = [ast.unparse(v.value) for v in text.values if isinstance(v, ast.FormattedValue)]
    return "".join(words), values


def names_something(words: str, values: list[str]) -> bool:
    return bool(OPTION.search(words)) or not all(ALONE.fullmatch(value) for value in values)


MADE = list(made())
NAMELESS = [
    (place, parts(call.args[0])[0])
    for place, call in MADE
    if not names_something(*parts(call.args[0]))
]


def test_texts_are_found() -> None:
    assert len(MADE) > 700


def test_every_text_names_what_it_is_about() -> None:
    wrong = [
        f"{where}: {words}"
        for where, words in NAMELESS
        if not any(re.search(kind, words) for kind in KINDS)
        and not any(where.startswith(place) for place in WITHIN)
        and not any(text in words for text in TEXTS)
    ]
    assert wrong == []


def test_no_exception_is_left_over() -> None:
    texts = [words for _, words in NAMELESS]
    files = {where for where, _ in NAMELESS}
    assert [kind for kind in KINDS if not any(re.search(kind, text) for text in texts)] == []
    assert [place for place in WITHIN if not any(file.startswith(place) for file in files)] == []
    assert [one for one in TEXTS if not any(one in text for text in texts)] == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("'no such thing'", False),
        ("'--all and names exclude each other'", True),
        ("'-v needs a path'", True),
        ("f'cannot read: {error.strerror}'", False),
        ("f'cannot read {path}: {error.strerror}'", True),
        ("f'{error.message}'", False),
        ("'a well-known path'", False),
    ],
)
def test_what_counts_as_a_name(text: str, named: bool) -> None:
    assert names_something(*parts(ast.parse(text, mode="eval").body)) is named


def test_questions_say_how_to_answer() -> None:
    asked = [(where, call) for where, call in MADE if parts(call.args[0])[0].endswith("?")]
    assert [where for where, call in asked if len(call.args) < 2] == []


def test_what_an_error_is_about_is_said_once() -> None:
    error = UsageError("no such thing", "make one", field="x")
    assert error.about("here") is error
    assert (str(error), error.args) == ("here: no such thing (make one)", ("here: no such thing",))
    assert str(error.about("here")) == "here: no such thing (make one)"
    assert (error.message, error.hint, error.field) == ("here: no such thing", "make one", "x")
    assert str(Error("a of here").about("here")) == "a of here"
