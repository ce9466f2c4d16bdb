"""The user namespace that a user's containers share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootless.runtime.userns import identity, namespace, worker
from rootless.store.paths import Paths
from tests.children import end, in_child


def inside() -> dict[str, object]:
    return {
        "namespace": os.readlink("/proc/self/ns/user"),
        "mounts": os.readlink("/proc/self/ns/mnt"),
        "uid": os.getuid(),
        "map": identity.current_map("uid"),
        "fds": sorted(os.listdir("/proc/self/fd"), key=int),
    }


MARK = Path("/proc/sys/user/max_uts_namespaces")
"""A limit that each user namespace has for itself: by it one is known for certain, even after it
has gone, while the kernel gives its inode number to the next."""


def test_everything_inside_is_ours(rootless_root: str) -> None:
    found = worker.call(Paths(rootless_root), inside)
    assert found["uid"] == 0
    who = identity.detect()
    assert [tuple(row) for row in found["map"]] == who.uid_map
    assert found["namespace"] != os.readlink("/proc/self/ns/user")
    assert found["mounts"] != os.readlink("/proc/self/ns/mnt")


def test_it_is_found_through_who_holds_it(rootless_root: str) -> None:
    paths, mode = Paths(rootless_root), identity.detect().mode
    assert namespace.find(paths, mode) is None
    worker.call(paths, lambda: MARK.write_text("1001"))
    entry = namespace.Entry(paths, identity.detect())
    assert entry.is_new
    pid = in_child(entry.enter)
    fd = entry.serve(pid)
    assert end(pid) == 0
    member = namespace.Membership(paths.runtime, mode, fd)
    assert worker.call(paths, inside)["namespace"] == f"user:[{os.fstat(fd).st_ino}]"
    assert worker.call(paths, MARK.read_text) != "1001\n"
    worker.call(paths, lambda: MARK.write_text("1002"))
    assert worker.call(paths, MARK.read_text) == "1002\n"
    member.leave()
    os.close(fd)
    assert namespace.find(paths, mode) is None
    assert worker.call(paths, MARK.read_text) not in ("1001\n", "1002\n")


@pytest.mark.parametrize("text", ["", "x", "0 1", "-1 0", "99999 4026531837", "0 0 0", "\0"])
def test_stale_and_damaged_members_are_passed_over(rootless_root: str, text: str) -> None:
    paths, mode = Paths(rootless_root), identity.detect().mode
    directory = Path(f"{paths.runtime}/userns/{mode}")
    directory.mkdir(parents=True)
    for pid in (os.getpid(), 1, 99999999):
        (directory / str(pid)).write_text(text)
    (directory / "no number").write_text("0 0")
    assert namespace.find(paths, mode) is None
    assert list(directory.iterdir()) == []


def test_somebody_elses_namespace_is_not_believed(rootless_root: str) -> None:
    """A pid that is another process's by now, with another namespace at that descriptor."""
    paths, mode = Paths(rootless_root), identity.detect().mode
    directory = Path(f"{paths.runtime}/userns/{mode}")
    directory.mkdir(parents=True)
    fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
    inode = os.fstat(fd).st_ino
    (directory / str(os.getpid())).write_text(f"{fd} {inode}")
    assert namespace.find(paths, mode) is None
    os.close(fd)


def test_map_format() -> None:
    assert namespace.format_map([(0, 1000, 1), (1, 100000, 65536)]) == "0 1000 1\n1 100000 65536\n"
