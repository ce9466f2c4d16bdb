"""Files that leave their content in another store: what is referred to, and what is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from archives import layer

from rootless.oci.layers import datalayer
from rootless.oci.layers.unpack import extract_fd

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

BIG = os.urandom(5000)
LARGE = os.urandom(3 << 20)
FILES = {"bin/": b"", "bin/big": BIG, "bin/small": b"x" * 4096, "bin/large": LARGE, "bin/none": b""}


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The tree of the layer of FILES in another store."""
    return extracted(tmp_path / "theirs/layers/abc")


def extracted(directory: Path, beside: str = "") -> Path:
    """Extract the layer of FILES into a new directory; return its tree."""
    directory.mkdir(parents=True)
    archive = directory.parent.parent / "layer.tar"
    archive.write_bytes(layer(FILES))
    with open(archive, "rb") as file:
        extract_fd(file.fileno(), str(directory), owners="record", beside=beside)
    return directory / "fs"


def referring(tree: Path) -> list[str]:
    """The files that have their content elsewhere."""
    return sorted(
        path.name
        for path in (tree / "bin").iterdir()
        if datalayer.METACOPY in os.listxattr(path) and not path.stat().st_blocks * 512 // 8192
    )


def test_large_files_refer_and_small_ones_are_written(tmp_path: Path, theirs: Path) -> None:
    tree = extracted(tmp_path / "ours/layers/abc", str(theirs))
    assert referring(tree) == ["big", "large"]
    assert os.getxattr(tree / "bin/big", datalayer.REDIRECT) == b"/abc/fs/bin/big"
    assert (tree / "bin/big").stat().st_size == len(BIG)
    assert (tree / "bin/small").read_bytes() == FILES["bin/small"]
    assert os.readlink(tree.parent / "data") == str(theirs.parent.parent)
    assert datalayer.tree_behind(str(tree.parent)) == str(theirs)
    for name, expected in (("big", BIG), ("large", LARGE)):
        assert content(tree, name) == expected
    with open(tree / "bin/small", "rb") as file:
        assert datalayer.content(str(tree.parent), file.fileno()) == -1


def content(tree: Path, name: str) -> bytes:
    """What a file of the layer refers to."""
    with open(tree / "bin" / name, "rb") as file:
        opened = datalayer.content(str(tree.parent), file.fileno())
    with open(opened, "rb") as found:
        return found.read()


@pytest.mark.parametrize("kind", ["link", "link above", "size", "missing"])
def test_content_that_is_no_more_what_it_was(tmp_path: Path, theirs: Path, kind: str) -> None:
    tree = extracted(tmp_path / "ours/layers/abc", str(theirs))
    if kind == "link":
        (theirs / "bin/big").rename(theirs / "big")
        (theirs / "bin/big").symlink_to("../big")
    elif kind == "link above":
        (theirs / "bin").rename(theirs / "other")
        (theirs / "bin").symlink_to("other")
    elif kind == "size":
        (theirs / "bin/big").write_bytes(BIG[:-1])
    else:
        (theirs / "bin/big").unlink()
    with pytest.raises(OSError):
        content(tree, "big")


@pytest.mark.parametrize("at", [0, 1 << 20, len(LARGE) - 1])
def test_other_content_is_written(tmp_path: Path, theirs: Path, at: int) -> None:
    with open(theirs / "bin/large", "r+b") as file:
        file.seek(at)
        file.write(bytes([LARGE[at] ^ 1]))
    tree = extracted(tmp_path / "ours/layers/abc", str(theirs))
    assert referring(tree) == ["big"]
    assert (tree / "bin/large").read_bytes() == LARGE
    assert datalayer.REDIRECT not in os.listxattr(tree / "bin/large")


@pytest.mark.parametrize("kind", ["pipe", "link", "size", "missing", "directory"])
def test_what_is_no_such_file_is_written(tmp_path: Path, theirs: Path, kind: str) -> None:
    for name in ("big", "large"):
        path = theirs / "bin" / name
        path.rename(theirs / name)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "link":
            path.symlink_to(theirs / name)
        elif kind == "size":
            path.write_bytes(FILES[f"bin/{name}"] + b"x")
        elif kind == "directory":
            path.mkdir()
    tree = extracted(tmp_path / "ours/layers/abc", str(theirs))
    assert referring(tree) == []
    assert (tree / "bin/big").read_bytes() == BIG
    assert (tree / "bin/large").read_bytes() == LARGE
    assert not os.path.lexists(tree.parent / "data")
    assert datalayer.tree_behind(str(tree.parent)) == ""
