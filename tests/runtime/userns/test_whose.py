"""What is said of files that belong to somebody else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rootless.runtime.userns.whose import explained

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store


@pytest.fixture
def user() -> None:
    if os.geteuid() == 0:
        pytest.skip("root may do all")


@pytest.mark.usefixtures("user")
def test_of_whom(tmp_path: Path) -> None:
    assert explained("/etc/new/dir", write=True).startswith("/etc belongs to root of this machine")
    assert explained("/etc/new/dir") == ""
    assert explained(str(tmp_path / "new"), write=True) == ""
    assert explained(str(tmp_path)) == ""
    closed = tmp_path / "closed"
    closed.mkdir(0)
    try:
        assert explained(f"{closed}/a/b").startswith(f"{closed} is yours, but its mode keeps you")
    finally:
        closed.chmod(0o700)


@pytest.mark.usefixtures("user")
def test_in_errors(shared: Store, tmp_path: Path) -> None:
    done = shared("run", "--rm", "-v", "/etc/no-such/dir:/x", "busybox", "true")
    assert done.returncode == 125
    assert "cannot make /etc/no-such/dir: Permission denied (/etc belongs to root" in done.stderr
    closed = tmp_path / "closed"
    closed.mkdir(0)
    done = shared("run", "--rm", "-v", f"{closed}/a:/x", "busybox", "true")
    closed.chmod(0o700)
    assert f"cannot use {closed}/a: Permission denied ({closed} is yours" in done.stderr


@pytest.mark.modes("mapped")
def test_of_a_subordinate_id(shared: Store, tmp_path: Path) -> None:
    """A container has given the directory to another of its users."""
    tmp_path.chmod(0o777)
    place = tmp_path / "d"
    line = "mkdir -m 700 /x/d; chown 1000 /x/d"
    shared.ok("run", "--rm", "-v", f"{tmp_path}:/x", "busybox", "sh", "-c", line)
    done = shared("run", "--rm", "-v", f"{place}/a:/x", "busybox", "true")
    assert f"{place} belongs to user 1000 of your containers, which is " in done.stderr
    assert f"rootless unshare chown 0:0 {place} gives it to you" in done.stderr
    shared.ok("unshare", "chown", "0:0", str(place))
    shared.ok("run", "--rm", "-v", f"{place}/a:/x", "busybox", "true")
