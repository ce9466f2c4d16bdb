"""Looking users up in a root file system that may be hostile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rootless.errors import LaunchError
from rootless.runtime.launch import users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.once

PASSWD = """root:x:0:0:root:/root:/bin/sh
# a comment
daemon:x:1:1::/:
user:x:1000:100:A User:/home/user:/bin/sh
again:x:1000:7::/other:
broken:x:notanumber:1::/:
short:x:5
123:x:2000:2000::/numbers:
huge:x:99999999999:1::/:
4294967296:x:0:0::/:
-1:x:0:0::/:
"""
GROUP = """root:x:0:
wheel:x:10:user,again
video:x:44:root,user
nobodys:x:50:
short
bad:x:minus:user
123:x:0:
"""


@pytest.fixture
def resolve(tmp_path: Path) -> Iterator[Callable[..., users.User]]:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield lambda asked, extra=(): users.resolve(root, asked, extra)
    os.close(root)


@pytest.mark.parametrize(
    ("asked", "uid", "gid", "groups", "name", "home"),
    [
        ("", 0, 0, [0, 44], "root", "/root"),
        ("user", 1000, 100, [100, 10, 44], "user", "/home/user"),
        ("1000", 1000, 100, [100, 10, 44], "user", "/home/user"),
        ("user:wheel", 1000, 10, [10], "user", "/home/user"),
        ("1000:77", 1000, 77, [77], "user", "/home/user"),
        (":44", 0, 44, [44], "root", "/root"),
        ("daemon", 1, 1, [1], "daemon", "/"),
        ("4321", 4321, 0, [0], "", "/"),
        ("4321:5", 4321, 5, [5], "", "/"),
        ("123", 123, 0, [0], "", "/"),  # a number is never a name
        ("4321:123", 4321, 123, [123], "", "/"),
    ],
)
def test_who(
    resolve: Callable[..., users.User],
    asked: str,
    uid: int,
    gid: int,
    groups: list[int],
    name: str,
    home: str,
) -> None:
    user = resolve(asked)
    assert (user.uid, user.gid, user.name, user.home) == (uid, gid, name, home)
    assert user.groups == groups


@pytest.mark.parametrize(
    "asked",
    [
        "nobody",
        "user:nothing",
        "4294967296",
        "broken",
        "short",
        "huge",
        "-1",
        "4294967295",
        "1e3",
        "\u0663",
    ],
)
def test_who_is_not_there(resolve: Callable[..., users.User], asked: str) -> None:
    with pytest.raises(LaunchError, match="unable to find"):
        resolve(asked)


def test_further_groups(resolve: Callable[..., users.User]) -> None:
    assert resolve("user", ["nobodys", "77"]).groups == [100, 10, 44, 50, 77]


def test_tables_that_are_links_out_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.write_text("user:x:7:7::/:\n")
    for target in (str(outside), "../../outside", "/proc/self/fd/0"):
        (root / "etc/passwd").unlink(missing_ok=True)
        (root / "etc/passwd").symlink_to(target)
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
        with pytest.raises(LaunchError):
            users.resolve(fd, "user")
        assert users.resolve(fd, "").uid == 0
        os.close(fd)


@pytest.mark.timeout(10)
def test_tables_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "etc/group").mkdir(parents=True)
    os.mkfifo(tmp_path / "etc/passwd")
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    assert users.resolve(fd, "5").uid == 5
    os.close(fd)


def test_tables_without_an_end(tmp_path: Path) -> None:
    """CVE-2025-4437, CVE-2026-47262: no more than a bounded part of a table is read."""
    (tmp_path / "etc").mkdir()
    for name, text in (("passwd", PASSWD), ("group", GROUP)):
        (tmp_path / "etc" / name).write_text(text)
        os.truncate(tmp_path / "etc" / name, 1 << 40)
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        assert users.resolve(root, "user:wheel").gid == 10
    finally:
        os.close(root)
