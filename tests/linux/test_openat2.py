"""Paths that nobody can lead out of a root: the kernel's openat2(2) and our own walk alike."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.linux import openat2
from rootless.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOTH = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS

pytestmark = [
    pytest.mark.skipif(not openat2.has_openat2(), reason="the kernel has no openat2(2)"),
    pytest.mark.once,
]


def opened(path: Path | str) -> int:
    return os.open(path, os.O_PATH)


def outcome(fd: int, way: str, path: str, flags: int, resolve: int) -> tuple[str, object]:
    """Which file one of the two ways opens, or with what error it does not."""
    try:
        if way == "kernel":
            found = openat2._openat2(fd, path, flags, resolve, 0)
        else:
            walk = openat2._Walk(fd, contained=bool(resolve & RESOLVE_IN_ROOT))
            found = walk.open(path, flags)
    except OSError as error:
        return "error", errno.errorcode[error.errno or 0]
    try:
        status = os.fstat(found)
        assert not os.get_inheritable(found)
        return "file", (status.st_dev, status.st_ino)
    finally:
        os.close(found)


@pytest.fixture(scope="module")
def maze(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A tree with links of all kinds, below a directory that they would like to reach."""
    base = tmp_path_factory.mktemp("maze")
    (base / "secret").write_text("s")
    root = base / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "c").mkdir()
    (root / "file").write_text("f")
    (root / "a/file").write_text("f")
    (root / "secret").write_text("inside")
    for name, target in (
        ("up", ".."),
        ("a/up", "../../secret"),
        ("a/top", "/"),
        ("a/b/absolute", "/c"),
        ("c/loop", "loop"),
        ("c/file", "../file/."),
        ("c/there", "../a/b/absolute"),
        ("out", "../../../../../../../../../etc/passwd"),
        ("a/dangling", "/nowhere"),
        ("c/host", str(base)),
    ):
        (root / name).symlink_to(target)
    before = len(os.listdir("/proc/self/fd"))
    fd = opened(root)
    yield fd
    os.close(fd)
    assert len(os.listdir("/proc/self/fd")) <= before, "the walk leaves descriptors open"


NAMES = " a b c file secret up top absolute loop there .. . out dangling host etc passwd nowhere"
STEPS = st.sampled_from(NAMES.split(" "))
TRICKY = (
    "a/../file",
    "a/b/../../../secret",
    "a/up",
    "a/b/absolute/../c",
    "c/there/../../..",
    "out",
)


@given(st.lists(STEPS, min_size=1, max_size=6).map("/".join))
def test_the_walk_finds_what_the_kernel_finds(maze: int, path: str) -> None:
    path = path or "."
    for flags in (os.O_PATH, os.O_PATH | os.O_DIRECTORY, os.O_RDONLY):
        kernel = outcome(maze, "kernel", path, flags, BOTH)
        assert outcome(maze, "walk", path, flags, BOTH) == kernel


@pytest.mark.parametrize("path", TRICKY)
def test_tricky_paths(maze: int, path: str) -> None:
    kernel = outcome(maze, "kernel", path, os.O_PATH, BOTH)
    assert outcome(maze, "walk", path, os.O_PATH, BOTH) == kernel


@given(st.lists(st.sampled_from(["a", "b", "up", "..", "top", "c"]), min_size=1).map("/".join))
def test_without_a_root_of_its_own(maze: int, path: str) -> None:
    kernel = outcome(maze, "kernel", path, os.O_PATH, RESOLVE_NO_MAGICLINKS)
    assert outcome(maze, "walk", path, os.O_PATH, RESOLVE_NO_MAGICLINKS) == kernel


MAGIC = ("self/exe", "self/cwd", "self/root/etc", "self/fd/0", "self/ns/user")
PLAIN = ("self/ns", "mounts", "thread-self", "self/status")


@pytest.mark.parametrize("name", [*MAGIC, *PLAIN])
def test_magic_links_are_refused(name: str) -> None:
    path = f"/proc/{name}"
    kernel = outcome(openat2.AT_FDCWD, "kernel", path, os.O_PATH, RESOLVE_NO_MAGICLINKS)
    assert outcome(openat2.AT_FDCWD, "walk", path, os.O_PATH, RESOLVE_NO_MAGICLINKS) == kernel
    assert (kernel == ("error", "ELOOP")) == (name in MAGIC)


def test_no_rename_leads_out(tmp_path: Path) -> None:
    """Somebody moves a directory away while `..` in it is on its way; the walk stays inside."""
    (tmp_path / "root/a/b").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "secret").write_text("s")
    root = opened(tmp_path / "root")
    secret = ("file", ((tmp_path / "secret").stat().st_dev, (tmp_path / "secret").stat().st_ino))
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            os.rename(tmp_path / "root/a/b", tmp_path / "outside/b")
            os.rename(tmp_path / "outside/b", tmp_path / "root/a/b")

    mover = threading.Thread(target=move)
    mover.start()
    try:
        for _ in range(2000):
            found = outcome(root, "walk", "a/b/../../secret", os.O_PATH, BOTH)
            assert found != secret
    finally:
        stop.set()
        mover.join()
        os.close(root)
