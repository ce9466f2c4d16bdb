"""run, start and attach with ends that are no terminal of ours: pipes, sockets, none."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import TYPE_CHECKING

import pytest

from rootless.containers.running.ends import Ends, Feed, watch_size, write_all
from rootless.containers.running.keys import Keys
from rootless.linux.loop import Loop
from tests.children import end, in_child
from tests.containers.running.library import fail, program, say
from tests.containers.test_restarts import until

if TYPE_CHECKING:
    from conftest import Store

ATTACH = "sys.exit(containers.get('one').attach(Ends(*map(int, sys.argv[1:]))))"


def test_run_with_pipes(busybox: Store) -> None:
    busybox.ok("create", "-i", "--name", "one", "busybox", "sh", "-c", "cat; echo err >&2; exit 3")
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    code = "sys.exit(containers.get('one').run(Ends(0, *map(int, sys.argv[1:]))))"
    ends = (out_end, err_end)
    with program(busybox, code, *map(str, ends), pass_fds=ends) as process:
        for fd in ends:
            os.close(fd)
        assert process.communicate("in\n", timeout=20) == ("", "")
    assert process.returncode == 3
    with open(out) as first, open(err) as second:
        assert (first.read(), second.read()) == ("in\n", "err\n")


def test_run_without_any(busybox: Store) -> None:
    busybox.ok("create", "-i", "--name", "one", "busybox", "sh", "-c", "echo x; echo y >&2; exit 6")
    code = "print(containers.get('one').run(Ends()))"
    assert say(busybox, code) == "6"
    busybox.ok("rm", "one")


@pytest.mark.parametrize("tty", [False, True])
def test_attach_over_a_socket(busybox: Store, tty: bool) -> None:
    """One socket is input and output, as behind a connection that an API has taken over."""
    script = (
        "stty -echo; while read x; do echo heard $x; done"
        if tty
        else "while read x; do echo heard $x; done"
    )
    busybox.ok(
        "run", "-di", *(["-t"] if tty else []), "--name", "one", "busybox", "sh", "-c", script
    )
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    with (
        ours,
        program(
            busybox, ATTACH, *[str(theirs.fileno())] * 3, pass_fds=[theirs.fileno()]
        ) as process,
    ):
        theirs.close()
        said = b""
        until(lambda: busybox.ok("exec", "one", "true") == "")
        ours.sendall(b"word\n")
        while b"heard word" not in said:
            said += ours.recv(4096)
        ours.shutdown(socket.SHUT_WR)  # the end of one client's input is not the container's
        with pytest.raises(TimeoutError):
            ours.settimeout(0.3)
            ours.recv(4096)
        busybox.ok("kill", "one")
        assert process.wait(timeout=20) == 137
        assert ours.recv(4096) == b""


def test_keys_in_what_a_socket_brings(busybox: Store) -> None:
    busybox.ok("run", "-dit", "--name", "one", "busybox", "cat")
    ours, theirs = socket.socketpair()
    fds = [str(theirs.fileno())] * 3
    code = (
        "sys.exit(containers.get('one').attach(Ends(*map(int, sys.argv[1:])), detach_keys='a,b'))"
    )
    with ours, program(busybox, code, *fds, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        ours.sendall(b"ab")
        assert process.wait(timeout=20) == 0
    assert busybox.ok("ps", "--format", "{{.State}}") == "running"
    busybox.ok("rm", "-f", "one")


def test_frames_and_a_window_of_ones_own(busybox: Store) -> None:
    """What a server does with one connection: output in frames, the window by another way."""
    # No `read`, in which the shell would stay if the signal came just before it.
    script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done"
    busybox.ok("create", "-it", "--name", "one", "busybox", "sh", "-c", script)
    code = """
        class Framed(Ends):
            rows = 10
            def size(self):
                self.rows += 1
                return self.rows, 50
            def write(self, stream, data):
                os.write(1, b"<%d %s>" % (stream, data.replace(b"\\r\\n", b"")))
        ends = Framed(0)
        ends.resized = int(sys.argv[1])
        sys.exit(containers.get("one").run(ends))
    """
    changed, change = os.pipe()
    with program(busybox, code, str(changed), pass_fds=[changed]) as process:
        os.close(changed)
        assert process.stdout
        said = ""
        while "50>" not in said:
            said += process.stdout.read(1)
        first = int(said.split()[-2])
        assert said.startswith("<1 ")
        os.write(change, b"x")
        said = ""
        while f"<1 {first + 2} 50>" not in said and f"<1 {first + 1} 50>" not in said:
            said += process.stdout.read(1)
        os.close(change)  # whoever told has gone: nothing spins, nothing ends
        busybox.ok("kill", "one")
        process.communicate(timeout=20)
        assert process.returncode == 137


def test_the_window_of_a_container_by_somebody_else(busybox: Store) -> None:
    script = "trap 'stty size' WINCH; while :; do sleep 0.05; done"
    busybox.ok("run", "-dt", "--name", "one", "busybox", "sh", "-c", script)

    def changed() -> bool:
        say(busybox, "containers.get('one').resize(13, 77)")
        return "13 77" in busybox.ok("logs", "one")

    until(changed)
    busybox.ok("kill", "one")
    resize = "containers.get('one').resize(1, 2)"
    assert fail(busybox, resize).startswith("Conflict: cannot resize")
    busybox.ok("run", "-d", "--name", "two", "busybox", "sleep", "1000")
    assert fail(busybox, resize.replace("one", "two")) == "Conflict: container two has no terminal"
    busybox.ok("rm", "-f", "one", "two")


def test_verbs_say_what_was_so_already(busybox: Store) -> None:
    busybox.ok("create", "--name", "one", "busybox", "sleep", "1000")
    code = """
        one = containers.get("one")
        print(one.kill(), one.stop(0), one.start(), one.start())
        print(bool(one.pause()), one.pause() == "")
        print(one.unpause(), one.unpause(), one.stop(0), one.stop(0), one.kill())
    """
    said = say(busybox, code).split()
    assert said == "False False True False True True True False True False False".split()
    assert "is not running" in busybox("kill", "one").stderr
    assert busybox("stop", "one").returncode == 0
    busybox.ok("rm", "one")


# -- without a container


def test_input_is_read_while_there_is_room() -> None:
    loop, taken = Loop(), []
    reading, writing = os.pipe()
    feed = Feed(loop, reading, Keys("q"), taken.append)
    os.write(writing, b"ab")
    loop.turn(0)
    assert taken == []
    feed.pause(False)
    loop.turn(0)
    assert taken == [b"ab"]
    feed.pause(True)
    os.write(writing, b"cqd")
    loop.turn(0)
    assert taken == [b"ab"]
    feed.pause(False)
    loop.turn(0)
    assert (taken, feed.left) == ([b"ab", b"c"], True)
    os.close(reading)
    os.close(writing)


def test_the_end_of_input_is_told_once() -> None:
    loop, taken = Loop(), []
    reading, writing = os.pipe()
    Feed(loop, reading, Keys(""), taken.append).pause(False)
    os.close(writing)
    loop.turn(0)
    assert (taken, loop.turn(0)) == ([b""], 0)
    os.close(reading)


def test_no_window_is_told_and_one_that_went_away() -> None:
    loop, told = Loop(), []
    watch_size(loop, Ends(), lambda *size: told.append(size))
    assert told == []
    ends = Ends()
    ends.size = lambda: (1, 2)  # type: ignore[method-assign]
    ends.resized, writing = os.pipe()
    watch_size(loop, ends, lambda *size: told.append(size))
    os.write(writing, b"x")
    loop.turn(0)
    assert told == [(1, 2), (1, 2)]
    os.close(writing)
    loop.turn(0)
    assert loop.turn(0) == 0
    os.close(ends.resized)


def test_output_that_nobody_takes_just_now() -> None:
    reading, writing = os.pipe2(os.O_NONBLOCK)

    def take() -> None:
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        left = 1 << 20
        while left:
            poll.poll()
            left -= len(os.read(reading, 1 << 16))

    taker = in_child(take)
    write_all(writing, bytes(1 << 20))
    assert end(taker) == 0
    os.close(reading)
    os.close(writing)


GARBAGE = """
import socket

one = containers.get('one')
for count in range(6):
    one.start()
    try:
        one.attach(Ends(stdout=int(sys.argv[1])))
    except BrokenPipeError:
        print("broken")
    # What is only collected after the fork has descriptors that are others in the supervisor.
    for _ in range(10 * count):
        holder = [*socket.socketpair()]
        holder.append(holder)
    print(one.wait())
"""


def test_a_library_user_s_garbage_closes_nothing_of_a_supervisor(busybox: Store) -> None:
    busybox.ok("create", "--name", "one", "busybox", "sh", "-c", "sleep 0.5; echo x; exit 4")
    out, end = os.pipe()
    os.close(out)
    said = say(busybox, GARBAGE, str(end), pass_fds=(end,))
    os.close(end)
    assert said.split() == ["broken", "4"] * 6


def test_a_caller_who_ignores_the_ends_of_children(busybox: Store) -> None:
    code = """
        import signal
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.execvp(sys.argv[1], sys.argv[1:])
    """
    words = (*busybox.command, "run", "--rm", "busybox", "sh", "-c", "exit 3")
    with program(busybox, code, *words) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (3, "")


def test_windows_and_signals_that_there_are_not(busybox: Store) -> None:
    busybox.ok("run", "-dt", "--name", "one", "--stop-timeout", "3000000", "busybox", "sleep", "99")
    for size in ("70000, 1", "1, -1", "'1', 1"):
        assert "UsageError: no window" in fail(busybox, f"containers.get('one').resize({size})")
    for number in (0, 65, -1, 2**40, None, []):
        code = f"containers.get('one').kill({number!r})"
        assert "UsageError: invalid signal" in fail(busybox, code)
    assert "TypeError" in fail(busybox, "containers.get('one').stop('now')")
    assert say(busybox, "print(containers.get('one').state().running)") == "True"
    busybox.ok("rm", "-f", "one")


def test_more_patience_than_poll_has(busybox: Store) -> None:
    """A wait of 25 days is one without an end."""
    script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    busybox.ok("run", "-d", "--name", "one", "busybox", "sh", "-c", script)
    until(lambda: busybox.ok("logs", "one") != "")
    assert say(busybox, "print(containers.get('one').stop(2160000))") == "True"
    assert busybox.ok("wait", "one") == "5"


def test_moments_of_next_year(busybox: Store) -> None:
    """What is waited for, or looked at, later than in 24 days, which poll(2) cannot count."""
    script = "sleep 0.5; echo x; sleep 0.5; exit 3"
    often = ("--health-cmd", "true", "--health-interval", "9000h", "--health-timeout", "9000h")
    busybox.ok("run", "-d", "--name", "one", *often, "busybox", "sh", "-c", script)
    until_then = str(int(time.time()) + 10**8)
    assert busybox.ok("logs", "-f", "--until", until_then, "one") == "x"
    assert busybox.ok("wait", "one") == "3"
    code = """
        import time
        from rootless.system import events

        now = time.time()
        for event in events.between(Engine().paths.root, now, now + 10**8, follow=True):
            print(event["action"])
            break
    """
    with program(busybox, code) as process:
        time.sleep(1)
        busybox.ok("rm", "one")
        out, err = process.communicate(timeout=20)
    assert (out.split(), err) == (["destroy"], "")


def test_a_program_without_standard_descriptors(busybox: Store) -> None:
    busybox.ok("create", "--name", "one", "busybox", "sleep", "1000")
    code = """
        said = os.dup(1)
        for fd in (0, 1, 2):
            os.close(fd)
        one = containers.get('one')
        one.start()
        code = one.execute({"command": ["sh", "-c", "echo x; exit 3"]}, Ends(stdout=said))
        os.write(said, f"{code} {one.state().status}".encode())
    """
    assert say(busybox, code) == "x\n3 running"
    busybox.ok("rm", "-f", "one")
