"""The commands that `exec` runs: a record of each, until the container starts again or is removed.

    exec/<id>.json    {"id", "command", "user", "tty", "request", then what becomes of it}
    exec/<id>.size    a FIFO: whoever writes rows and columns changes the window of its terminal

The keeper of a command is the joiner, a process inside the container's namespaces, which can name
no file of the host: it holds the record open, and the life lock on it. What it has to say stands at
the end of the file in a room of its own size, so that nothing else of the record is ever written
again. A keeper that was killed leaves a record without exit code and without lock.
"""

from __future__ import annotations

import os
import time

from rootless.errors import Conflict, NotFound, StoreError
from rootless.oci import jsonio
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from rootless.store.paths import Paths

    class ExecRequest(TypedDict, total=False):
        """What is to run in a container; plain data."""

        command: list[str]
        """The program and its arguments; the only one that must be there."""
        environment: list[list[str | None]]
        """[name, value] beside the container's own, later ones win; None removes one."""
        user: str
        """User or id, perhaps with :GROUP; by default the container's."""
        workdir: str
        tty: bool
        stdin: bool
        privileged: bool
        detach_keys: str
        """Keys that leave a terminal, as docker's --detach-keys; none by default."""

    class Status(TypedDict):
        """What has become of a command."""

        id: str
        container: str
        """Id of its container."""
        request: ExecRequest
        running: bool
        """Whether it runs, with or without a keeper."""
        pid: int
        """On the host, as long as it runs; else 0."""
        exit_code: int | None
        """None until it has ended, LOST where nobody has heard of its end."""
        started: float
        finished: float
        """Seconds since the epoch, 0 for what was not yet, or that nobody has noticed."""


LOST = 255
"""Exit code of a command whose keeper was killed; docker's choice for containers."""

MOST = 128
"""Records of a container that are kept, besides those of commands that run: the latest."""

_ROOM = 256
"""Bytes at the end of a record for what becomes of the command."""


def new_id() -> str:
    """Return an id that no other command has."""
    return os.urandom(32).hex()


class Session:
    """The record of one command, and the open file that holds it."""

    def __init__(self, directory: str, id: str) -> None:  # noqa: A002 - the field's own word
        """`directory` is the container's own."""
        self.id = id
        self._path = f"{directory}/exec/{id}.json"
        self.window = f"{directory}/exec/{id}.size"
        """Path of the FIFO."""
        self.fd = -1
        """Holds the life lock; -1 where there is none."""
        self._at = 0
        self._said: dict[str, float | None] = {"pid": 0, "running": False, "exit_code": None}

    def make(self, request: ExecRequest) -> None:
        """Write it; nothing runs yet. Raises StoreError where the disk is full or read-only."""
        value = {
            "id": self.id,
            "command": request["command"],
            "user": request.get("user", ""),
            "tty": request.get("tty", False),
            "request": request,
        }
        head = jsonio.dump_bytes(value)[:-2]
        directory = os.path.dirname(self._path)
        try:
            try:
                os.mkdir(directory, 0o700)
            except FileExistsError:
                _make_room(directory)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"cannot write {self._path}: {error.strerror}", records.remedy(error)
            ) from error
        try:
            self._at = len(head)
            from rootless.containers.running.ends import write_all

            write_all(fd, head + self._tail())
        except OSError as error:
            os.close(fd)
            os.unlink(self._path)  # half of it would be a damaged one
            raise StoreError(
                f"cannot write {self._path}: {error.strerror}", records.remedy(error)
            ) from error
        self.fd = fd

    def claim(self) -> None:
        """Take the life lock: from now on the command is under way.

        Raises Conflict where it has been started before, NotFound where the record is gone.
        """
        if self._at:  # just made, and nobody has heard of it yet
            records.hold(self.fd)
            return
        try:
            self.fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(f"no such exec: {self.id}") from None
        taken, value = records.hold(self.fd), _read(self.fd)
        if not taken or value.get("pid") or value.get("exit_code") is not None:
            raise Conflict(f"exec {self.id[:12]} was started before")
        if not os.fstat(self.fd).st_nlink:
            raise NotFound(f"no such exec: {self.id}")
        self._at = os.fstat(self.fd).st_size - _ROOM

    def note(self, pid: int, exit_code: int | None) -> None:
        """Write down that it runs, or with an exit code that it has ended."""
        self._said |= {"pid": pid, "running": exit_code is None, "exit_code": exit_code}
        self._said["started" if exit_code is None else "finished"] = time.time()
        if exit_code is None:
            self._said["noted"] = _uptime()
        try:
            if self.fd >= 0:
                os.pwrite(self.fd, self._tail(), self._at)
        except OSError:
            pass  # a disk that says no

    def fail(self, exit_code: int) -> None:
        """Write down that it could not be started, when its keeper has gone."""
        try:
            self.fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return  # removed meanwhile, or never made
        self.note(0, exit_code)
        self.close()

    def _tail(self) -> bytes:
        data = b"," + jsonio.dump_bytes(self._said)[1:-1]
        return data.ljust(_ROOM - 1) + b"\n"

    def close(self) -> None:
        """Let go of the record, and of the lock unless another process has it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def status(directory: str, id: str) -> Status:  # noqa: A002 - the field's own word
    """Return what has become of the command `id`. Raises NotFound."""
    path = f"{directory}/exec/{id}.json"
    try:
        # In this order: a keeper writes the exit code before it lets go of the lock.
        kept = records.is_claimed(path)
        value = _look(path)
        if _is_lost(value, kept):  # or it was started between the two looks, and has ended
            kept = records.is_claimed(path)
            value = _look(path)
        return _judged(value, kept, os.path.basename(directory))
    except (FileNotFoundError, StoreError):
        raise NotFound(
            f"no such exec: {id}", "the container was started again or removed"
        ) from None


def wait(directory: str, id: str) -> int:  # noqa: A002 - the field's own word
    """Wait until the command `id` has ended; return its exit code, LOST where nobody knows it.

    Raises NotFound, Conflict where it was not started.
    """
    try:
        fd = os.open(f"{directory}/exec/{id}.json", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"no such exec: {id}") from None
    try:
        now = status(directory, id)
        if not now["running"] and now["exit_code"] is None:
            raise Conflict(f"exec {id[:12]} was not started")
        records.await_release(fd)
        # From the open file, which is still there when the container is removed.
        value = _read(fd)
        if value.get("exit_code") is None:
            _await_orphan(value)
        code = value.get("exit_code")
        return LOST if code is None else int(code)
    finally:
        os.close(fd)


def open_command(directory: str, id: str) -> int | None:  # noqa: A002 - the field's own word
    """Return a pidfd of the command; None where it does not run. The caller closes it."""
    try:
        value = _look(f"{directory}/exec/{id}.json")
    except (FileNotFoundError, StoreError):
        return None
    return _open(value) if value.get("exit_code") is None else None


def running(directory: str) -> list[str]:
    """Return the ids of the commands that still run."""
    found = []
    for id in _ids(f"{directory}/exec"):  # noqa: A001 - the field's own word
        try:
            if status(directory, id)["running"]:
                found.append(id)
        except NotFound:
            continue  # gone, or damaged
    return found


def is_one_beginning(directory: str) -> bool:
    """Whether a command is under way whose process nobody has noted yet."""
    for id in _ids(f"{directory}/exec"):  # noqa: A001 - the field's own word
        path = f"{directory}/exec/{id}.json"
        try:
            value = _look(path)
            begins = not value.get("pid") and value.get("exit_code") is None
            if begins and records.is_claimed(path):
                return True
        except (FileNotFoundError, StoreError):
            continue  # gone, or damaged
    return False


def container_of(paths: Paths, id: str) -> str:  # noqa: A002 - the field's own word
    """Return the id of the container in which the command `id` was made. Raises NotFound."""
    if len(id) == 64 and id.isalnum():
        for name in os.listdir(paths.containers) if os.path.isdir(paths.containers) else ():
            if name[0] != "." and os.path.exists(f"{paths.containers}/{name}/exec/{id}.json"):
                return name
    raise NotFound(f"no such exec: {id}")


def forget(directory: str) -> None:
    """Remove the records of an earlier run."""
    for name in os.listdir(f"{directory}/exec"):
        try:
            os.unlink(f"{directory}/exec/{name}")
        except OSError:
            pass  # somebody else was faster


def _look(path: str) -> dict[str, Any]:
    """Return the record at `path`. Raises FileNotFoundError, StoreError for a damaged one."""
    value: dict[str, Any] = records.read_record(path)
    numbers = ("pid", "started", "finished", "noted")
    if (
        isinstance(value.get("id"), str)
        and isinstance(value.get("command"), list)
        and isinstance(asked := value.get("request", value), dict)
        and isinstance(asked.get("command"), list)
        and isinstance(value.get("exit_code") or 0, int)
        and all(isinstance(value.get(key, 0), (int, float)) for key in numbers)
    ):
        return value
    raise StoreError(f"damaged record {path}")


def _judged(value: dict[str, Any], kept: bool, container: str) -> Status:
    """Return what a record says, and what it cannot know: that its keeper was killed."""
    lost = _is_lost(value, kept)
    asked: ExecRequest = {"command": value["command"]}  # all that one of the last release says
    runs = value.get("exit_code") is None and not lost and bool(kept or value.get("pid"))
    return {
        "id": value["id"],
        "container": container,
        "request": value.get("request", asked),
        "running": runs,
        "pid": value.get("pid", 0) if runs else 0,
        "exit_code": LOST if lost else value.get("exit_code"),
        "started": value.get("started", 0.0),
        "finished": value.get("finished", 0.0),
    }


def _is_lost(value: dict[str, Any], kept: bool) -> bool:
    """Whether it was started, and neither runs nor will anybody say how it has ended.

    A keeper of the last release, whose record has no `noted`, has no lock: it is believed.
    """
    begun = value.get("exit_code") is None and value.get("pid")
    return bool(begun and "noted" in value and not kept and not _is_there(value))


def _is_there(value: dict[str, Any]) -> bool:
    opened = _open(value)
    if opened is not None:
        os.close(opened)
    return opened is not None


def _open(value: dict[str, Any]) -> int | None:
    """Return a pidfd of the process that a record names, unless it has ended.

    It had the pid when that was noted. So whoever has it now, and began before, is still that one.
    """
    from rootless.linux.process import start_time  # ctypes, which a look at most of them spares

    pid, noted = value.get("pid") or 0, value.get("noted") or 0
    try:
        opened = os.pidfd_open(pid)
    except (OSError, OverflowError, TypeError):
        return None
    try:
        began = start_time(pid) / os.sysconf("SC_CLK_TCK")
        if began <= noted and not _has_ended(opened, 0):
            return opened
    except OSError:
        pass  # it has just ended
    os.close(opened)
    return None


def _has_ended(pidfd: int, patience: int | None) -> bool:
    import select

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(patience))


def _await_orphan(value: dict[str, Any]) -> None:
    """Wait for the end of a command that its keeper has left."""
    opened = _open(value)
    if opened is not None:
        _has_ended(opened, None)
        os.close(opened)


def _uptime() -> float:
    """Seconds since the machine was started, as proc(5) counts them for the start of a process."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _read(fd: int) -> dict[str, Any]:
    try:
        value: dict[str, Any] = jsonio.loads(os.pread(fd, os.fstat(fd).st_size, 0))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _ids(directory: str) -> list[str]:
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return [name.removesuffix(".json") for name in names if name.endswith(".json")]


def _make_room(directory: str) -> None:
    """Remove the oldest records until there are half as many as may be; none of what runs."""
    ids = _ids(directory)
    if len(ids) < MOST:
        return
    ages = {}
    for id in ids:  # noqa: A001 - the field's own word
        try:
            ages[id] = os.stat(f"{directory}/{id}.json").st_mtime_ns
        except FileNotFoundError:
            continue  # somebody else is at it
    left = len(ages)
    for id in sorted(ages, key=ages.__getitem__):  # noqa: A001 - the field's own word
        left -= _drop(directory, id)
        if left <= MOST // 2:
            return


def _drop(directory: str, id: str) -> bool:  # noqa: A002 - the field's own word
    """Remove the record `id`, unless the command runs; return whether it has gone."""
    try:
        fd = os.open(f"{directory}/{id}.json", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return True  # somebody else was faster
    try:
        # With the lock, or somebody could start it just now.
        if not records.hold(fd) or _is_there(_read(fd)):
            return False
        for name in (f"{id}.json", f"{id}.size"):
            os.unlink(f"{directory}/{name}")
    except OSError:
        pass  # most have no terminal
    finally:
        os.close(fd)
    return True
