"""pause, unpause and top."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.runtime.supervision.members import members
from tests.containers.test_restarts import record, until

if TYPE_CHECKING:
    from conftest import Store

COUNTER = "(while :; do sleep 0.01; echo x >> /count; done) & while :; do sleep 0.02; done"


def all_of(store: Store, name: str) -> list[int]:
    state = record(store, name)
    return members(state["pid"], state["command_pid"])


def states(store: Store) -> set[str]:
    """Return the states of all processes of the container (proc(5), stat).

    But for zombies: what ended just before its parent was stopped stays one until that goes on.
    """
    found = set()
    for pid in all_of(store, "one"):
        try:
            found.add(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])
        except OSError:
            continue
    return found - {"Z"}


@pytest.mark.parametrize("options", [[], ["--pid", "host"], ["--init"]])
def test_all_stand_still_and_go_on(busybox: Store, options: list[str]) -> None:
    busybox.ok("run", "-d", "--name", "one", *options, "busybox", "sh", "-c", COUNTER)
    execed = busybox.start("exec", "one", "sh", "-c", "while :; do sleep 0.01; done")
    until(lambda: len(all_of(busybox, "one")) >= 5)
    paused = busybox("pause", "one")
    assert (paused.returncode, paused.stdout) == (0, "one\n")
    until(lambda: states(busybox) <= {"T", "D"})
    assert states(busybox) <= {"T"}
    assert busybox.ok("ps", "--format", "{{.State}}") == "paused"
    count = busybox.ok("ps", "--format", "{{.Status}}")
    assert count.startswith("Up ")
    for refused in (["exec", "one", "true"], ["attach", "one"], ["pause", "one"]):
        assert "paused" in busybox(*refused).stderr
    busybox.ok("unpause", "one")
    until(lambda: "T" not in states(busybox))
    size = busybox.ok("exec", "one", "wc", "-l", "/count")
    until(lambda: busybox.ok("exec", "one", "wc", "-l", "/count") != size)
    assert "is not paused" in busybox("unpause", "one").stderr
    busybox.ok("rm", "-f", "one")
    execed.communicate(timeout=20)


def test_a_command_on_its_way_in_is_waited_for(busybox: Store) -> None:
    name = busybox.ok("run", "-d", "--name", "one", "busybox", "sh", "-c", COUNTER)
    records = Path(busybox.root, "containers", name, "exec")
    execed = busybox.start("exec", "one", "sh", "-c", "while :; do sleep 0.01; done")
    deadline = time.monotonic() + 20
    while not [*records.glob("*.json")]:
        assert time.monotonic() < deadline
    execed.send_signal(signal.SIGSTOP)
    pause = busybox.start("pause", "one")
    until(lambda: (records.parent / "paused").exists())
    execed.send_signal(signal.SIGCONT)
    assert pause.communicate(timeout=20)[0] == "one\n"
    time.sleep(0.5)  # in which it would have come
    assert states(busybox) <= {"T"}
    busybox.ok("rm", "-f", "one")
    execed.communicate(timeout=20)
    assert execed.returncode != 0


def test_other_processes_of_the_user_go_on(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "--pid", "host", "busybox", "sleep", "1000")
    busybox.ok("run", "-d", "--name", "two", "--pid", "host", "busybox", "sleep", "1000")
    found = all_of(busybox, "one")
    assert record(busybox, "one")["pid"] in found
    assert os.getpid() not in found
    assert record(busybox, "two")["pid"] not in found
    assert record(busybox, "one")["supervisor"] not in found
    busybox.ok("rm", "-fa")


@pytest.mark.parametrize("command", [["stop", "-t", "1"], ["kill"], ["rm", "-f"]])
def test_a_paused_container_can_be_ended(busybox: Store, command: list[str]) -> None:
    script = "trap 'exit 4' TERM; while :; do sleep 0.02; done"
    busybox.ok("run", "-d", "--name", "one", "busybox", "sh", "-c", script)
    busybox.ok("pause", "one")
    busybox.ok(*command, "one")
    if command[0] == "rm":
        assert busybox.ok("ps", "-aq") == ""
        return
    assert busybox.ok("wait", "one") == ("4" if command[0] == "stop" else "137")
    busybox.ok("start", "one")
    assert busybox.ok("ps", "--format", "{{.State}}") == "running"
    busybox.ok("rm", "-f", "one")


def test_pause_all_and_wait_for_it(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    waiter = busybox.start("wait", "--condition", "paused", "one")
    busybox.ok("pause", "--all")
    assert waiter.communicate(timeout=20)[0] == "-1\n"
    busybox.ok("unpause", "--all")
    assert busybox.ok("unpause", "--all") == ""
    busybox.ok("rm", "-f", "one")


# -- top


def test_top_as_docker(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sh", "-c", "sleep 1001 & sleep 1002")
    heading, *rows = busybox.ok("top", "one").splitlines()
    assert heading.split() == "UID PID PPID C STIME TTY TIME CMD".split()
    assert {row.split(None, 7)[7] for row in rows} >= {"sleep 1001"}
    assert str(record(busybox, "one")["pid"]) in [row.split()[1] for row in rows]
    busybox.ok("rm", "-f", "one")
    assert (
        "is not running" in busybox("top", "one").stderr
        or "No such" in busybox("top", "one").stderr
    )


def test_top_with_descriptors(busybox: Store) -> None:
    options = ["--cap-drop", "ALL", "--name", "one"]
    busybox.ok("run", "-d", *options, "busybox", "sleep", "1001")
    lines = busybox.ok("top", "one", "pid,ppid,state", "capeff", "args", "seccomp").splitlines()
    assert lines[0].split() == "PID PPID STATE EFFECTIVE CAPS COMMAND SECCOMP".split()
    assert lines[1].split() == ["1", "0", "S", "none", "sleep", "1001", "filter"]
    busybox.ok("rm", "-f", "one")


@pytest.mark.each
def test_top_names_users_as_the_container_does(busybox: Store, in_user_mode: str) -> None:
    """A user of the image, one that has no name there, and the same ones on the host."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1001")
    columns = ["user", "ruser", "group", "rgroup", "huser", "hgroup"]
    own = [pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name]
    row = busybox.ok("top", "one", *columns).splitlines()[1].split()
    assert row == ["root"] * 4 + own
    busybox.ok("rm", "-f", "one")
    if in_user_mode == "single":
        return  # root is all there is
    for user, expected in (("user:users", "user user users users"), ("77:88", "77 77 88 88")):
        busybox.ok("run", "-d", "--name", "one", "-u", user, "busybox", "sleep", "1001")
        row = busybox.ok("top", "one", *columns).splitlines()[1].split()
        assert row[:4] == expected.split()
        assert row[4] not in (user.partition(":")[0], own[0])
        assert busybox.ok("top", "one").splitlines()[1].split()[0] == expected.split()[0]
        busybox.ok("rm", "-f", "one")


@pytest.mark.needs("ps")
def test_top_with_options_of_ps(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1001")
    heading, row = busybox.ok("top", "one", "-o", "pid,comm").splitlines()
    assert heading.split() == ["PID", "COMMAND"]
    assert row.split() == [str(record(busybox, "one")["pid"]), "sleep"]
    refused = busybox("top", "one", "nonsense")
    assert refused.returncode == 1
    assert "descriptors are" in refused.stderr
    assert subprocess.run(["ps", "-p", str(os.getpid())], capture_output=True).returncode == 0
    busybox.ok("rm", "-f", "one")
