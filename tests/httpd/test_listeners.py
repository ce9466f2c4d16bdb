"""Where a server listens: addresses, paths, and what systemd hands over."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from rootless.errors import UsageError
from rootless.httpd import listeners

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Program


def connects(path: str) -> bool:
    """Whether somebody listens at a path, which may be long."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(f"/proc/self/fd/{fd}") == 0
    finally:
        os.close(fd)


def left_behind(path: str) -> None:
    """A socket that nobody listens on."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)


@pytest.mark.parametrize(
    ("host", "family"),
    [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("", None), ("localhost", None)],
)
def test_addresses(host: str, family: socket.AddressFamily | None) -> None:
    with listeners.tcp(host, 0) as listener:
        assert family in (None, listener.family)
        assert not listener.get_inheritable()
        port = listener.getsockname()[1]
        there = host or ("::1" if listener.family == socket.AF_INET6 else "127.0.0.1")
        socket.create_connection((there, port), timeout=20).close()
        if family is not None:
            with pytest.raises(OSError, match="in use") as used:
                listeners.tcp(host, port)
            assert used.value.errno == errno.EADDRINUSE


def test_an_address_of_another_machine() -> None:
    with pytest.raises(OSError, match="assign") as failed:
        listeners.tcp("192.0.2.1", 0)
    assert failed.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o177])
@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_who_may_connect(place: str, mode: int, umask: int) -> None:
    path = f"{place}/sock"
    before = os.umask(umask)
    try:
        with listeners.unix(path, mode):
            assert os.listdir(place) == ["sock"]
            found = os.lstat(path)
            assert stat.S_ISSOCK(found.st_mode)
            assert stat.S_IMODE(found.st_mode) == mode
            assert connects(path)
    finally:
        os.umask(before)
    assert os.listdir(place) == []


def test_only_the_user_may_connect_unless_said_otherwise(place: str) -> None:
    with listeners.unix(f"{place}/sock"):
        assert stat.S_IMODE(os.lstat(f"{place}/sock").st_mode) == 0o600


def test_a_long_path(place: str) -> None:
    directory = f"{place}/{'d' * 200}"
    os.mkdir(directory)
    with listeners.unix(f"{directory}/sock"):
        assert connects(f"{directory}/sock")
    assert os.listdir(directory) == []


def test_a_long_name(place: str) -> None:
    with (
        pytest.raises(OSError, match="File name too long") as error,
        listeners.unix(f"{place}/{'n' * 108}"),
    ):
        pass
    assert error.value.errno == errno.ENAMETOOLONG
    assert os.listdir(place) == []


def test_a_path_from_here(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    with listeners.unix("sock"):
        monkeypatch.chdir("/")
        assert connects(f"{place}/sock")
    assert os.listdir(place) == []


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702])
def test_a_directory_that_others_may_write_to_is_refused(place: str, mode: int) -> None:
    os.chmod(place, mode)
    with pytest.raises(OSError, match="others may write") as refused, listeners.unix(f"{place}/s"):
        pass
    assert refused.value.errno == errno.EPERM
    assert os.listdir(place) == []


@pytest.mark.as_root
@pytest.mark.modes("root")
def test_a_directory_of_another_user_is_refused(place: str) -> None:
    os.chown(place, 12345, -1)
    with pytest.raises(OSError, match="another user's") as refused, listeners.unix(f"{place}/s"):
        pass
    assert refused.value.errno == errno.EPERM


def test_a_directory_that_is_not_there(place: str) -> None:
    with pytest.raises(FileNotFoundError), listeners.unix(f"{place}/none/s"):
        pass


def test_a_socket_that_was_left_behind_is_replaced(place: str) -> None:
    path = f"{place}/sock"
    left_behind(path)
    with listeners.unix(path):
        assert os.listdir(place) == ["sock"]
        assert connects(path)
    assert os.listdir(place) == []


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_a_socket_that_lives_is_left_alone(place: str, kind: socket.SocketKind) -> None:
    path = f"{place}/sock"
    with socket.socket(socket.AF_UNIX, kind) as other:
        other.bind(path)
        if kind != socket.SOCK_DGRAM:
            other.listen(0)
        before = os.lstat(path)
        for _ in range(3):  # the first fills its queue
            with pytest.raises(OSError, match="in use") as refused, listeners.unix(path):
                pass
            assert refused.value.errno == errno.EADDRINUSE
        assert os.path.samestat(os.lstat(path), before)
        assert os.listdir(place) == ["sock"]


@pytest.mark.parametrize("what", ["file", "directory", "link"])
def test_other_files_are_left_alone(place: str, what: str) -> None:
    path = f"{place}/sock"
    if what == "file":
        open(path, "w").close()
    elif what == "directory":
        os.mkdir(path)
    else:
        left_behind(f"{place}/else")
        os.symlink("else", path)
    before = sorted(os.listdir(place))
    with pytest.raises(OSError, match="no socket") as refused, listeners.unix(path):
        pass
    assert refused.value.errno == errno.EEXIST
    assert sorted(os.listdir(place)) == before


def test_the_name_of_another_is_not_removed(place: str) -> None:
    path = f"{place}/sock"
    with listeners.unix(path):
        os.unlink(path)
        left_behind(path)
    assert os.listdir(place) == ["sock"]


def test_of_many_that_start_at_once_one_listens(place: str) -> None:
    """Over a socket that was left behind: nobody removes that of the one who was first."""
    path = f"{place}/sock"
    for _ in range(20):
        left_behind(path)
        listening, start, over = [], threading.Barrier(8), threading.Event()
        asked = threading.Semaphore(0)

        def begin(
            listening: list[bool] = listening,
            start: threading.Barrier = start,
            over: threading.Event = over,
            asked: threading.Semaphore = asked,
        ) -> None:
            start.wait()
            try:
                with listeners.unix(path):
                    listening.append(True)
                    asked.release()
                    over.wait()
            except OSError:  # EADDRINUSE: another was faster
                asked.release()

        threads = [threading.Thread(target=begin) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert asked.acquire(timeout=20)
        reached = os.path.exists(path) and connects(path)
        over.set()
        for thread in threads:
            thread.join()
        assert (listening, reached) == ([True], True)
        assert os.listdir(place) == []


# -- sockets of systemd


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"LISTEN_FDS": "x"}, "malformed LISTEN_FDS 'x'"),
        ({"LISTEN_FDS": "-1"}, "malformed LISTEN_FDS '-1'"),
        ({"LISTEN_FDS": "99999"}, "malformed LISTEN_FDS '99999'"),
        ({"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a"}, "LISTEN_FDNAMES has 1 names for 2"),
    ],
)
def test_what_cannot_be_meant(environ: dict[str, str], message: str) -> None:
    environ = {"HOME": "/", "LISTEN_PID": str(os.getpid()), **environ}
    with pytest.raises(UsageError, match=message):
        listeners.handed_over(environ)
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_PID": str(os.getpid())},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0", "LISTEN_FDNAMES": ""},
    ],
)
def test_nothing_is_handed_over(environ: dict[str, str]) -> None:
    """What is another process's, the variables of a parent above all, is nobody's here."""
    assert listeners.handed_over(environ) == []
    assert environ == {}


# Descriptors as systemd leaves them: from 3 on, and the environment made after the fork.
HAND_OVER = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
for at, fd in enumerate(map(int, sys.argv[1].split(","))):
    os.dup2(fd, 200 + at)
for at in range(len(sys.argv[1].split(","))):
    os.dup2(200 + at, 3 + at)
os.execv(sys.argv[2], sys.argv[2:])
"""


def handing(*sockets: socket.socket, names: str = "") -> tuple[str, ...]:
    """A command that hands sockets over to the one after it."""
    line = ["env", f"LISTEN_FDS={len(sockets)}", *([f"LISTEN_FDNAMES={names}"] if names else [])]
    for one in sockets:
        one.set_inheritable(True)
    fds = ",".join(str(one.fileno()) for one in sockets)
    return (*line, sys.executable, "-c", HAND_OVER, fds)


def asked(sock: socket.socket) -> bytes:
    """Ask for /who; the body of the answer."""
    with sock:
        sock.sendall(b"GET /who HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(1000), b""))
        return answer.partition(b"\r\n\r\n")[2]


def test_sockets_are_handed_over(program: Callable[..., Program], place: str) -> None:
    with (
        listeners.tcp("127.0.0.1", 0) as tcp,
        listeners.unix(f"{place}/sock") as unix,
    ):
        port = tcp.getsockname()[1]
        before = handing(unix, tcp, names="api:tcp")
        one = program("systemd", before=before, pass_fds=(unix.fileno(), tcp.fileno()))
        assert one.line() == "api=3 tcp=4 [] []", "the variables are gone, the descriptors are not"
        uid = f"user {os.getuid()} {one.process.pid}".encode()
        there = socket.socket(socket.AF_UNIX)
        there.connect(f"{place}/sock")
        assert asked(there) == uid
        assert asked(socket.create_connection(("127.0.0.1", port), timeout=20)) == uid
        assert one.stop() == 0
        assert os.path.exists(f"{place}/sock"), "it is systemd's"


def test_a_socket_without_a_name(program: Callable[..., Program]) -> None:
    with listeners.tcp("127.0.0.1", 0) as tcp:
        one = program("systemd", before=handing(tcp), pass_fds=(tcp.fileno(),))
        assert one.line() == "unknown=3 [] []"


@pytest.mark.parametrize("wrong", ["datagram", "connected", "pipe"])
def test_what_is_no_listening_socket_is_refused(wrong: str) -> None:
    reading, writing = os.pipe()
    ours, theirs = socket.socketpair()
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fd = {"datagram": datagram.fileno(), "connected": theirs.fileno(), "pipe": reading}[wrong]
    line = ["env", "LISTEN_FDS=1", sys.executable, "-c", HAND_OVER, str(fd), sys.executable, "-c"]
    line.append(
        "import os\n"
        "from rootless.httpd import listeners\n"
        "try: listeners.handed_over(os.environ)\n"
        "except Exception as error: print(error.message)\n"
    )
    try:
        done = subprocess.run(line, pass_fds=(fd,), capture_output=True, text=True, timeout=60)
    finally:
        for one in (ours, theirs, datagram):
            one.close()
        os.close(reading)
        os.close(writing)
    message = "descriptor 3, unknown, was handed over and is no listening socket\n"
    assert done.stdout == message, done.stderr


@pytest.mark.needs("systemd-socket-activate", "curl")
def test_systemd_hands_over(program: Callable[..., Program], place: str) -> None:
    os.chmod(place, 0o700)
    path = f"{place}/sock"
    names = "--fdname=api"
    one = program("systemd", before=("systemd-socket-activate", "-l", path, names))
    for _ in range(200):
        if os.path.exists(path):
            break
        threading.Event().wait(0.05)
    line = ["curl", "-sS", "--unix-socket", path, "http://localhost/hello"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.stdout == "hello", done.stderr
    assert one.line() == "api=3 [] []"
    assert one.line() == "unix GET /hello 200"
