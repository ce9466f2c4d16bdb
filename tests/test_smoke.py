"""A container from end to end, in one file: what every Python and every user has to manage."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.as_root


def test_run_passes_output_and_exit_code(busybox: Store) -> None:
    done = busybox("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)
    assert busybox.ok("ps", "--all", "--quiet") == ""


def test_container_is_root_and_alone(busybox: Store) -> None:
    script = "id -u; hostname; cat /proc/self/comm; ls /proc | grep -c '^[0-9]'"
    uid, hostname, _, processes = busybox.ok(
        "run", "--rm", "--hostname", "box", "busybox", "sh", "-c", script
    ).split("\n")
    assert (uid, hostname) == ("0", "box")
    assert int(processes) <= 4


def test_background_container_lives_until_it_is_removed(busybox: Store) -> None:
    container = busybox.ok("run", "--detach", "--name", "one", "busybox", "sleep", "600")
    assert len(container) == 64
    assert busybox.ok("ps", "--format", "{{.Names}}") == "one"
    assert busybox.ok("exec", "one", "cat", "/proc/1/comm") == "sleep"
    assert busybox.ok("stop", "--time", "0", "one") == "one"
    assert busybox.ok("ps", "--quiet") == ""
    assert busybox.ok("rm", "one") == "one"


def test_output_is_kept(busybox: Store) -> None:
    busybox.ok("run", "--name", "one", "busybox", "echo", "kept")
    assert busybox.ok("logs", "one") == "kept"


def test_host_image_needs_nothing(cli: Store) -> None:
    assert cli.ok("run", "--rm", "host", "id", "-u") == "0"
    left = [name for name in os.listdir(f"{cli.root}/containers") if name != ".names"]
    assert left == []
