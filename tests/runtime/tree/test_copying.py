"""Trees copied and layers merged, against the kernel's own overlay where it has an opinion."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.errors import StoreError
from rootless.linux import mount as m
from rootless.oci.remove import remove_tree
from rootless.runtime.tree import copying
from rootless.runtime.userns.worker import call
from rootless.store.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator


def opened(path: Path | str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def copy(source: Path, target: Path, **options: bool) -> int:
    target.mkdir()
    ours, theirs = opened(source), opened(target)
    try:
        return copying.copy_tree(ours, theirs, **options)
    finally:
        os.close(ours)
        os.close(theirs)


def told(path: Path) -> dict[str, Any]:
    """Everything that a copy must keep of what is at `path`."""
    status = path.lstat()
    facts: dict[str, Any] = {
        "mode": status.st_mode,
        "owner": (status.st_uid, status.st_gid),
        "links": status.st_nlink if not path.is_dir() else 0,
        "mtime": status.st_mtime_ns,
    }
    if path.is_symlink():
        facts["target"] = os.readlink(path)
    elif path.is_file():
        facts["content"] = path.read_bytes()
        facts["xattrs"] = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return facts


def tree_of(root: Path) -> dict[str, dict[str, Any]]:
    return {str(path.relative_to(root)): told(path) for path in [root, *root.rglob("*")]}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "a/b/c").mkdir(parents=True)
    (root / "a/file").write_bytes(os.urandom(100_000))
    (root / "a/program").write_text("#!/bin/sh\n")
    (root / "a/program").chmod(0o6755)
    (root / "a/b/link").symlink_to("../nowhere")
    os.link(root / "a/file", root / "a/b/c/again")
    os.mkfifo(root / "a/fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "a/socket"))
    os.setxattr(root / "a/file", "user.colour", b"green")
    (root / "empty").touch()
    (root / "a/b").chmod(0o1777)
    os.utime(root / "a/b", ns=(1, 123_456_789))
    os.utime(root / "a/b/link", ns=(1, 987_654_321), follow_symlinks=False)
    return root


def test_a_copy_is_the_same(source: Path, tmp_path: Path) -> None:
    assert copy(source, tmp_path / "copy") == 0
    assert tree_of(tmp_path / "copy") == tree_of(source)
    first, again = (tmp_path / "copy" / name for name in ("a/file", "a/b/c/again"))
    assert first.stat().st_ino == again.stat().st_ino != (source / "a/file").stat().st_ino


def test_without_reflinks_and_copy_file_range(source: Path, tmp_path: Path) -> None:
    """The last resort, sendfile(2), on a source that has holes, too."""
    with open(source / "holes", "wb") as file:
        file.seek(3 << 20)
        file.write(b"data")
        file.truncate(8 << 20)
    copier = copying.Copier()
    copier._clone = copier._range = False
    (tmp_path / "copy").mkdir()
    copier.copy([opened(source)], opened(tmp_path / "copy"))
    assert tree_of(tmp_path / "copy") == tree_of(source)


def test_holes_stay_holes(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for name, places in (("middle", [5 << 20]), ("none", []), ("ends", [0, (9 << 20) - 4])):
        with open(tmp_path / "source" / name, "wb") as file:
            for place in places:
                file.seek(place)
                file.write(b"data")
            file.truncate(9 << 20)
    copy(tmp_path / "source", tmp_path / "copy")
    for path in (tmp_path / "copy").iterdir():
        assert path.read_bytes() == (tmp_path / "source" / path.name).read_bytes()
        assert path.stat().st_blocks * 512 < 1 << 20


def test_reflink_where_there_is_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"x" * 8192)
    with open(one, "rb") as source, open(two, "wb") as target:
        try:
            fcntl.ioctl(target, copying._FICLONE, source.fileno())
        except OSError as error:
            assert error.errno in copying._NOT_THIS_WAY
            pytest.skip("this file system makes no reflinks")
    assert two.read_bytes() == one.read_bytes()


def test_what_may_not_be_read(tmp_path: Path) -> None:
    """A copy is whole or an error, unless the caller says that a part will do."""
    for name in ("source/closed", "source/open"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "source/secret").write_text("s")
    os.link(tmp_path / "source/secret", tmp_path / "source/open/secret too")
    (tmp_path / "source/open/file").write_text("o")
    (tmp_path / "source/secret").chmod(0)
    (tmp_path / "source/closed").chmod(0)
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    with pytest.raises(PermissionError):
        copy(tmp_path / "source", tmp_path / "whole")
    assert copy(tmp_path / "source", tmp_path / "part", lenient=True) == 3
    assert [path.name for path in (tmp_path / "part").rglob("*")] == ["open", "file"]


def test_a_very_deep_tree(tmp_path: Path) -> None:
    """Deeper than Python recurses, with fewer descriptors than levels times two."""
    depth = 300
    fd = opened(tmp_path)
    for name in ["source", *["d"] * depth]:
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    copy(tmp_path / "source", tmp_path / "copy")
    assert (tmp_path / "copy" / "/".join(["d"] * depth) / "bottom").exists()


# -- layers


def test_marks_that_had_to_stay_files(tmp_path: Path) -> None:
    for name in ("low/gone", "low/opaque", "low/kept", "top/opaque"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("low/gone/x", "low/opaque/x", "low/kept/x", "low/file", "top/opaque/y"):
        (tmp_path / name).write_text(name)
    for name in ("top/.wh.gone", "top/.wh.file", "top/opaque/.wh..wh..opq"):
        (tmp_path / name).touch()
    copying.merge([str(tmp_path / "top"), str(tmp_path / "low")], str(tmp_path / "merged"))
    found = {str(path.relative_to(tmp_path / "merged")) for path in tmp_path.rglob("merged/**/*")}
    assert found == {"kept", "kept/x", "opaque", "opaque/y"}


def test_many_layers_and_few_descriptors(tmp_path: Path) -> None:
    """127 layers that share directories: more open at once than the soft limit allows."""
    layers = []
    for number in range(127):
        path = tmp_path / str(number)
        (path / "/".join("abcdefgh")).mkdir(parents=True)
        (path / "/".join("abcdefgh") / str(number)).touch()
        layers.append(str(path))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip(f"the hard limit of descriptors is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        copying.merge(layers, str(tmp_path / "merged"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(os.listdir(tmp_path / "merged" / "/".join("abcdefgh"))) == 127


NAMES = ("a", "b", "c")
PLACES = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
KINDS = st.sampled_from(("file", "directory", "link", "whiteout", "opaque", "hard"))
LAYERS = st.lists(st.lists(st.tuples(KINDS, PLACES), max_size=8), min_size=2, max_size=4)


def make_layer(root: str, content: list[tuple[str, str]], label: str) -> None:
    """Make a layer; what does not fit to what is there already is left out."""
    os.mkdir(root)
    first = ""
    for number, (kind, name) in enumerate(content):
        path = f"{root}/{name}"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if kind == "file":
                Path(path).write_text(f"{label} {number}")
                first = first or path
            elif kind == "hard":
                os.link(first or root, path)
            elif kind == "link":
                os.symlink(f"{label}-{number}", path)
            elif kind == "whiteout":
                os.mknod(path, stat.S_IFCHR, 0)
            else:
                os.mkdir(path, 0o700 + number)
                if kind == "opaque":
                    os.setxattr(path, "user.overlay.opaque", b"y")
        except OSError:
            continue  # something else is there


def visible(root: str) -> dict[str, Any]:
    """What a process sees in a tree: types, modes, contents, links."""
    found: dict[str, Any] = {}
    for path in [Path(root), *sorted(Path(root).rglob("*"))]:
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # overlayfs lists a whiteout that has nothing to hide, but it is not there
        fact: list[Any] = [status.st_mode, status.st_mtime_ns]
        if path.is_symlink():
            fact.append(os.readlink(path))
        elif path.is_file():
            fact.append(path.read_text())
        found[str(path.relative_to(root))] = fact
    return found


def compare(base: str, layers: list[list[tuple[str, str]]]) -> list[Any]:
    """In the user namespace: what the kernel makes of the layers, and what the merge does."""
    os.mkdir(base)
    paths = [f"{base}/{number}" for number in range(len(layers))]
    for path, content in zip(paths, layers, strict=True):
        make_layer(path, content, os.path.basename(path))
    os.mkdir(f"{base}/mounted")
    data = f"lowerdir={':'.join(paths)},userxattr"
    m.mount("overlay", f"{base}/mounted", "overlay", 0, data)
    try:
        expected = visible(f"{base}/mounted")
    finally:
        m.umount2(f"{base}/mounted", m.MNT_DETACH)
    copying.merge(paths, f"{base}/merged")
    result = visible(f"{base}/merged")
    remove_tree(base)
    return [expected, result]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Paths, str]]:
    patch = pytest.MonkeyPatch()
    runtime = tmp_path_factory.mktemp("runtime")
    runtime.chmod(0o700)
    patch.setenv("XDG_RUNTIME_DIR", str(runtime))
    yield Paths(str(tmp_path_factory.mktemp("root"))), str(tmp_path_factory.mktemp("layers"))
    patch.undo()


@given(LAYERS)
def test_merging_does_what_overlayfs_does(
    place: tuple[Paths, str], layers: list[list[tuple[str, str]]]
) -> None:
    paths, directory = place
    expected, merged = call(paths, compare, f"{directory}/{os.urandom(4).hex()}", layers)
    assert merged == expected


# -- complete or not at all


def test_merged_once(rootless_root: str, tmp_path: Path) -> None:
    (tmp_path / "layer/etc").mkdir(parents=True)
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged.new/of somebody who was killed").mkdir(parents=True)
    for _ in range(2):
        copying.merge_once(Paths(), [str(tmp_path / "layer")], str(tmp_path / "merged"))
        (tmp_path / "merged/mine").touch()
    assert sorted(os.listdir(tmp_path / "merged")) == ["etc", "mine"]
    assert sorted(os.listdir(tmp_path)) == ["layer", "merged"]


def test_a_failure_leaves_nothing(rootless_root: str, tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    with pytest.raises(StoreError, match=r"cannot copy the layers .*No such file.*/gone"):
        copying.merge_once(Paths(), [str(tmp_path / "gone")], str(tmp_path / "merged"))
    assert os.listdir(tmp_path) == ["merged"]
    assert os.listdir(tmp_path / "merged") == []


def test_a_full_disk_is_named(rootless_root: str, tmp_path: Path) -> None:
    """On a tmpfs of 64 KiB, which only the namespace sees."""
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer/big").write_bytes(os.urandom(1 << 20))
    (tmp_path / "small").mkdir()
    with pytest.raises(StoreError, match="No space left on device"):
        call(Paths(), merge_on_small_disk, str(tmp_path / "small"), str(tmp_path / "layer"))


def merge_on_small_disk(directory: str, layer: str) -> None:
    m.mount("tmpfs", directory, "tmpfs", 0, "size=64k")
    os.mkdir(f"{directory}/merged")
    try:
        copying._merge_and_rename([layer], f"{directory}/merged", durable=False)
    finally:
        assert os.listdir(directory) == ["merged"]
        assert os.listdir(f"{directory}/merged") == []
