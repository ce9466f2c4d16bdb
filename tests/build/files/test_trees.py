"""A context that changes between two looks at it: what was seen is read, or nothing.

A race is lost here on purpose, at each moment that there is: CVE-2024-11218 for COPY. Directories
are entered without following a link, and what is opened is the file that was looked at: each of
the two holds where the other could not. Of a link in the place of a file either would be enough.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rootless.build.files.trees import DirectoryTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rootless.build.files.trees import Node

pytestmark = pytest.mark.once


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[DirectoryTree]:
    """`in/d/e/mine` is the context's, and `out` has the same names with a secret."""
    for top, content in (("in", "inside"), ("out", "outside")):
        (tmp_path / top / "d/e").mkdir(parents=True)
        (tmp_path / top / "d/e/mine").write_text(content)
    (tmp_path / "in/other").mkdir()
    made = DirectoryTree(str(tmp_path / "in"))
    yield made
    made.close()


def seen(tree: DirectoryTree, path: str) -> Node:
    node = tree.look(path)
    assert node is not None
    return node


def swap(path: Path, target: Path) -> None:
    """Put a link in the place of what is there."""
    path.rename(path.with_name("away"))
    path.symlink_to(target)


def content(tree: DirectoryTree, node: Node) -> str:
    with open(tree.open(node), encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("which", ["d", "d/e"])
@pytest.mark.parametrize("ask", ["names", "look", "open"])
def test_a_directory_that_became_a_link(
    ask: str, which: str, tree: DirectoryTree, tmp_path: Path
) -> None:
    node = seen(tree, "d/e/mine")
    tree.names("other")  # the directory that is kept open is another by now
    swap(tmp_path / "in" / which, tmp_path / "out" / which)
    asked: dict[str, Callable[[], object]] = {
        "names": lambda: tree.names("d/e"),
        "look": lambda: tree.look("d/e/mine"),
        "open": lambda: content(tree, node),
    }
    try:
        found = asked[ask]()
    except OSError:
        return
    assert found is None


def test_a_directory_that_is_open_stays_the_one_that_it_was(
    tree: DirectoryTree, tmp_path: Path
) -> None:
    node = seen(tree, "d/e/mine")
    swap(tmp_path / "in/d", tmp_path / "out/d")
    assert content(tree, node) == "inside"


@pytest.mark.parametrize("kind", ["link", "file", "hard link", "fifo", "directory"])
def test_a_file_that_became_another(kind: str, tree: DirectoryTree, tmp_path: Path) -> None:
    """Nothing else is read, and nobody waits for a FIFO's writer."""
    node = seen(tree, "d/e/mine")
    place, other = tmp_path / "in/d/e/mine", tmp_path / "out/d/e/mine"
    place.rename(tmp_path / "away")
    if kind == "link":
        place.symlink_to(other)
    elif kind == "file":
        place.write_text("outside")
    elif kind == "hard link":
        os.link(other, place)
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.mkdir()
    with pytest.raises(OSError, match=r"replaced|went away|symbolic links"):
        tree.open(node)
