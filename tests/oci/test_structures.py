"""Checked structures: what fits is read, and what does not is refused in words that lead to it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rootless.oci import jsonio, models
from rootless.oci.errors import ImageError
from rootless.oci.structures import Misfit, Structure, camel, kebab, pascal, read_list

pytestmark = pytest.mark.once


class Leaf(Structure, spelling=kebab):
    """Something that is in others."""

    first_name: str
    count: int = 0


class Tree(Structure, spelling=camel):
    """Every kind of field."""

    some_leaves: list[Leaf]
    only: Leaf | None = None
    flag: bool = False
    notes: dict[str, str] | None = None
    tables: dict[str, list[int]] = {}
    anything: object = None


class Grown(Tree, spelling=camel):
    """A structure that extends another, and takes less of a field of it."""

    anything: str | None = None
    is_tall: bool = True


WHOLE = {
    "someLeaves": [{"first-name": "a", "count": 3, "unknown": 1}, {"first-name": "b"}],
    "only": None,
    "flag": True,
    "notes": {"k": "v"},
    "tables": {"t": [1, 2]},
    "anything": [None],
}


def test_what_fits_is_read() -> None:
    tree = Tree.read(WHOLE)
    assert [(leaf.first_name, leaf.count) for leaf in tree.some_leaves] == [("a", 3), ("b", 0)]
    assert (tree.only, tree.flag, tree.notes) == (None, True, {"k": "v"})
    assert (tree.tables, tree.anything) == ({"t": [1, 2]}, [None])


def test_one_that_extends_another_has_its_fields() -> None:
    grown = Grown.read({"someLeaves": [], "anything": "x", "isTall": False})
    assert (grown.some_leaves, grown.flag, grown.anything, grown.is_tall) == ([], False, "x", False)


def test_made_by_hand() -> None:
    leaf = Leaf("x", count=2)
    assert (leaf.first_name, leaf.count) == ("x", 2)
    one, other = Tree([leaf]), Tree([])
    one.tables["t"] = [1]
    assert other.tables == {}
    with pytest.raises(TypeError, match="Leaf needs first_name"):
        Leaf()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"someLeaves": {}}, "someLeaves is not a list"),
        ({"someLeaves": [{"first-name": "a"}, 1]}, "someLeaves[1] is not an object"),
        ({"someLeaves": [{"first-name": 1}]}, "someLeaves[0].first-name is not a string"),
        ({"someLeaves": [{}]}, "someLeaves[0].first-name is missing"),
        ({"only": {"first-name": "", "count": True}}, "only.count is not a whole number"),
        ({"only": {"first-name": "", "count": 1.0}}, "only.count is not a whole number"),
        ({"flag": 1}, "flag is neither true nor false"),
        ({"flag": None}, "flag is neither true nor false"),
        ({"notes": []}, "notes is not an object"),
        ({"notes": {"k": None}}, "notes.k is not a string"),
        ({"tables": {"t": [1, "2"]}}, "tables.t[1] is not a whole number"),
        ({"tables": None}, "tables is not an object"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Misfit, match=f"^{re.escape(words)}$"):
        Tree.read({**WHOLE, **change})


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(Misfit, match=r"^it is not an object$"):
        Tree.read(value)


def test_a_list_of_structures() -> None:
    assert [one.first_name for one in read_list(Leaf, [{"first-name": "a"}])] == ["a"]
    with pytest.raises(Misfit, match=r"^\[1\]\.first-name is missing$"):
        read_list(Leaf, [{"first-name": "a"}, {}])


@pytest.mark.parametrize(
    ("spelling", "found"),
    [(camel, "pullFromMirror"), (pascal, "PullFromMirror"), (kebab, "pull-from-mirror")],
)
def test_spellings(spelling: Any, found: str) -> None:
    assert spelling("pull_from_mirror") == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1} 2',
        b"[" * 1000,
        b'{"a": ' * 1000,
    ],
)
def test_what_could_not_be_written_again_is_no_document(data: bytes) -> None:
    with pytest.raises(ImageError, match="cannot read it: "):
        models.document_in(data, "it")


def test_a_pair_of_halves_is_a_character() -> None:
    assert models.document_in(b'{"a": "\\ud83d\\ude00"}', "it") == {"a": "\U0001f600"}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "[NaN]", '{"a": Infinity}'])
def test_what_is_no_number_of_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number of JSON"):
        jsonio.loads(text)


@pytest.mark.parametrize("text", ["1e999", "[-1e999]"])
def test_numbers_that_could_not_be_written_again_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is too large a number"):
        jsonio.loads(text)
    assert jsonio.loads("1.5e3") == 1500
