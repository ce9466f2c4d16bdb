"""Records: JSON files that are there whole or not at all, and the locks beside them."""

from __future__ import annotations

import errno
import fcntl
import os

from rootless.errors import StoreError, named
from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    import struct as _struct
    from typing import Any
else:
    import _struct  # which is what the other has, at a hundredth of its price

_FLOCK = "hhqqi4x"
"""struct flock (fcntl(2)): type, whence, start, length, pid."""

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""A FIFO in the place of a file is damage, and nobody to wait for."""


def write_record(
    directory: str, name: str, value: Any, *, durable: bool = True, room: int = 0
) -> None:
    """Write `value` as `directory`/`name`: a new file, fsynced, renamed, the directory fsynced.

    `durable=False` leaves out the syncs, for what nobody expects to find after a power cut. `room`
    is how many bytes longer the value may become that `overwrite_record` puts in its place.
    Raises StoreError where the disk is full or may not be written.
    """
    path = f"{directory}/{name}"
    temporary = f"{directory}/.{name}.{os.getpid()}"
    data = jsonio.dump_bytes(value) + b" " * room
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o600)
        try:
            while data:
                data = data[os.write(fd, data) :]
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
        if durable:
            sync_directory(directory)
    except OSError as error:
        try:
            os.unlink(temporary)
        except OSError:
            pass  # never made
        raise StoreError(f"cannot write {path}: {error.strerror}", remedy(error)) from error


def overwrite_record(directory: str, name: str, value: Any, *, durable: bool = True) -> None:
    """Write `value` into the record that is there, in the room that this has: for a full disk.

    Spaces fill what is longer before; JSON does not mind. A power cut in between may spoil the
    record, as `write_record` never does. Raises OSError where it takes more room, or cannot be.
    """
    data = jsonio.dump_bytes(value)
    fd = os.open(f"{directory}/{name}", os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        data = data.ljust(os.fstat(fd).st_size)
        # One call, so that a reader finds the one or the other.
        if os.pwrite(fd, data, 0) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def remedy(error: OSError) -> str:
    """Return the hint that goes with an error of the store."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room, for example with rootless rm or rootless rmi"
    if error.errno == errno.EROFS:
        return f"name a directory that can be written with {named('root')}"
    if error.errno == errno.EAGAIN:  # fork(2)
        return "you may have no more processes, see ulimit -u"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "no more files may be open, see ulimit -n"
    return ""


def sync_directory(path: str) -> None:
    """Make the names in a directory durable (fsync(2))."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_record(path: str) -> Any:
    """Return the value of a record.

    Raises FileNotFoundError where there is none, StoreError for one that is damaged.
    """
    try:
        fd = os.open(path, _READ)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    try:
        data = os.read(fd, 1 << 16)
        if len(data) == 1 << 16:
            while more := os.read(fd, 1 << 20):
                data += more
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(fd)
    try:
        value = jsonio.loads(data)
    except (ValueError, UnicodeDecodeError):
        value = None
    if not isinstance(value, dict):
        raise StoreError(f"damaged record {path}", "remove the object with rm -f")
    return value


def lock(path: str, *, wait: bool = True, shared: bool = False) -> int | None:
    """Lock the directory or file at `path` (flock(2)); return the descriptor that holds it.

    With `wait=False`, None where somebody else has it. Closing the descriptor, or the end of
    all processes that have it, gives the lock back.
    """
    fd = os.open(path, _READ)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(fd, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd


def claim(path: str) -> int | None:
    """Take the exclusive life lock on the file at `path`, which is made; None where it is taken.

    An open file description lock (fcntl_locking(2), F_OFD_SETLK): `is_claimed` can ask for it
    without touching it, so that a listing never disturbs a start.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if hold(fd):
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def hold(fd: int) -> bool:
    """Take the life lock on the open file `fd`; False where somebody has it. See `claim`."""
    wanted = _struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, wanted)
    except (BlockingIOError, PermissionError):
        return False
    return True


def await_release(fd: int) -> None:
    """Wait until nobody holds the life lock on the open file `fd`, which stays unlocked."""
    for kind, command in ((fcntl.F_RDLCK, fcntl.F_OFD_SETLKW), (fcntl.F_UNLCK, fcntl.F_OFD_SETLK)):
        fcntl.fcntl(fd, command, _struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0))


def is_claimed(path: str) -> bool:
    """Whether somebody holds the life lock on `path`. Takes nothing."""
    try:
        fd = os.open(path, _READ)
    except OSError:
        return False
    try:
        return is_held(fd)
    finally:
        os.close(fd)


def is_held(fd: int) -> bool:
    """Whether somebody holds the life lock on the open file `fd`. Takes nothing."""
    asked = _struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
    answer = _struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
    return bool(answer[0] != fcntl.F_UNLCK)
