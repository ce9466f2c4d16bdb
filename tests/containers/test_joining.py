"""--network container:NAME, where that container is not of the same session, or has no network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.once


@pytest.mark.each
def test_the_network_of_a_container_of_another_session(busybox: Store, tmp_path: Path) -> None:
    """Each session has a user namespace of its own, and the network belongs to the other's."""
    env = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir(mode=0o700)
        env.append({"XDG_RUNTIME_DIR": str(tmp_path / name)})
    serving = "mkdir /w; echo served > /w/index.html; exec httpd -f -p 8080 -h /w"
    busybox.ok("run", "-d", "--name", "web", "busybox", "sh", "-c", serving, env=env[0])
    busybox.ok("run", "-d", "--name", "here", "busybox", "sleep", "1000", env=env[1])
    line = ["run", "--rm", "--network", "container:web", "busybox", "sh", "-c"]
    fetch = "for i in 1 2 3 4 5; do wget -q -O - http://127.0.0.1:8080/ && break; sleep 0.2; done"
    assert busybox.ok(*line, fetch, env=env[1]) == "served"
    assert busybox.ok("exec", "here", "echo", "still", env=env[1]) == "still"
    busybox.ok("rm", "-f", "web", "here", env=env[0])


@pytest.mark.each
def test_the_network_of_a_container_that_has_the_machines(shared: Store) -> None:
    shared.ok("run", "-d", "--name", "all", "--network", "host", "busybox", "sleep", "1000")
    line = ["run", "--rm", "--network", "container:all", "busybox"]
    assert shared.ok(*line, "readlink", "/proc/self/ns/net") == os.readlink("/proc/self/ns/net")
    shared.ok("rm", "-f", "all")
