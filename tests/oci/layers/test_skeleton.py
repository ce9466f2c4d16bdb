"""Skeletons: layers as one tree again, by names of their own, without their content."""

from __future__ import annotations

import errno
import os
import resource
import stat
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from rootless.oci.layers import datalayer, owners, skeleton
from rootless.oci.layers.compare import difference
from rootless.oci.remove import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.once

BIG = bytes(range(256)) * 64


@pytest.fixture
def layers(tmp_path: Path) -> Iterator[Path]:
    """A store's directory of layers, with two that are empty."""
    before = os.umask(0)
    for name in ("low", "top"):
        (tmp_path / "layers" / name / "fs").mkdir(parents=True)
    yield tmp_path / "layers"
    os.umask(before)
    remove_tree(str(tmp_path))


def same(number: int) -> int:
    """Return the id that a file has already: nobody here may give one away."""
    return number


def make(
    layers: Path,
    *names: str,
    shares: int = 2,
    whole: bool = False,
    ids: tuple[Callable[[int], int], Callable[[int], int]] = (same, same),
) -> Path:
    """Make a skeleton of the layers, topmost first, in a child, as it is in life."""
    target = layers.parent / f"made-{os.urandom(4).hex()}"
    target.mkdir()
    chosen = [str(layers / name) for name in names or ("top", "low")]
    places = [datalayer.Place(layer, str(layers)) for layer in chosen]
    here = os.open(".", os.O_RDONLY)
    try:
        skeleton.Maker(chosen, places, ids, whole=whole).run(str(target), shares)
    finally:
        os.fchdir(here)
        os.close(here)
    return target


def paths(tree: Path) -> list[str]:
    """All there is in it."""
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))


def whiteout(path: Path) -> None:
    """Delete a name of the layers below."""
    try:
        os.mknod(path, stat.S_IFCHR, 0)
    except OSError:
        pytest.skip("no whiteouts here")


def test_content_stays_where_it_is(layers: Path) -> None:
    tree = layers / "low/fs"
    (tree / "big").write_bytes(BIG)
    (tree / "small").write_bytes(b"small")
    (tree / "hole").touch()
    os.truncate(tree / "hole", 1 << 30)
    made = make(layers)
    assert (made / "fs/small").read_bytes() == b"small"
    for name in ("big", "hole"):
        status = (made / "fs" / name).stat()
        assert status.st_size == (tree / name).stat().st_size
        assert status.st_blocks * 512 <= 8192
        assert os.getxattr(made / "fs" / name, datalayer.METACOPY) == b""
    where = os.getxattr(made / "fs/big", datalayer.REDIRECT)
    assert where == b"/low/fs/big"
    assert os.readlink(made / "data") == str(layers)
    fd = os.open(made / "fs/big", os.O_RDONLY)
    found = datalayer.content(str(made), fd)
    assert os.read(found, 1 << 20) == BIG
    os.close(found)
    os.close(fd)


def test_a_set_id_bit_of_somebody_else_is_left_out(layers: Path) -> None:
    """The side file tells which: the file's owner on the disk is another."""
    truths = {}
    for name, unfit in ((b"su", 0), (b"far", stat.S_ISUID)):
        (layers / "low/fs" / name.decode()).touch()
        truths[name] = owners.Truth(0, 0, 0o6755)
        truths[name].unfit = unfit
    owners.write(str(layers / "low"), truths)
    made = make(layers)
    modes = [stat.S_IMODE((made / "fs" / name).stat().st_mode) for name in ("su", "far")]
    assert modes == [0o6755, 0o2755]


def test_a_whole_one_has_it_with_the_holes(layers: Path) -> None:
    tree = layers / "low/fs"
    (tree / "big").write_bytes(BIG)
    with open(tree / "hole", "wb") as file:
        os.pwrite(file.fileno(), b"end", (1 << 30) - 3)
    made = make(layers, whole=True)
    assert (made / "fs/big").read_bytes() == BIG
    status = (made / "fs/hole").stat()
    assert (status.st_size, status.st_blocks < 100) == (1 << 30, True)
    assert not os.path.lexists(made / "data")


def test_everything_else_is_as_it_was(layers: Path) -> None:
    tree = layers / "low/fs"
    (tree / "d/e").mkdir(parents=True)
    (tree / "d/e/file").write_bytes(b"x")
    (tree / "d/e/link").symlink_to("/nowhere")
    os.mkfifo(tree / "d/fifo", 0o622)
    os.setxattr(tree / "d/e/file", "user.mine", b"1")
    os.link(tree / "d/e/file", tree / "other")
    for mode, name in ((0o640, "d/e/file"), (0o1770, "d/e"), (0o2755, "d")):
        (tree / name).chmod(mode)
    for number, name in enumerate(("d/e/file", "d/fifo", "d/e", "d", ".")):
        os.utime(tree / name, ns=(10**18 + number, 10**18 + number))
    os.utime(tree / "d/e/link", ns=(5, 10**18), follow_symlinks=False)
    for shares in (1, 2, 3):
        made = make(layers, "low", shares=shares)
        assert difference(str(tree), str(made / "fs")) == ""
        for name in (".", "d", "d/e", "d/e/link"):
            assert (made / "fs" / name).lstat().st_mtime_ns == (tree / name).lstat().st_mtime_ns
        assert (made / "fs/other").samefile(made / "fs/d/e/file")
        assert (made / "fs/other").stat().st_nlink == 2
        assert sorted(os.listdir(made)) == ["data", "fs", "skeleton.json"]


def test_layers_are_merged_as_overlay_does_it(layers: Path) -> None:
    low, top = layers / "low/fs", layers / "top/fs"
    for name in ("kept/a", "gone/b", "opaque/c", "file/d", "plain/e", "again/f"):
        (low / name).parent.mkdir()
        (low / name).write_bytes(BIG)
    (low / "dir").write_bytes(b"a file")
    for name in ("kept/x", "opaque/y", "dir/z", "again/g"):
        (top / name).parent.mkdir()
        (top / name).write_bytes(BIG)
    whiteout(top / "gone")
    (top / "file").write_bytes(b"a directory before")
    os.setxattr(top / "opaque", "user.overlay.opaque", b"y")
    (top / "again/.wh..wh..opq").touch()
    (top / "kept/.wh.a").touch()
    made = make(layers)
    files = ["again/g", "dir/z", "file", "kept/x", "opaque/y", "plain/e"]
    assert [path for path in paths(made / "fs") if (made / "fs" / path).is_file()] == files
    assert os.listxattr(made / "fs/opaque") == []
    assert os.getxattr(made / "fs/plain/e", datalayer.REDIRECT) == b"/low/fs/plain/e"
    assert os.getxattr(made / "fs/kept/x", datalayer.REDIRECT) == b"/top/fs/kept/x"


def test_many_directories_that_layers_have_in_part(layers: Path) -> None:
    """The way back: layers end at different depths, and none is mistaken for another."""
    low, top = layers / "low/fs", layers / "top/fs"
    for tree, parts in ((low, ("a/b/c", "a/d", "e/f")), (top, ("a/b", "a/g/h", "e/f/i/j"))):
        for part in parts:
            (tree / part).mkdir(parents=True)
            (tree / part / tree.parent.name).write_bytes(b"1")
    os.setxattr(top / "e", "user.overlay.opaque", b"y")
    before = len(os.listdir("/proc/self/fd"))
    made = make(layers)
    files = ["a/b/c/low", "a/b/top", "a/d/low", "a/g/h/top", "e/f/i/j/top"]
    assert [path for path in paths(made / "fs") if (made / "fs" / path).is_file()] == files
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """No more of them than most systems allow."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few_descriptors")
def test_3000_directories_deep(layers: Path) -> None:
    """More than a path can name, than functions may nest, and than descriptors are allowed."""
    at = os.open(layers / "low/fs", os.O_RDONLY)
    for _ in range(3_000):
        os.mkdir("d", 0o755, dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    with open(os.open("file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=at), "wb") as file:
        file.write(BIG)
    os.close(at)
    made = make(layers)
    at = os.open(made / "fs", os.O_RDONLY)
    for _ in range(3_000):
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    fd = os.open("file", os.O_RDONLY, dir_fd=at)
    assert os.read(fd, 1 << 20) == BIG, "the path is too long to be referred to: it was copied"
    os.close(fd)
    os.close(at)
    # Without a descriptor for each level.
    subprocess.run(["rm", "-rf", layers / "low/fs", made / "fs"], check=True)
    (layers / "low/fs").mkdir()


def test_symbolic_links_lead_nowhere(layers: Path, tmp_path: Path) -> None:
    """A directory that becomes a link between the look and the step is not followed."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_bytes(b"secret")
    (layers / "low/fs/d").symlink_to(tmp_path / "secret")
    (layers / "top/fs/d").mkdir()
    made = make(layers)
    assert paths(made / "fs") == ["d"]
    os.rename(layers / "low/fs", layers / "low/real")
    (layers / "low/fs").symlink_to("real")
    with pytest.raises(OSError) as caught:
        make(layers)
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)


def test_what_is_noted_in_the_side_file_is_the_truth(layers: Path) -> None:
    """Set-id bits that the tree on the disk may not have."""
    (layers / "low/fs/d").mkdir()
    (layers / "low/fs/d/su").write_bytes(BIG)
    (layers / "low/fs/d/su").chmod(0o755)
    owners.write(str(layers / "low"), {b"d/su": owners.Truth(0, 0, 0o4711)})
    (layers / "top/fs/d").mkdir()
    (layers / "top/fs/d/other").write_bytes(b"")
    made = make(layers)
    assert stat.S_IMODE((made / "fs/d/su").stat().st_mode) == 0o4711
    assert stat.S_IMODE((made / "fs/d/other").stat().st_mode) == 0o666


def test_an_owner_that_cannot_be_is_an_error_in_either_process(layers: Path) -> None:
    def refuse(_: int) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    (layers / "low/fs/file").write_bytes(b"")
    for shares in (1, 2):
        with pytest.raises(OSError, match="Invalid argument"):
            make(layers, shares=shares, ids=(refuse, refuse))


def test_ids_in_access_control_lists(layers: Path) -> None:
    ids = (lambda number: number + 1, lambda number: number + 2)
    chosen = [str(layers / "low")]
    maker = skeleton.Maker(chosen, [datalayer.Place(chosen[0], str(layers))], ids)
    entries = [(1, 6, 2**32 - 1), (2, 4, 33), (4, 4, 2**32 - 1), (8, 4, 34), (16, 4, 2**32 - 1)]
    head = struct.pack("<I", 2)
    value = head + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    entries[1], entries[3] = (2, 4, 34), (8, 4, 36)
    assert maker._acl(value) == head + b"".join(struct.pack("<HHI", *one) for one in entries)


def test_a_layer_of_another_store_has_a_path_of_its_own(layers: Path, tmp_path: Path) -> None:
    own = datalayer.Place("/store/layers/a", "/store/layers")
    other = datalayer.Place("/other/layers/a", "/store/layers")
    assert (own.data, own.below) == ("/store/layers", "/a/fs/")
    assert (other.data, other.below) == ("/other", "/layers/a/fs/")
    (layers / "low/data").symlink_to("/third/layers")
    behind = datalayer.Place(str(layers / "low"), str(layers))
    assert (behind.data, behind.below) == ("/third", "/layers/low/fs/")
    assert datalayer.data_of([own, other, own, behind]) == ["/store/layers", "/other", "/third"]
