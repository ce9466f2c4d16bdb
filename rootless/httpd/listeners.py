"""Sockets that listen: on an address, at a path, or handed over by systemd."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

BACKLOG = 128

FIRST = 3
"""The first descriptor that is handed over: SD_LISTEN_FDS_START of sd_listen_fds(3)."""

VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
"""What tells of them, and is meant for one process only."""


def tcp(host: str, port: int) -> socket.socket:
    """Listen on an address of IPv4 or IPv6, or on every one (""). Raises OSError."""
    family, kind, _, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def unix(path: str, mode: int = 0o600) -> Iterator[socket.socket]:
    """Listen at a path until the end of the context, which removes it again.

    The directory's path may be of any length, the name has at most 80 bytes. A socket that nobody
    listens on any more is replaced. Raises OSError: EADDRINUSE where somebody does, EEXIST for
    another file, EPERM where others may write to the directory, since they could put a socket of
    theirs in its place.
    """
    directory, name = os.path.split(os.path.abspath(path))
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _check_place(place, directory)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            mine = _appear(listener, place, name, mode)
            try:
                yield listener
            finally:
                _disappear(place, name, mine)
    finally:
        os.close(place)


def _check_place(place: int, directory: str) -> None:
    found = os.fstat(place)
    if found.st_uid not in (0, os.geteuid()):
        raise OSError(errno.EPERM, "its directory is another user's", directory)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError(errno.EPERM, "others may write to its directory", directory)


def _appear(listener: socket.socket, place: int, name: str, mode: int) -> int:
    """Listen under a name in a directory; a descriptor of the file (O_PATH)."""
    with _alone(place, name):
        try:
            _check_left(place, name)
            os.unlink(name, dir_fd=place)
        except FileNotFoundError:
            pass
        _bind(listener, f"/proc/self/fd/{place}/{name}")
        # Nobody can connect before listen(2), so that the mode is right in time.
        os.chmod(name, mode, dir_fd=place)
        listener.listen(BACKLOG)
        return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)


def _bind(listener: socket.socket, path: str) -> None:
    try:
        listener.bind(path)
    except OSError as error:
        if error.errno is None:  # Python's own, of more than 107 bytes (unix(7))
            reason = os.strerror(errno.ENAMETOOLONG)
            raise OSError(errno.ENAMETOOLONG, reason, os.path.basename(path)) from error
        raise


def _check_left(place: int, name: str) -> None:
    """See that it is a socket that nobody listens on. Raises OSError otherwise."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise OSError(errno.EEXIST, "there is a file that is no socket", name)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)  # one whose queue is full has somebody, too
            found = probe.connect_ex(f"/proc/self/fd/{fd}")
        if found != errno.ECONNREFUSED:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), name)
    finally:
        os.close(fd)


def _disappear(place: int, name: str, mine: int) -> None:
    """Remove the name, unless it is another's by now. Closes the descriptor of the file."""
    try:
        with _alone(place, name):
            if _is(place, name, mine):
                os.unlink(name, dir_fd=place)
    except OSError:
        pass  # the directory is gone, or may not be written to any more
    finally:
        os.close(mine)


@contextlib.contextmanager
def _alone(place: int, name: str) -> Iterator[None]:
    """Be the only server that looks at a name and changes what is there.

    By a file that no other user can open: whoever may read the directory could lock that for ever.
    """
    lock = f".{name}.lock"
    while True:
        fd = os.open(
            lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place
        )
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if not _is(place, lock, fd):
                continue  # who had it before has removed it
            try:
                yield
            finally:
                os.unlink(lock, dir_fd=place)
            return
        finally:
            os.close(fd)


def _is(place: int, name: str, fd: int) -> bool:
    """Whether a name is that of an open file: while it is open, no other has its number."""
    try:
        return os.path.samestat(os.stat(name, dir_fd=place, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def handed_over(environ: MutableMapping[str, str]) -> list[tuple[str, socket.socket]]:
    """The sockets that systemd listens on for this process, with their names (sd_listen_fds(3)).

    Empty where there are none. The variables that tell of them are taken out of `environ`, so that
    no child takes them for its own. Raises UsageError for what is no such socket.
    """
    told = {name: environ.pop(name, "") for name in VARIABLES}
    if told["LISTEN_PID"] != str(os.getpid()):
        return []
    number = told["LISTEN_FDS"] or "0"
    if not (number.isascii() and number.isdecimal() and len(number) < 4):
        raise UsageError(f"malformed LISTEN_FDS {number!r}")
    count = int(number)
    names = told["LISTEN_FDNAMES"].split(":") if told["LISTEN_FDNAMES"] else ["unknown"] * count
    if len(names) != count:
        raise UsageError(f"LISTEN_FDNAMES has {len(names)} names for {count} descriptors")
    taken: list[tuple[str, socket.socket]] = []
    try:
        for fd, name in enumerate(names, FIRST):
            taken.append((name, _taken(fd, name)))
    except UsageError:
        for _, listener in taken:
            listener.close()
        raise
    return taken


def _taken(fd: int, name: str) -> socket.socket:
    """A descriptor as the listening socket that it is. Raises UsageError if it is none."""
    wrong = UsageError(f"descriptor {fd}, {name}, was handed over and is no listening socket")
    try:
        os.set_inheritable(fd, False)
        listener = socket.socket(fileno=fd)
    except OSError as error:
        raise wrong from error
    families = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
    listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listener.family in families and listener.type == socket.SOCK_STREAM and listens:
        return listener
    listener.close()
    raise wrong
