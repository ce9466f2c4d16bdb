"""Messages between the launcher and the supervisor."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys

import pytest

from rootless.errors import CommandNotExecutable, CommandNotFound, HostError, LaunchError
from rootless.runtime.launch.report import Phase, Report

pytestmark = pytest.mark.once


def pair() -> tuple[Report, Report]:
    return Report.pair()


def test_messages_arrive_one_by_one_with_their_sender() -> None:
    ours, theirs = pair()
    assert theirs.send(Phase.FORKED, pid=5)
    assert theirs.send(Phase.READY, degraded=["a"])
    first, second = ours.receive(), ours.receive()
    assert first is not None
    assert second is not None
    assert (first["phase"], first["pid"], first["sender"]) == (Phase.FORKED, 5, os.getpid())
    assert second["degraded"] == ["a"]
    theirs.close()
    assert ours.receive() is None
    ours.close()


def test_descriptor_arrives_close_on_exec() -> None:
    ours, theirs = pair()
    read, write = os.pipe()
    theirs.send(Phase.TERMINAL, fd=read)
    os.close(read)
    message = ours.receive()
    assert message is not None
    assert not os.get_inheritable(message["fd"])
    os.write(write, b"x")
    assert os.read(message["fd"], 1) == b"x"
    for fd in (message["fd"], write):
        os.close(fd)
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (CommandNotFound('"x": no such file'), CommandNotFound, '"x": no such file'),
        (CommandNotExecutable("no"), CommandNotExecutable, "no"),
        (HostError("no", "do that"), LaunchError, "no (do that)"),
        (OSError(errno.EPERM, "x"), LaunchError, "cannot mount /proc: Operation not permitted"),
        (
            OSError(errno.ENOENT, "x", "/a"),
            LaunchError,
            "cannot mount /proc: No such file or directory '/a'",
        ),
        (ZeroDivisionError("z"), LaunchError, "cannot mount /proc: ZeroDivisionError: z"),
    ],
)
def test_errors_are_raised_on_the_other_side(
    error: Exception, kind: type[LaunchError], text: str
) -> None:
    ours, theirs = pair()
    theirs.fail("mount /proc", error)
    with pytest.raises(kind) as raised:
        ours.receive()
    assert type(raised.value) is kind
    assert str(raised.value) == text
    assert raised.value.step == "mount /proc"
    ours.close()
    theirs.close()


def test_reader_that_is_gone_is_told() -> None:
    ours, theirs = pair()
    ours.close()
    assert theirs.send(Phase.READY) is False
    theirs.close()


def test_more_than_a_message_holds() -> None:
    ours, theirs = pair()
    theirs.fail("say", LaunchError("x" * 300000))
    with pytest.raises(LaunchError, match="xxx"):
        ours.receive()
    theirs.send(Phase.READY, steps=[["a long step", 1]] * 100000, degraded=[])
    message = ours.receive()
    assert message is not None
    assert (message["phase"], message["steps"]) == (Phase.READY, [])
    ours.close()
    theirs.close()


STOLEN = """
import os, sys, time
from rootless.runtime.launch.report import Report

ours, theirs = Report.pair()
theirs.ready("true")
caught = os.open(f"/proc/self/fd/{theirs.verdict}", os.O_RDWR)
theirs.close()
ours.receive()
if os.fork() == 0:
    os.write(caught, b"x")
    time.sleep(0.3)
    os.read(caught, 1)
    sys.stdin.read()  # and keep it open
    os._exit(0)
os.close(caught)
print(ours.receive())
"""


@pytest.mark.needs("strace")
def test_nobody_waits_for_a_verdict_that_was_taken_between_poll_and_read() -> None:
    """A container's root may catch the stub's pipe, write there and read it again."""
    slow_poll = ["strace", "-qq", "-o/dev/null", "-einject=poll:delay_exit=1000000"]
    done = subprocess.Popen(
        [*slow_poll, sys.executable, "-c", STOLEN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.stdin is not None
    assert done.stdout is not None
    try:
        assert select.select([done.stdout], [], [], 30)[0], "it hangs"
        assert done.stdout.readline() == "None\n"
    finally:
        done.kill()
        done.stdin.close()
        done.stdout.close()
        done.wait()
