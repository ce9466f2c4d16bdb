"""Reading logs: the last lines, a span of time, what still comes; of one container or of several.

A log is several files where it is rotated (see runtime.logs.files): they are read from the oldest
to the one that grows. Whoever follows has that one open, and when it has been replaced reads it
to its end and goes on with the next: nothing is lost, nothing comes twice.
"""

from __future__ import annotations

import os
import select
import time

from rootless.errors import Conflict, NotFound
from rootless.linux import inotify
from rootless.runtime.logs import files
from rootless.runtime.logs.formats import FORMATS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rootless.containers.handle import Handle
    from rootless.runtime.logs.formats import Entry, Format

_ROUNDING = 1e-6
"""Seconds: what a time of today loses as a floating point number is a quarter of that."""

_GROWS = 1 << 62
"""Stands for the number of the file that grows."""

Read = tuple["Handle", "Entry"]


def read(
    containers: Sequence[Handle],
    *,
    follow: bool = False,
    tail: int = -1,
    since: float = 0.0,
    until: float = 0.0,
) -> Iterator[Read]:
    """Yield (container, entry), merged in time; see Container.logs.

    Raises Conflict for one that keeps no log.
    """
    if any(container.record["log_driver"] == "journald" for container in containers):
        from rootless.containers.running import journal

        yield from journal.read(containers, follow=follow, tail=tail, since=since, until=until)
        return
    first = _stamp(since and since - _ROUNDING)
    last = _stamp(until and until + _ROUNDING) or b"\xff"
    logs: list[Log] = []
    try:
        for container in containers:
            logs.append(Log(container))
            logs[-1].begin(tail)
        for _ in _turns(logs, until) if follow else [None]:
            for container, entry in _merged(logs):
                if first <= entry.stamp <= last:
                    yield container, entry
    finally:
        for log in logs:
            log.close()


def stamped(entry: Entry) -> bytes:
    """Return the moment of an entry as it stands before a line: RFC 3339, and a space."""
    return entry.stamp + b"Z "


def _merged(logs: list[Log]) -> Iterator[Read]:
    each = [_entries(log) for log in logs]
    if len(each) == 1:
        return each[0]
    import heapq

    return heapq.merge(*each, key=lambda found: found[1].stamp)


def _entries(log: Log) -> Iterator[Read]:
    for entry in log.entries():
        yield log.container, entry


def _stamp(moment: float) -> bytes:
    if not moment:
        return b""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{whole}.{int(moment % 1 * 1e9):09d}".encode()


class Log:
    """The log of one container, read from some place on. Raises Conflict where it keeps none."""

    def __init__(self, container: Handle) -> None:
        self.container = container
        driver = container.record["log_driver"]
        if driver not in FORMATS:
            raise Conflict(f"container {container.name} keeps no log: its log driver is {driver}")
        self._path = f"{container.directory}/log"
        self._format = FORMATS[driver]()
        self._file: File | None = None
        self._number = 0
        """Of the file that is read, or was last."""

    def begin(self, tail: int) -> None:
        """Go to where the last `tail` lines begin; to the beginning for -1.

        A file stays open from where its lines are counted on: by its name it could be another by
        the time it is read, because logs are rotated meanwhile.
        """
        if tail < 0:
            self._open(min(self._numbers()), 0)
            return
        number, file = _GROWS, self._opened_growing()
        numbers = files.numbers(self._path)
        older = sorted(found for found in numbers if file is None or found < file.number)
        while True:
            offset, lines = _tail(file, tail, self._format, number == _GROWS)
            if offset > 0 or not older:
                break
            if file is not None:
                file.close()
            tail -= lines
            number = older.pop()
            file = self._opened(number)
        self._file, self._number = file, number
        if file is not None:
            file.go(offset)

    def entries(self) -> Iterator[Entry]:
        """Yield the whole records from here to the end that there is now."""
        while True:
            if self._file is None and self._number == _GROWS:
                self._open(_GROWS, 0)  # nothing was written so far
            if self._file is not None:
                yield from self._file.entries(self._format)
            later = [number for number in self._numbers() if number > self._number]
            if self._number == _GROWS and self._file is not None:
                if not self._file.was_replaced(self._path):
                    return
                yield from self._file.entries(self._format)  # what came just before
                later = [number for number in self._numbers() if number > self._file.number]
            if not later:
                return
            self._open(min(later), 0)

    def _numbers(self) -> list[int]:
        return [*files.numbers(self._path), _GROWS]

    def _open(self, number: int, offset: int) -> None:
        self.close()
        self._file, self._number = self._opened(number), number
        if self._file is not None:
            self._file.go(offset)

    def _opened(self, number: int) -> File | None:
        if number == _GROWS:
            return self._opened_growing()
        for name in (f"{self._path}.{number}", f"{self._path}.{number}.gz"):
            try:
                return File(name, number)
            except FileNotFoundError:
                continue  # compressed, or removed meanwhile
        return None

    def _opened_growing(self) -> File | None:
        """Open the file that grows, and know the number that it gets when it is replaced."""
        while True:
            before = files.numbers(self._path)
            try:
                found = File(self._path, max(before, default=0) + 1)
            except FileNotFoundError:
                return None
            if files.numbers(self._path) == before and not found.was_replaced(self._path):
                return found
            found.close()

    def close(self) -> None:
        """Close what is open."""
        if self._file is not None:
            self._file.close()
            self._file = None


class File:
    """One file of a log, compressed or not, read forwards. Raises FileNotFoundError."""

    def __init__(self, path: str, number: int) -> None:
        self.number = number
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._rest = b""
        self.is_compressed = path.endswith(".gz")
        self.go(0)

    def go(self, offset: int) -> None:
        """Go to `offset`, in bytes of the log, which are not the file's where it is compressed."""
        self._rest, self._inflate = b"", None
        if not self.is_compressed:
            os.lseek(self.fd, offset, os.SEEK_SET)
            return
        import zlib

        os.lseek(self.fd, 0, os.SEEK_SET)
        self._inflate = zlib.decompressobj(31)
        while offset > 0 and (data := self._read()):
            self._rest = data[offset:]
            offset -= len(data)

    def _read(self) -> bytes:
        while data := os.read(self.fd, 1 << 20):
            if self._inflate is None:
                return data
            if plain := self._inflate.decompress(data):
                return bytes(plain)
        return b""

    def pieces(self) -> Iterator[bytes]:
        """Yield the log's bytes from here on."""
        while data := self._read():
            yield data

    def entries(self, form: Format) -> Iterator[Entry]:
        """Yield the whole records from here to the end that it has now."""
        while True:
            *lines, self._rest = self._rest.split(b"\n")
            for line in lines:
                if (entry := form.parse(line)) is not None:
                    yield entry
            data = self._read()
            if not data:
                return
            self._rest += data

    def was_replaced(self, path: str) -> bool:
        """Whether another file grows at `path` by now."""
        try:
            return os.stat(path).st_ino != os.fstat(self.fd).st_ino
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)


def _tail(file: File | None, count: int, form: Format, newest: bool) -> tuple[int, int]:
    """Return where the last `count` lines of a file begin, and how many lines it has at most.

    0 where they begin in an older one. Parts of one line count once, with the record that ends it,
    wherever that is; only in the newest file a part at the end is a line that is not finished.
    """
    if file is None:
        return 0, 0
    if file.is_compressed:
        text = b"".join(file.pieces())
        return _offset(text, count, form, newest), _lines(text, form)
    position = os.lseek(file.fd, 0, os.SEEK_END)
    if newest and count == 0:
        return position, 0
    found, text = 0, b""
    while position > 0 and found <= count:
        step = min(position, 1 << 16)
        position -= step
        text = os.pread(file.fd, step, position) + text
        found = _lines(text.partition(b"\n")[2] if position else text, form)
    offset = _offset(text, count, form, newest)
    return position + offset, found


def _lines(text: bytes, form: Format) -> int:
    entries = (form.parse(line) for line in text.split(b"\n"))
    return sum(1 for entry in entries if entry is not None and entry.whole)


def _offset(text: bytes, count: int, form: Format, newest: bool) -> int:
    """Return where in `text` the last `count` lines begin, 0 where there are no more."""
    end = len(text)
    seen, last = 0, newest
    for line in reversed(text.split(b"\n")):
        entry = form.parse(line)
        if entry is not None:
            seen += entry.whole or last
            last = False
            if seen > count:
                return end + 1
        end -= len(line) + 1
    return 0


_LONGEST = 1 << 30
"""Milliseconds, which poll(2) counts in an int."""


def _turns(logs: list[Log], until: float) -> Iterator[None]:
    """Yield whenever there may be more to read; the last time when nothing will come any more."""
    poll = select.poll()
    running: dict[int, Log] = {}
    changes = []
    try:
        for log in logs:
            try:
                what = inotify.IN_MODIFY | inotify.IN_CREATE
                changes.append(inotify.watch(log.container.directory, what))
            except FileNotFoundError:
                raise NotFound(f"no such container: {log.container.name}") from None
            poll.register(changes[-1], select.POLLIN)
            if (supervisor := log.container.open_supervisor()) is not None:
                running[supervisor] = log
                poll.register(supervisor, select.POLLIN)
        yield
        while running and (not until or time.time() < until):
            left = max(0, int((until - time.time()) * 1000) + 1) if until else _LONGEST
            for fd, _ in poll.poll(min(left, _LONGEST)):
                if fd in running:
                    poll.unregister(fd)
                    os.close(fd)
                    del running[fd]
                else:
                    os.read(fd, 1 << 16)
            yield
    finally:
        for fd in (*changes, *running):
            os.close(fd)
