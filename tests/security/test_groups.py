"""The primary group is among the supplementary groups (CVE-2022-2989, CVE-2022-36109).

Else a set-group-id program takes the group away, and with it what a file denies to that group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.modes("mapped", "root")  # with one uid groups cannot be set

CASES = [
    ([], "0"),
    (["-u", "1000:50"], "50"),
    (["-u", "1000"], "100 1000"),  # the image's /etc/group has him in users
    (["-u", "4321:5"], "5"),
    (["-u", "1000:50", "--group-add", "77", "--group-add", "50"], "50 77"),
]


@pytest.mark.parametrize(("options", "groups"), CASES)
def test_run(shared: Store, options: list[str], groups: str) -> None:
    line = shared.ok("run", "--rm", *options, "busybox", "grep", "Groups", "/proc/self/status")
    assert line.split()[1:] == groups.split()


def test_exec_and_health_checks(shared: Store) -> None:
    check = ["--health-cmd", "grep Groups /proc/self/status", "--health-interval", "1h"]
    shared.ok("run", "-d", "--name", "one", "-u", "1000:50", *check, "busybox", "sleep", "100")
    line = shared.ok("exec", "-u", "33:44", "one", "grep", "Groups", "/proc/self/status")
    assert line.split()[1:] == ["44"]
    shared.ok("healthcheck", "run", "one")
    log = shared.ok("inspect", "-f", "{{(index .State.Health.Log 0).Output}}", "one")
    assert log.split()[1:] == ["50"]
    shared.ok("rm", "-f", "one")


def test_what_is_denied_to_the_group_stays_denied(shared: Store, tmp_path: Path) -> None:
    """A file that everybody may read but the group 50, and a way to another group."""
    script = "echo x > /f; chown 0:50 /f; chmod 604 /f; exec su -s /bin/sh user -c 'cat /f'"
    members = "root:x:0:\nuser:x:1000:\nstaff:x:50:user\n"
    (tmp_path / "group").write_text(members)
    done = shared(
        "run", "--rm", "-v", f"{tmp_path}/group:/etc/group:ro", "busybox", "sh", "-c", script
    )
    assert "Permission denied" in done.stderr


def test_more_groups_than_the_kernel_takes(shared: Store, tmp_path: Path) -> None:
    (tmp_path / "group").write_text("".join(f"g{n}:x:{n}:user\n" for n in range(70000)))
    mount = ["-v", f"{tmp_path}/group:/etc/group:ro"]
    done = shared("run", "--rm", *mount, "-u", "user", "busybox", "true")
    assert done.returncode == 125
    assert "user user is in 70000 groups: the kernel takes 65536" in done.stderr
    shared.ok("run", "--rm", *mount, "-u", "user:100", "busybox", "true")
