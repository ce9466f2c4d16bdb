"""What becomes of a container whose output nobody reads any more, or whose input has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.linux.loop import Loop
from rootless.runtime.supervision import relay
from rootless.runtime.supervision.unread import Unread, expects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = pytest.mark.once

LOOP = "while :; do echo x; done"


def pipeline(store: Store, *words: str, rest: str = "| head -n 1") -> tuple[str, str, int]:
    """Run `rootless WORDS` before a `rest`; return output, errors and rootless's own exit code."""
    script = f'"$@" {rest}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *store.command, *words],
        env=store.env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout, done.stderr, done.returncode


LOST = {
    "ends of itself": (("busybox", "yes"), ("y\n", "")),
    "below an init": (("--init", "busybox", "yes"), ("y\n", "")),
    "never ends of itself": (("busybox", "sh", "-c", LOOP), ("x\n", "")),
    "of a child": (
        ("busybox", "sh", "-c", "yes; echo $? >&2; exec >&2; echo after"),
        ("y\n", "141\nafter\n"),
    ),
    "that ignores it": (
        ("busybox", "sh", "-c", "trap '' PIPE; while echo x 2>/dev/null; do :; done; echo end >&2"),
        ("x\n", "end\n"),
    ),
    "a terminal": (("-t", "busybox", "sh", "-c", LOOP), ("x\n", "")),
    "without a log": (("--log-driver", "none", "busybox", "yes"), ("y\n", "")),
}


@pytest.mark.parametrize("case", LOST)
def test_who_has_lost_his_reader_ends(shared: Store, case: str) -> None:
    """As by SIGPIPE, also as the first process of a pid namespace; and leaves nothing."""
    words, expected = LOST[case]
    out, err, code = pipeline(shared, "run", "--rm", *words)
    assert ((out.replace("\r", ""), err), code) == (expected, 141)
    assert shared.ok("ps", "-aq") == ""


def test_errors_that_nobody_reads(shared: Store) -> None:
    words = ("run", "--rm", "busybox", "sh", "-c", f"({LOOP}) >&2")
    assert pipeline(shared, *words, rest="2>&1 >/dev/null | head -n 1") == ("x\n", "", 141)
    assert shared.ok("ps", "-aq") == ""


def test_how_it_has_ended_is_kept(shared: Store) -> None:
    assert pipeline(shared, "run", "--name", "lost", "busybox", "sh", "-c", LOOP)[2] == 141
    assert shared.ok("inspect", "-f", "{{.State.ExitCode}}", "lost") == "141"
    assert pipeline(shared, "start", "-a", "lost") == ("x\n", "", 141)
    log = Path(shared.root, "containers", shared.ok("ps", "-aq", "--no-trunc"), "log")
    assert log.stat().st_size < 50 << 20, "what nobody reads is not written on into the log"
    shared.ok("rm", "lost")


@pytest.mark.needs("/dev/full")
def test_output_that_has_no_room(shared: Store) -> None:
    out, err, code = pipeline(shared, "run", "--rm", "busybox", "yes", rest="> /dev/full | :")
    assert (out, err, code) == ("", "Error: standard output: No space left on device\n", 125)
    assert shared.ok("ps", "-aq") == ""


def test_who_looks_on_ends_alone(shared: Store) -> None:
    shared.ok("run", "-d", "--name", "on", "busybox", "sh", "-c", LOOP.replace("x;", "x; sleep 0;"))
    assert pipeline(shared, "attach", "on")[2] == 141
    assert shared.ok("inspect", "-f", "{{.State.Status}}", "on") == "running"
    assert pipeline(shared, "exec", "on", "yes")[2] == 141
    assert "yes" not in shared.ok("top", "on")
    shared.ok("rm", "-f", "on")


def test_what_is_old_in_a_pipe_is_told_from_what_is_new() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"old")
    child = os.fork()
    if not child:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        time.sleep(1000)
        os._exit(0)
    while expects(child, signal.SIGPIPE):  # pytest ignores it
        time.sleep(0.001)
    one = Unread(child, reading)
    assert one.is_open
    assert one.is_old(b"ol")
    assert one.is_old(b"d")
    assert not one.is_old(b"n")
    assert not one.is_by_first()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not Unread(child, reading).is_open
    assert not Unread(os.getpid(), reading).is_open, "pytest ignores SIGPIPE"
    os.close(reading)
    os.close(writing)


# -- the end of an input that is no terminal


@pytest.mark.parametrize("command", ["run", "exec"])
@pytest.mark.parametrize(
    ("script", "given", "expected"),
    [
        ("cat", "test\n", "test\ntest\n"),
        ("cat", "part", "partpart"),
        ("cat; cat; echo end", "", "end\n"),
    ],
)
def test_a_terminal_whose_input_is_none(
    shared: Store, command: str, script: str, given: str, expected: str
) -> None:
    """podman warns and waits for ever."""
    words = ["run", "--rm", "-it", "busybox"]
    if command == "exec":
        shared.ok("run", "-d", "--rm", "--name", "tty", "busybox", "sleep", "1000")
        words = ["exec", "-it", "tty"]
    words = ["--dialect", "podman", *words]
    done = shared(*words, "sh", "-c", script, input=given, timeout=50)
    assert done.stdout.replace("\r", "") == expected
    warned = "The input device is not a TTY. The --tty and --interactive flags" in done.stderr
    assert (warned, done.returncode) == (command == "run", 0)
    if command == "exec":
        shared.ok("rm", "-f", "tty")


def test_an_interactive_shell_ends_with_its_input(shared: Store) -> None:
    words = ("--dialect", "podman", "run", "--rm", "-it", "busybox", "sh")
    done = shared(*words, input="echo $((40 + 2)); exit 4\n")
    assert (done.returncode, "42" in done.stdout) == (4, True)
    assert shared(*words, timeout=50).returncode == 0


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("run -it --name new busybox true", True),
        ("run -it --name new -a stdin busybox true", True),
        ("exec -it tty true", True),
        ("attach tty", True),
        ("run -it -a stdout --rm busybox true", False),
        ("run -itd --rm busybox true", False),
        ("run -t --rm busybox true", False),
        ("exec -t tty true", False),
        ("exec -itd tty true", False),
        ("create -it --rm --name made busybox true", False),
        ("start -ai made", False),
    ],
)
def test_docker_wants_a_terminal(tty: Store, line: str, refused: bool) -> None:
    """Before anything has happened."""
    done = tty(*line.split(), timeout=50)
    assert done.returncode == int(refused), done.stderr
    assert ("the input device is not a TTY" in done.stderr) == refused
    assert tty("container", "exists", "new").returncode == 1


@pytest.fixture(scope="module")
def tty(shared: Store) -> Iterator[Store]:
    """`shared` with a container of that name, which has a terminal."""
    shared.ok("run", "-itd", "--name", "tty", "busybox", "sleep", "1000")
    yield shared
    shared.ok("rm", "-f", "tty")


def test_the_end_of_input_is_said_again_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    monkeypatch.setattr(relay, "_END_REPEATED", 3)
    loop = Loop()
    given = relay.Input(loop, os.dup(master), is_terminal=True)
    given.write(b"x")
    given.write(b"")
    assert os.read(slave, 10) == b"x"
    for _ in range(3):
        assert os.read(slave, 10) == b""
        loop.turn(5000)
    while not given.is_idle:
        loop.turn(5000)
    assert given.fd >= 0, "it is still read"
    given.close()
    os.close(master)
    os.close(slave)


# -- a log without limits


def test_a_log_is_no_larger_than_three_files_of_50_mib(busybox: Store) -> None:
    line = "a line of some length, again and again and again"
    script = f"yes '{line}' | head -c 30000000"
    name = busybox.ok("run", "-d", "--log-driver", "k8s-file", "busybox", "sh", "-c", script)
    assert busybox.ok("wait", name) == "0"
    files = sorted(Path(busybox.root, "containers", name).glob("log*"))
    assert [file.name for file in files] == ["log", "log.1"]
    assert 50 << 20 <= files[1].stat().st_size < 51 << 20
    assert busybox.ok("logs", "--tail", "1", name).startswith("a line")
    assert busybox.ok("inspect", "-f", "{{json .HostConfig.LogConfig.Config}}", name) == "{}"
