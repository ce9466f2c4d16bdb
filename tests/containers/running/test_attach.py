"""attach: several at once, later, slow ones, keys that leave; start -a; detached exec."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.containers.terminals import Terminal
from tests.containers.test_restarts import record, until

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once

TALKER = 'while read line; do echo "heard $line"; [ "$line" != end ] || exit 5; done'
LOOP = "while :; do sleep 0.05; done"


def talker(store: Store, *options: str) -> None:
    store.ok("run", "-di", "--name", "one", *options, "busybox", "sh", "-c", TALKER)


def await_clients(store: Store, count: int) -> None:
    """Wait until the supervisor has taken so many clients in, beside its listening socket."""
    path = f"/proc/{record(store, 'one')['supervisor']}/fd"

    def taken() -> int:
        links = [os.readlink(f"{path}/{fd}") for fd in os.listdir(path)]
        return sum(link.startswith("socket:") for link in links) - 1

    until(lambda: taken() >= count)
    time.sleep(0.1)  # and the client has heard of it, and handles signals


def test_several_hear_the_same_and_each_may_speak(busybox: Store) -> None:
    talker(busybox)
    clients = [busybox.start("attach", "one") for _ in range(3)]
    await_clients(busybox, 3)
    for number, client in enumerate(clients):
        assert client.stdin
        client.stdin.write(f"from {number}\n")
        client.stdin.flush()
        for other in clients:
            assert other.stdout
            assert other.stdout.readline() == f"heard from {number}\n"
    clients[0].communicate("end\n", timeout=20)
    assert [client.wait(timeout=20) for client in clients] == [5, 5, 5]
    for client in clients[1:]:
        assert client.communicate()[0] == "heard end\n"


def test_the_end_of_one_input_is_not_the_containers(busybox: Store) -> None:
    talker(busybox)
    first = busybox.start("attach", "one")
    assert first.stdin
    assert first.stdout
    await_clients(busybox, 1)
    first.stdin.close()
    second = busybox.start("attach", "one")
    assert second.stdin
    second.stdin.write("end\n")
    second.stdin.flush()
    assert first.stdout.read() == "heard end\n"
    assert first.wait(timeout=20) == 5
    first.stdout.close()
    assert first.stderr
    first.stderr.close()
    second.communicate(timeout=20)


def test_only_looking_on(busybox: Store) -> None:
    talker(busybox)
    looker = busybox.start("attach", "--no-stdin", "one")
    await_clients(busybox, 1)
    assert looker.stdin
    looker.stdin.write("end\n")
    looker.stdin.flush()
    time.sleep(0.3)
    assert busybox.ok("ps", "--format", "{{.State}}") == "running"
    busybox.ok("kill", "one")
    assert looker.wait(timeout=20) == 137
    looker.communicate()


def test_signals_are_passed_on_or_not(busybox: Store) -> None:
    script = f"trap 'echo got it' TERM; {LOOP}"
    busybox.ok("run", "-d", "--name", "one", "busybox", "sh", "-c", script)
    quiet = busybox.start("attach", "--sig-proxy=false", "one")
    proxy = busybox.start("attach", "one")
    assert proxy.stdout
    await_clients(busybox, 2)

    def said() -> str:
        proxy.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        return busybox.ok("logs", "one")

    until(lambda: "got it" in said())
    assert proxy.stdout.readline() == "got it\n"
    quiet.send_signal(signal.SIGTERM)
    assert quiet.wait(timeout=20) == -signal.SIGTERM
    quiet.communicate()
    busybox.ok("kill", "one")
    proxy.communicate(timeout=20)


def test_who_reads_nothing_holds_nobody_up(busybox: Store) -> None:
    script = f"read go; head -c 10000000 /dev/zero | tr '\\0' x; echo; echo done >&2; {LOOP}"
    busybox.ok("run", "-di", "--name", "one", "busybox", "sh", "-c", script)
    stalled = busybox.start("attach", "--no-stdin", "one")
    quick = busybox.start("attach", "one", stdout=subprocess.DEVNULL)
    assert quick.stdin
    await_clients(busybox, 2)
    quick.stdin.write("go\n")
    quick.stdin.flush()
    until(lambda: "done" in busybox("logs", "--tail", "3", "one").stderr)
    assert stalled.stderr
    busybox.ok("kill", "one")
    out, err = stalled.communicate(timeout=20)
    assert len(out) < 10_000_000
    assert "bytes left out" in err
    quick.communicate(timeout=20)


def test_attach_to_what_does_not_run(busybox: Store) -> None:
    busybox.ok("create", "--name", "one", "busybox", "true")
    refused = busybox("attach", "one")
    assert refused.returncode == 1
    assert "to a stopped container, start it first" in refused.stderr
    busybox.ok("run", "-d", "--name", "two", "--restart", "always", "busybox", "true")
    until(lambda: record(busybox, "two")["restart_count"] >= 4)
    assert "it is restarting" in busybox("attach", "two").stderr
    busybox.ok("rm", "-f", "two")


def test_start_attaches_to_what_runs(busybox: Store) -> None:
    talker(busybox)
    client = busybox.start("start", "-ai", "one")
    out, _ = client.communicate("hello\nend\n", timeout=20)
    assert client.returncode == 5
    assert out.endswith("heard end\n")


def test_start_without_i_passes_no_input(busybox: Store) -> None:
    busybox.ok("create", "-i", "--name", "one", "busybox", "sh", "-c", TALKER)
    client = busybox.start("start", "-a", "one")
    assert client.stdin
    client.stdin.write("end\n")
    client.stdin.flush()
    until(lambda: busybox.ok("ps", "-q"))
    time.sleep(0.5)
    assert client.poll() is None
    busybox.ok("kill", "one")
    client.communicate(timeout=20)
    assert client.returncode == 137


def test_stopped_supervisor_is_told_of(busybox: Store) -> None:
    talker(busybox)
    pid = record(busybox, "one")["supervisor"]
    os.kill(pid, signal.SIGSTOP)
    try:
        done = busybox("attach", "one", timeout=40)
        assert done.returncode == 1
        assert "supervisor of container one is stopped" in done.stderr
    finally:
        os.kill(pid, signal.SIGCONT)
    busybox.ok("rm", "-f", "one")


# -- terminals


def test_leave_a_terminal_and_come_back(busybox: Store) -> None:
    words = ["run", "-it", "--name", "one", "busybox", "sh"]
    with Terminal(busybox, *words) as terminal:
        terminal.expect("# ")
        terminal.type("echo fir''st\r")
        terminal.expect("first")
        terminal.type("\x10\x11")
        assert terminal.process.wait(timeout=20) == 0
    assert busybox.ok("ps", "--format", "{{.State}}") == "running"
    with Terminal(busybox, "attach", "--detach-keys", "ctrl-x", "one") as terminal:
        terminal.type("echo sec''ond\r")
        terminal.expect("second")
        terminal.type("\x18")
        assert terminal.process.wait(timeout=20) == 0
    with Terminal(busybox, "attach", "one") as terminal:
        terminal.type("exit 7\r")
        assert terminal.process.wait(timeout=20) == 7


def test_leave_what_removes_itself(busybox: Store) -> None:
    with Terminal(busybox, "run", "-it", "--rm", "--name", "one", "busybox", "sh") as terminal:
        terminal.expect("# ")
        terminal.type("\x10\x11")
        assert terminal.wait() == 0
        assert terminal.seen.endswith(b"\r\n")  # the shell's prompt has a line of its own
    assert busybox.ok("ps", "--format", "{{.Names}}") == "one"
    busybox.ok("stop", "-t", "0", "one")
    assert busybox.ok("ps", "-aq") == ""


def test_leave_an_exec(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    script = "echo ready; read x; sleep 0.5; echo on > /went"
    with Terminal(busybox, "exec", "-it", "one", "sh", "-c", script) as terminal:
        terminal.expect("ready")
        terminal.type("\r\x10\x11")
        assert terminal.process.wait(timeout=20) == 0
    until(lambda: busybox("exec", "one", "cat", "/went").stdout == "on\n")
    busybox.ok("rm", "-f", "one")
