"""Bytes into and out of a container: whole, in order, and through a real terminal."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import termios
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from tests.containers.terminals import Terminal
from tests.containers.test_restarts import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = pytest.mark.once

MEGABYTE = 1 << 20
SIZE = 100 * MEGABYTE


def pattern() -> Iterator[bytes]:
    """100 MB of which no megabyte is like another."""
    block = os.urandom(MEGABYTE - 8)
    for number in range(SIZE // MEGABYTE):
        yield number.to_bytes(8, "big") + block


def feed(target: IO[bytes], digest: hashlib._Hash) -> None:
    for chunk in pattern():
        digest.update(chunk)
        target.write(chunk)
    target.flush()
    target.close()


def binary(store: Store, *args: str) -> subprocess.Popen[bytes]:
    """Start a command with pipes of bytes for input and output."""
    pipe = subprocess.PIPE
    return subprocess.Popen([*store.command, *args], env=store.env, stdin=pipe, stdout=pipe)


@pytest.mark.parametrize("command", ["run", "exec"])
def test_100_mb_through_a_container(shared: Store, command: str) -> None:
    """Both directions at once, more than all buffers hold: nobody may wait for somebody."""
    words = ["run", "--rm", "-i", "busybox", "cat"]
    if command == "exec":
        shared.ok("run", "-d", "--rm", "--name", "cat", "busybox", "sleep", "1000")
        words = ["exec", "-i", "cat", "cat"]
    process = binary(shared, *words)
    assert process.stdin
    assert process.stdout
    sent, received = hashlib.sha256(), hashlib.sha256()
    source, process.stdin = process.stdin, None
    feeder = threading.Thread(target=feed, args=(source, sent))
    feeder.start()
    while chunk := process.stdout.read(MEGABYTE):
        received.update(chunk)
    feeder.join()
    assert process.wait(60) == 0
    assert received.digest() == sent.digest()
    process.communicate()
    if command == "exec":
        shared.ok("rm", "-f", "cat")


def test_100_mb_out_of_a_background_container_are_kept(busybox: Store) -> None:
    script = "yes 'a line of some length, again and again and again' | head -c 20000000"
    busybox.ok("run", "--name", "one", "busybox", "sh", "-c", f"{script} | tee /sum | sha256sum")
    busybox.ok("run", "--name", "two", "busybox", "sh", "-c", script, stdout=subprocess.DEVNULL)
    logged = busybox("logs", "two", text=False).stdout
    assert hashlib.sha256(logged).hexdigest() == busybox.ok("logs", "one").split()[0]


def test_end_of_input_is_passed_on(shared: Store) -> None:
    script = "cat; echo end"
    done = shared("run", "--rm", "-i", "busybox", "sh", "-c", script, input="some\n", timeout=20)
    assert done.stdout == "some\nend\n"
    assert shared("run", "--rm", "-i", "busybox", "cat", timeout=20).returncode == 0  # /dev/null


def test_no_input_without_interactive(shared: Store) -> None:
    done = shared("run", "--rm", "busybox", "cat", input="some\n", timeout=20)
    assert (done.returncode, done.stdout) == (0, "")


def test_command_that_does_not_read_its_input(shared: Store) -> None:
    process = binary(shared, "run", "--rm", "-i", "busybox", "sh", "-c", "exec <&-; echo done")
    out, _ = process.communicate(b"x" * (4 * MEGABYTE), timeout=30)
    assert (out, process.returncode) == (b"done\n", 0)


def test_streams_stay_apart(shared: Store) -> None:
    script = "head -c 5000000 /dev/zero | tr '\\0' e >&2; echo out"
    done = shared("run", "--rm", "busybox", "sh", "-c", script)
    assert done.stdout == "out\n"
    assert (len(done.stderr), set(done.stderr)) == (5000000, {"e"})


def test_streams_that_are_not_attached_are_kept_in_the_log(shared: Store) -> None:
    line = ["--name", "some", "busybox", "sh", "-c", "cat; echo out; echo err >&2; exit 3"]
    for streams, out, err in (("stdout", "in\nout\n", ""), ("STDERR", "", "err\n")):
        done = shared("run", "-i", "-a", streams, *line, input="in\n")
        assert (done.stdout, done.stderr, done.returncode) == (out, err, 3)
        logs = shared("logs", "some")
        assert (logs.stdout, logs.stderr) == ("in\nout\n", "err\n")
        shared.ok("rm", "some")
    done = shared("run", "-i", "-a", "stdin", *line, input="in\n")
    assert done.stdout == shared.ok("inspect", "-f", "{{.Id}}", "some") + "\n"
    assert (done.stderr, done.returncode) == ("", 3)
    assert shared("logs", "some").stdout == "in\nout\n"
    shared.ok("rm", "some")


def test_both_streams_into_one_file_keep_their_order(shared: Store, tmp_path: Path) -> None:
    script = "for n in 1 2 3 4 5; do echo out $n; sleep 0.02; echo err $n >&2; sleep 0.02; done"
    with open(tmp_path / "file", "wb") as file:
        shared("run", "--rm", "busybox", "sh", "-c", script, stdout=file, stderr=file)
    expected = "".join(f"out {n}\nerr {n}\n" for n in range(1, 6))
    assert (tmp_path / "file").read_text() == expected


def supervisor_of(store: Store, name: str) -> int:
    """Return the pid of a container's supervisor."""
    init = int(store.ok("inspect", "-f", "{{.State.Pid}}", name))
    status = Path(f"/proc/{init}/status").read_text()
    found = re.search(r"^PPid:\t(\d+)", status, re.MULTILINE)
    assert found
    return int(found[1])


def resident(pid: int) -> int:
    """Return the kilobytes of memory of a process that are its own."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kb) for kb in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE))


def test_slow_reader_holds_the_container_back(busybox: Store) -> None:
    process = binary(busybox, "run", "--log-driver", "none", "--name", "one", "busybox", "yes")
    assert process.stdout
    process.stdout.read(10 * MEGABYTE)
    pid = supervisor_of(busybox, "one")
    time.sleep(0.7)
    init = int(busybox.ok("inspect", "-f", "{{.State.Pid}}", "one"))
    before = Path(f"/proc/{init}/io").read_text() if os.access(f"/proc/{init}/io", 4) else ""
    memory = resident(pid)
    time.sleep(0.5)
    after = Path(f"/proc/{init}/io").read_text() if before else ""
    assert before == after  # it waits
    assert memory < 16000
    process.stdout.read(50 * MEGABYTE)
    assert resident(pid) < 16000
    busybox.ok("rm", "-f", "one", timeout=20)
    process.kill()
    process.communicate()


def test_stop_does_not_wait_for_a_reader(busybox: Store) -> None:
    process = binary(busybox, "run", "--name", "one", "busybox", "yes")
    assert process.stdout
    process.stdout.read(MEGABYTE)
    process.send_signal(signal.SIGSTOP)
    busybox.ok("stop", "-t", "0", "one", timeout=20)
    assert busybox.ok("ps", "-aq", "-f", "status=exited") != ""
    process.send_signal(signal.SIGCONT)
    process.stdout.read()
    assert process.wait(20) == 137
    process.communicate()


def test_killed_client_leaves_the_container_running(busybox: Store) -> None:
    script = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.05; done"
    process = binary(busybox, "run", "--name", "one", "busybox", "sh", "-c", script)
    assert process.stdout
    assert process.stdout.readline() == b"1\n"
    process.kill()
    process.communicate()
    before = len(busybox.ok("logs", "one").split())
    follower = busybox.start("logs", "-f", "--tail", "0", "one")
    assert follower.stdout
    assert int(follower.stdout.readline()) > before
    busybox.ok("stop", "-t", "0", "one")
    follower.communicate(timeout=20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_reach_the_command(shared: Store, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.02; done"
    process = shared.start("run", "--rm", "busybox", "sh", "-c", script)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == f"got {name}\n"
    assert process.wait(20) == 7
    process.communicate()


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.01, 0.02, 0.03])
def test_interrupt_while_it_starts_leaves_nothing(busybox: Store, delay: float) -> None:
    os.makedirs(f"{busybox.root}/containers", exist_ok=True)
    process = busybox.start("run", "--rm", "--init", "busybox", "sleep", "5")
    while not os.listdir(f"{busybox.root}/containers"):
        time.sleep(0.001)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=20)[1], process.returncode) == ("", 130)
    assert busybox.ok("ps", "-aq") == ""


def test_closed_standard_descriptors(shared: Store) -> None:
    shared.ok("run", "-d", "--rm", "--name", "closed", "busybox", "sleep", "1000")
    words = " ".join(shared.command)
    for command in ("run --rm -i busybox", "run --rm busybox", "exec -i closed", "exec closed"):
        script = f"{words} {command} sh -c 'cat; ls /proc/self/fd; exit 3' <&- >&- 2>&-"
        assert subprocess.run(["sh", "-c", script], env=shared.env, timeout=30).returncode == 3
    shared.ok("rm", "-f", "closed")


def test_broken_pipe_is_no_traceback(shared: Store) -> None:
    words = " ".join([*shared.command, "run", "--rm", "busybox", "seq", "1", "2000000"])
    done = subprocess.run(
        ["sh", "-c", f"{words} | head -n 1"], env=shared.env, capture_output=True, text=True
    )
    assert done.stdout == "1\n"
    assert "Traceback" not in done.stderr


# -- terminals


def test_terminal_is_one(shared: Store) -> None:
    script = "tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size; echo $TERM; ls -l /dev/console"
    with Terminal(shared, "run", "--rm", "-it", "busybox", "sh", "-c", script) as terminal:
        assert terminal.wait() == 0
        lines = terminal.seen.decode().split("\r\n")
    assert lines[:3] == ["/dev/pts/0", "24 80", "xterm"]


def test_terminal_without_one_outside(shared: Store) -> None:
    done = shared("run", "--rm", "-t", "busybox", "sh", "-c", "tty; echo err >&2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["/dev/pts/0", "err"]


def test_terminal_is_resized(shared: Store) -> None:
    script = "trap 'stty size' WINCH; echo ready; while :; do read -t 1 line && exit $line; done"
    with Terminal(shared, "run", "--rm", "-it", "busybox", "sh", "-c", script) as terminal:
        terminal.expect("ready")
        for rows, columns in ((50, 132), (10, 20)):
            terminal.resize(rows, columns)
            terminal.expect(f"{rows} {columns}")
        terminal.type("9\r")
        assert terminal.wait() == 9


def test_job_control(shared: Store) -> None:
    with Terminal(shared, "run", "--rm", "-it", "busybox", "sh") as terminal:
        terminal.expect("# ")
        terminal.type("sleep 1000\r")
        terminal.expect("sleep 1000")
        time.sleep(0.3)
        terminal.type("\x03")  # ctrl-c ends the foreground job, not the shell
        terminal.expect("# ")
        terminal.type("echo $?\r")
        terminal.expect("130")
        terminal.type("sleep 999\r")
        terminal.expect("sleep 999\r\n")
        time.sleep(0.3)
        terminal.type("\x1a")  # ctrl-z
        terminal.expect("Stopped")
        terminal.type("jobs; fg\r")
        terminal.expect("sleep 999")
        time.sleep(0.3)
        terminal.type("\x03")
        terminal.type("exit 6\r")
        assert terminal.wait() == 6


def test_full_screen_program(shared: Store) -> None:
    with Terminal(shared, "run", "--rm", "-it", "busybox", "sh") as terminal:
        terminal.expect("# ")
        terminal.type("vi /tmp/file\r")
        terminal.expect("/tmp/file")
        terminal.type("ihello from vi\x1b")
        time.sleep(0.2)
        terminal.type(":wq\r")
        terminal.expect("# ")
        terminal.type("cat /tmp/file\r")
        terminal.expect("hello from vi\r\n")
        terminal.expect("# ")
        terminal.type("\x04")
        assert terminal.wait() == 0


@pytest.mark.parametrize("end", ["exit", "kill", "term"])
def test_terminal_is_restored(shared: Store, end: str) -> None:
    with Terminal(shared, "run", "-it", "--rm", "--name", "tty", "busybox", "sh") as terminal:
        terminal.expect("# ")
        raw = termios.tcgetattr(terminal.slave)
        assert raw[3] & termios.ICANON == 0
        if end == "exit":
            terminal.type("exit 3\r")
        elif end == "kill":
            shared.ok("kill", "tty")
        else:
            terminal.process.terminate()
        assert terminal.wait() == {"exit": 3, "kill": 137, "term": 143}[end]
        assert termios.tcgetattr(terminal.slave) == terminal.before
    shared("rm", "-f", "tty")


def test_much_output_through_a_terminal(shared: Store) -> None:
    with Terminal(shared, "run", "--rm", "-it", "busybox", "seq", "1", "100000") as terminal:
        assert terminal.wait() == 0
        assert terminal.seen.split() == [str(n).encode() for n in range(1, 100001)]


def test_paste_into_a_terminal(shared: Store) -> None:
    """More than the terminal takes at once (4096 bytes a line, N_TTY_BUF_SIZE) arrives whole."""
    script = "stty raw -echo; echo ready; head -c 200000 | sha256sum"
    text = "".join(chr(33 + n % 90) for n in range(200000))
    with Terminal(shared, "run", "--rm", "-it", "busybox", "sh", "-c", script) as terminal:
        terminal.expect("ready")
        writer = threading.Thread(target=terminal.type, args=(text,))
        writer.start()
        terminal.expect(hashlib.sha256(text.encode()).hexdigest())
        writer.join()
        assert terminal.wait() == 0


def test_background_process_keeps_nobody_waiting(shared: Store) -> None:
    began = time.monotonic()
    shared.ok("run", "--rm", "busybox", "sh", "-c", "sleep 1000 & echo done")
    with Terminal(shared, "run", "--rm", "-it", "busybox", "sh", "-c", "sleep 1000 &") as terminal:
        terminal.wait()
    assert time.monotonic() - began < 15


def test_supervisor_sleeps(busybox: Store) -> None:
    """An idle container's supervisor does not wake: it waits for events."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    status = Path(f"/proc/{supervisor_of(busybox, 'one')}/status")

    def switches() -> str:
        found = re.search(r"^voluntary_ctxt_switches:\t(\d+)", status.read_text(), re.MULTILINE)
        assert found
        return found[1]

    def sleeps() -> bool:
        before = switches()
        time.sleep(1.5)
        return switches() == before

    until(sleeps)  # once it has made itself small
