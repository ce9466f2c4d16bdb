"""What happened in a store: one file of JSON lines that every process of ours appends to.

    events      {"time": nanoseconds, "kind": "container", "action": "start", "id": ..., ...}
    events.1    the lines before those, once there were too many

A line is one write(2) under a short lock, and synced before the next thing happens: a power cut
loses the last line at most. One that it tore, or that the disk had no room for, is cut off by the
next writer and skipped by readers. What a supervisor tells is synced when it has answered, and what
a power cut takes anyway (containers with --rm, commands of exec) is not waited for.
"""

from __future__ import annotations

import fcntl
import os
import time

from rootless.oci import jsonio
from rootless.store.records import sync_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NotRequired, TypedDict

    class Event(TypedDict):
        """One event; `time` is nanoseconds since the epoch."""

        time: int
        kind: str
        action: str
        id: str
        name: str
        attributes: dict[str, str]
        image_name: NotRequired[str]
        """Of a container: the whole name of its image, as of when it was made."""


FILE = "events"
OLDER = "events.1"
LIMIT = 4 << 20
"""Bytes of one file, of which there are two: some 30,000 events."""


def happened(
    kind: str,
    action: str,
    id: str,  # noqa: A002 - the field's own word
    name: str,
    attributes: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return an event that has no time yet."""
    return {"kind": kind, "action": action, "id": id, "name": name, "attributes": attributes or {}}


def record(root: str, event: dict[str, Any], *, durable: bool = True) -> None:
    """Append what has `happened`. Never raises: it has happened, though nobody may hear of it."""
    _record(root, [event], durable=durable)


def record_all(root: str, kind: str, action: str, things: Iterable[tuple[str, str]]) -> None:
    """Append an event for each id and name. Never raises."""
    _record(root, [happened(kind, action, id, name) for id, name in things], durable=True)  # noqa: A001


def _record(root: str, happened: list[dict[str, Any]], *, durable: bool) -> None:
    try:
        fd = _open(root)
        try:
            for event in happened:
                _append(fd, event)
            if durable:
                os.fdatasync(fd)
        finally:
            os.close(fd)  # and with it the lock
    except OSError:
        pass


class Later:
    """An event that is told from where the file has no name: inside a container's namespaces."""

    def __init__(self, root: str, event: dict[str, Any]) -> None:
        """`event` lacks its time. Opens the file, which closes with the process."""
        self._event = event
        self.fd = -1
        """-1 where it cannot be opened."""
        try:
            self.fd = _open(root)
            fcntl.flock(self.fd, fcntl.LOCK_UN)
        except OSError:
            pass

    def tell(self, **attributes: str) -> None:
        """Append it with further attributes, be it to what is the older file meanwhile."""
        if self.fd < 0:
            return
        event = {**self._event, "attributes": {**self._event["attributes"], **attributes}}
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            _append(self.fd, event)
            fcntl.flock(self.fd, fcntl.LOCK_UN)
        except OSError:
            pass  # the disk is full


def _open(root: str) -> int:
    """Return the locked file, which is begun anew where it has grown too large."""
    path = f"{root}/{FILE}"
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            status = os.fstat(fd)
            if status.st_nlink and status.st_size < LIMIT and _is_at(path, status):
                if not status.st_size:
                    sync_directory(root)  # a new file, whose name is not on the disk yet
                return fd
            if status.st_size >= LIMIT and _is_at(path, status):
                os.rename(path, f"{root}/{OLDER}")
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # somebody else has begun a new one


def _is_at(path: str, status: os.stat_result) -> bool:
    try:
        return os.stat(path).st_ino == status.st_ino
    except FileNotFoundError:
        return False


def _append(fd: int, event: dict[str, Any]) -> None:
    line = jsonio.dump_bytes({"time": time.time_ns(), **event})
    size = os.lseek(fd, 0, os.SEEK_END)
    if size and os.pread(fd, 1, size - 1) != b"\n":  # torn by a power cut
        tail = os.pread(fd, 1 << 16, max(0, size - (1 << 16)))
        size -= len(tail) - (tail.rfind(b"\n") + 1)
        os.ftruncate(fd, size)
    if os.write(fd, line) != len(line):
        os.ftruncate(fd, size)  # the disk is full


def sync(root: str) -> None:
    """Make sure that all events so far outlive a power cut."""
    try:
        fd = os.open(f"{root}/{FILE}", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)
    except OSError:
        pass  # it was removed, or the disk says no: nobody is there to hear of it


class Reader:
    """Reads events, the oldest first, and then those that come."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._fd = -1
        self._rest = b""

    def read(self) -> Iterator[Event]:
        """Yield what has been written since the last call; all at first."""
        if self._fd < 0:
            self._open(OLDER)
            yield from self._lines()
            self._open(FILE)
        yield from self._lines()
        while self._was_replaced():
            yield from self._lines()  # what came just before it was replaced
            self._open(FILE)
            yield from self._lines()

    def _open(self, name: str) -> None:
        self.close()
        try:
            self._fd = os.open(f"{self._root}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            pass

    def _was_replaced(self) -> bool:
        try:
            now = os.stat(f"{self._root}/{FILE}")
        except FileNotFoundError:
            return False
        return self._fd < 0 or os.fstat(self._fd).st_ino != now.st_ino

    def _lines(self) -> Iterator[Event]:
        while self._fd >= 0 and (data := os.read(self._fd, 1 << 18)):
            lines = (self._rest + data).split(b"\n")
            self._rest = lines.pop()
            for line in lines:
                if (event := _parse(line)) is not None:
                    yield event

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._rest = -1, b""


def _parse(line: bytes) -> Event | None:
    try:
        value: Any = jsonio.loads(line)
    except (ValueError, UnicodeDecodeError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("time"), int):
        return None
    texts = all(isinstance(value.get(key), str) for key in ("kind", "action", "id", "name"))
    if not texts or not isinstance(value.get("attributes"), dict):
        return None
    event: Event = value  # type: ignore[assignment]
    return event
