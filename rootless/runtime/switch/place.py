"""Where a switch is found: a socket in a directory of its own, below the runtime directory."""

from __future__ import annotations

import _socket
import contextlib
import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SOCKET, _LOCK = "socket", "lock"


def directory(runtime: str, network: str) -> str:
    """Return the directory of the network with this id; made if need be. Raises OSError."""
    path = f"{runtime}/networks/{network[:24]}"
    os.makedirs(path, 0o700, exist_ok=True)
    return path


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Be the only one who starts the switch of a directory, finds it, or ends it."""
    fd = os.open(f"{path}/{_LOCK}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)  # a fork that is under way has it as well
        os.close(fd)


def connect(path: str) -> _socket.socket | None:
    """Return a connection to the switch; None where none runs. Raises OSError."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    try:
        with _short(path) as short:
            sock.connect(f"{short}/{_SOCKET}")
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    except OSError:
        sock.close()
        raise
    return sock


def listen(path: str) -> _socket.socket:
    """Return the socket of a new switch. Raises OSError."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    with _short(path) as short:
        forget(path)
        sock.bind(f"{short}/{_SOCKET}")
    sock.listen(512)
    return sock


def forget(path: str) -> None:
    """Let nobody find the switch any more."""
    try:
        os.unlink(f"{path}/{_SOCKET}")
    except OSError:
        pass  # there was none


@contextlib.contextmanager
def _short(path: str) -> Iterator[str]:
    """A name of the directory that leaves room for more in the 108 bytes of unix(7)."""
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)
