"""A container's log: the file that grows, and those before it.

    log          what is written now
    log.7        the one before, log.6 that before it, ...
    log.5.gz     an older one, compressed

The numbers only rise, so no file is ever renamed twice, and a kill between two steps leaves
nothing to mend. A full disk loses lines, never the container, and that is said in the log.
"""

from __future__ import annotations

import os
import sys

from rootless.runtime.logs.formats import FORMATS, JsonFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.logs.charge import LogCharge, Writer


def open_log(charge: LogCharge) -> LogCharge:
    """Return the charge with its descriptor opened. Raises OSError."""
    fd = -1
    if charge["driver"] in FORMATS:
        fd = _open(charge["path"])
    elif charge["driver"] == "journald":
        from rootless.runtime.logs.journal import connect

        fd = connect()
    return {**charge, "fd": fd}


def writer(charge: LogCharge) -> Writer:
    """Return what writes the log."""
    if charge["driver"] in FORMATS:
        return LogFile(charge)
    if charge["driver"] == "journald":
        from rootless.runtime.logs.journal import Journal

        return Journal(charge)
    return Nothing()


class Nothing:
    """The drivers none and passthrough."""

    def write(self, stream: int, data: bytes) -> None:
        """Forget it."""

    def finish(self) -> None:
        """Nothing waits."""


class LogFile:
    """Appends what a container writes."""

    def __init__(self, charge: LogCharge) -> None:
        self._fd = charge["fd"]
        self._charge = charge
        self._format = FORMATS[charge["driver"]]()
        if isinstance(self._format, JsonFile):
            self._format.add(charge["fields"])
        self._size = os.fstat(self._fd).st_size
        self._torn = False
        """Whether the disk took only the beginning of the last record."""
        self._lost = 0
        """Pieces that the disk did not take since it last took one."""
        self._reason = ""
        self._compressor = -1
        self._older: set[int] = set()
        """Numbers of the files before, once it has begun a new file: nobody else makes any."""

    def write(self, stream: int, data: bytes) -> None:
        """Append `data` of stream 1 or 2, one record a line."""
        text = self._format.encode(stream, data)
        if self._lost:
            said = f"rootless: {self._lost} pieces of output were lost: {self._reason}\n"
            text = self._format.encode(2, said.encode()) + text
        if self._torn:
            text = b"\n" + text
        rest, at = memoryview(text), 0
        try:
            while at < len(text):
                end = self._room(text, at)
                written = os.write(self._fd, rest[at:end])
                self._size += written
                self._torn = written < end - at
                at += written
            self._lost = 0
        except OSError as error:
            self._lost += 1
            self._reason = os.strerror(error.errno or 0)

    def finish(self) -> None:
        """Nothing waits: a part of a line is written as such."""

    def _room(self, text: bytes, at: int) -> int:
        """Return where that of `text` from `at` ends which belongs into one file.

        Whole records, until it is full; all that is left where no other file can be begun: to try
        that for each record would hold up the container.
        """
        limit = self._charge["max_size"]
        if limit <= 0:
            return len(text)
        if self._size >= limit and not self._torn and not self._rotate():
            return len(text)
        left = max(limit - self._size, 1)
        return text.find(b"\n", at + left - 1) + 1 or len(text)

    def _rotate(self) -> bool:
        """Begin a new file; False where that cannot be just now, so that the old one goes on."""
        if self._is_compressing():
            return False
        path, older = self._charge["path"], self._older or numbers(self._charge["path"])
        last = max(older, default=0) + 1
        if not self._begin(path, f"{path}.{last}"):
            return False
        keep = self._charge["max_file"] - 1
        newest = sorted(older | {last}, reverse=True)
        for number in newest[keep:]:
            for name in (f"{path}.{number}", f"{path}.{number}.gz"):
                _unlink(name)
        self._older = {last, *newest[:keep]}
        if keep and self._charge["compress"]:
            self._compressor = compress(f"{path}.{last}")
        return True

    def _begin(self, path: str, before: str) -> bool:
        """Give the file at `path` the name `before`, and begin a new one, if both can be."""
        try:
            os.rename(path, before)
        except OSError:
            return False
        try:
            fd = _open(path)
        except OSError:
            _rename_back(before, path)
            return False
        os.dup2(fd, self._fd, inheritable=False)
        os.close(fd)
        self._size = 0
        return True

    def _is_compressing(self) -> bool:
        if self._compressor < 0:
            return False
        try:
            ended = os.waitpid(self._compressor, os.WNOHANG)[0]
        except ChildProcessError:
            ended = 1  # reaped with the container's orphans
        if ended:
            self._compressor = -1
        return not ended


def _open(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def _rename_back(before: str, path: str) -> None:
    try:
        os.rename(before, path)
    except OSError:
        pass  # what is written stays readable under the other name


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it was not there, or a directory that says no: it counts the next time


def numbers(path: str) -> set[int]:
    """Return the numbers of the files before the growing one at `path`."""
    directory, _, name = path.rpartition("/")
    try:
        names = os.listdir(directory)
    except OSError:
        return set()
    found = (one.removeprefix(f"{name}.").removesuffix(".gz") for one in names)
    return {int(one) for one in found if one.isascii() and one.isdigit()}


_COMPRESS = """
import os, sys, zlib
path = sys.argv[1]
os.nice(10)
packer = zlib.compressobj(6, zlib.DEFLATED, 31)
with open(path, "rb") as old, open(path + ".new", "wb") as new:
    while data := old.read(1 << 16):
        new.write(packer.compress(data))
    new.write(packer.flush())
    new.flush()
    os.fsync(new.fileno())
os.rename(path + ".new", path + ".gz")
os.unlink(path)
"""
"""Where it is killed before the end, the file is there as it was; both are the same for readers."""


def compress(path: str) -> int:
    """Start to compress a file that grows no more; return the pid of who does it, -1 for nobody."""
    command = [sys.executable, "-X", "utf8", "-I", "-S", "-c", _COMPRESS, path]
    try:
        return os.posix_spawn(sys.executable, command, os.environ)
    except OSError:
        return -1  # it stays as it is
