"""S12: a terminal in the hands of a container can type for its user: it never gets ours."""

from __future__ import annotations

import os
import pty
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Store

REFUSED = "passthrough cannot be used on a terminal"
PASSED = ["--log-driver", "passthrough", "--user", "1000", "busybox", "sh", "-c", "echo it runs"]


def on_terminal(store: Store, *args: str, stream: str) -> str:
    """Run a command with a terminal as one of its streams, which stays ours; return all it says."""
    master, slave = pty.openpty()
    before = os.fstat(slave)
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": -1, "stderr": -1}
    streams[stream] = slave
    try:
        done = subprocess.run([*store.command, *args], env=store.env, timeout=60, **streams)
        after = os.fstat(slave)
        said = (done.stdout or b"") + (done.stderr or b"")
        if stream != "stdin":
            os.set_blocking(master, False)
            try:
                said += os.read(master, 4096)
            except BlockingIOError:
                pass
    finally:
        os.close(master)
        os.close(slave)
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)
    return said.decode()


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_a_container_gets_no_terminal_of_ours(busybox: Store, stream: str) -> None:
    """Each way to a first process with the caller's own descriptors; nothing is left."""
    for command in (["run", "--rm"], ["run"], ["create"]):
        assert REFUSED in on_terminal(busybox, *command, *PASSED, stream=stream)
    assert busybox.ok("ps", "-aq") == ""
    busybox.ok("create", "--name", "one", *PASSED)
    for start in (["start", "one"], ["start", "-a", "one"], ["restart", "one"]):
        assert REFUSED in on_terminal(busybox, *start, stream=stream)
    assert busybox.ok("inspect", "--format", "{{.State.Status}}", "one") == "created"
    assert "it runs" in busybox.ok("start", "-a", "one")


def test_a_restart_from_a_terminal_leaves_it_running(busybox: Store) -> None:
    """It is refused before anything is stopped."""
    line = ["run", "--name", "one", "--log-driver", "passthrough", "busybox", "sh", "-c"]
    process = busybox.start(*line, "echo up; exec sleep 1000")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    assert REFUSED in on_terminal(busybox, "restart", "one", stream="stdin")
    assert busybox.ok("inspect", "--format", "{{.State.Status}}", "one") == "running"
    busybox.ok("rm", "-f", "one")
    process.communicate(timeout=60)


def test_exec_without_a_terminal_passes_none_on(busybox: Store) -> None:
    """Its standard streams are pipes of our own, whatever ours are."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    script = "for fd in 0 1 2; do test -t $fd && echo terminal $fd; done; echo done"
    for stream in ("stdin", "stdout", "stderr"):
        said = on_terminal(busybox, "exec", "-i", "one", "sh", "-c", script, stream=stream)
        assert said.strip() == "done"
