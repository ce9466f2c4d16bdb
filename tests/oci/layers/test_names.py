"""Names in archives that have .. in them: cleaned, as docker and podman do, within the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tars import END, directory, extract, file, link, stack, symlink

from rootless.oci.errors import LayerError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where layers are unpacked, beside a directory that must stay empty."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def unpacked(place: Path, *parts: bytes) -> dict[str, tuple[Any, ...]]:
    """Unpack an archive of `parts`; return the tree."""
    extract(b"".join(parts) + END, place)
    assert list((place.parent / "outside").iterdir()) == []
    return stack(place / "layer")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"a/../b", "b"),
        (b"/../b", "b"),
        (b"/../../b/c", "b/c"),
        (b"a/b/../../b/./c", "b/c"),
        (b"d/../b", "b"),  # what is there under the name that goes does not matter
        (b"out/../b", "b"),
        (b"d/x/../c", "d/c"),
    ],
)
@pytest.mark.parametrize("make", [file, directory, lambda name: symlink(name, b"x")])
def test_names_with_dots_are_cleaned(make: Any, name: bytes, path: str, place: Path) -> None:
    """As docker and podman do; nothing is made of the steps that go."""
    there = [directory(b"d"), symlink(b"out", b"../outside")]
    found = unpacked(place, *there, make(name))
    assert found.keys() == {"d", "out", path, path.rpartition("/")[0]} - {""}


def test_links_and_marks_with_dots_are_cleaned(place: Path) -> None:
    parts = [file(b"f", b"1"), link(b"a/../l", b"b/../f"), file(b"b/../.wh.gone")]
    found = unpacked(place, *parts)
    assert found["l"] == ("file", 0o644, b"1")
    assert found.keys() == {"f", "l", "gone"}


def test_the_root_is_no_file_by_whatever_name(place: Path) -> None:
    with pytest.raises(LayerError, match="the root of a layer can only be a directory"):
        unpacked(place, file(b"x/.."))
