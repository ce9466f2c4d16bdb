"""By what programs know a container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.once


@pytest.mark.each
def test_signs_of_a_container(busybox: Store, tmp_path: Path) -> None:
    """podman's and docker's; none of it is a change, or left in a directory of the user's own."""
    look = "cat /run/.containerenv; ls /.dockerenv; readlink /etc/mtab; echo $container"
    expected = "/.dockerenv\n/proc/mounts\npodman"
    for options in ([], ["--read-only"], ["--tmpfs", "/run"]):
        line = ["run", "--name", "one", *options, "busybox", "sh", "-c", look]
        assert busybox.ok(*line) == expected, options
        assert busybox.ok("diff", "one") == ""
        assert "container=" not in busybox.ok("inspect", "-f", "{{.Config.Env}}", "one")
        busybox.ok("rm", "one")
    own = ["run", "--rm", "-v", f"{tmp_path}:/run", "-e", "container=mine", "busybox"]
    assert busybox.ok(*own, "sh", "-c", "ls -A /run; echo $container") == "mine"
    assert list(tmp_path.iterdir()) == []


def test_who_is_privileged_may_know_where_he_is(busybox: Store) -> None:
    line = ["run", "--rm", "--privileged", "--name", "one", "busybox", "cat", "/run/.containerenv"]
    told = dict(text.split("=", 1) for text in busybox.ok(*line).splitlines())
    assert told["name"] == '"one"'
    assert told["image"] == '"busybox"'
    assert told["engine"] == '"rootless"'
    assert told["rootless"] == '"1"'


def test_signs_that_the_image_has_stay(busybox: Store) -> None:
    script = "echo x > /.dockerenv; mkdir -p /run; echo own > /etc/mtab"
    busybox.ok("run", "--name", "one", "busybox", "sh", "-c", f"rm /.dockerenv /etc/mtab; {script}")
    assert busybox.ok("diff", "one").split()[1::2] == ["/.dockerenv", "/etc", "/etc/mtab"]
    busybox.ok("commit", "one", "made")
    assert busybox.ok("run", "--rm", "made", "cat", "/.dockerenv", "/etc/mtab") == "x\nown"


def test_this_machine_gets_no_signs(cli: Store) -> None:
    before = os.path.lexists("/.dockerenv"), os.path.lexists("/run/.containerenv")
    assert cli.ok("run", "--rm", "host", "ls", "/run/.containerenv") == "/run/.containerenv"
    assert before == (os.path.lexists("/.dockerenv"), os.path.lexists("/run/.containerenv"))
