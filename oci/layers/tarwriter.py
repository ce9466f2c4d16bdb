"""A writer of tar streams, entry by entry, to a descriptor: the other half of `layers.tar`.

The form is POSIX.1-2017 pax, with an extended header only where an entry needs one, so that most
are plain USTAR; extended attributes are `SCHILY.xattr.*`, as Go's archive/tar, star and GNU tar
have them. Times are whole seconds, as docker and podman write them.

image-spec (layer.md) says that sparse files should not be stored as such. Where the holes are few
they are written out; but /var/log/lastlog may be a terabyte of nothing, so beyond `HOLES` bytes of
them GNU's format 1.0 is used, which Go's archive/tar, GNU tar, libarchive and Python read.
"""

from __future__ import annotations

import errno
import os

from rootless.oci.layers.pax import XATTR
from rootless.oci.layers.tar import BLOCK, DIRECTORY, FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.oci.layers.tar import Entry

HOLES = 64 << 20
_BUFFER = 1 << 18
"""Bytes gathered before they are written. Files that do not fit are passed on by sendfile(2)."""
_LARGEST = 0o77777777777
"""What eleven octal digits hold: sizes and times."""
_LARGEST_ID = 0o7777777


class Writer:
    """Writes entries to `fd`, which stays the caller's. Raises OSError."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = bytearray()
        self._sendfile = True
        self.entries = 0

    def add(self, entry: Entry, source: int = -1) -> None:
        """Write one entry; the content of a file comes from the descriptor `source`.

        A file that shrank meanwhile ends in zeros, one that grew is cut off: its size came first.
        """
        self.entries += 1
        extended = _attributes(entry)
        if entry.type != FILE:
            self._headers(entry, extended, 0)
            return
        parts, table = [(0, entry.size)], b""
        if entry.sparse is not None:
            parts = entry.sparse or [(entry.size, 0)]
            table = _table(parts)
            extended += [
                (b"GNU.sparse.major", b"1"),
                (b"GNU.sparse.minor", b"0"),
                (b"GNU.sparse.name", entry.name),
                (b"GNU.sparse.realsize", b"%d" % entry.size),
            ]
        size = len(table) + sum(length for _, length in parts)
        self._headers(entry, extended, size)
        self._write(table)
        for start, length in parts:
            self._copy(source, start, length)
        self._write(bytes(-size % BLOCK))

    def close(self) -> None:
        """Write the end of the archive."""
        self._write(bytes(2 * BLOCK))
        self._flush()

    def _headers(self, entry: Entry, extended: list[tuple[bytes, bytes]], size: int) -> None:
        self._write(headers(entry, extended, size))

    def _copy(self, source: int, start: int, length: int) -> None:
        end = start + length
        if self._sendfile and length > _BUFFER:
            self._flush()
            try:
                while start < end and (count := os.sendfile(self._fd, source, start, end - start)):
                    start += count
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS):
                    raise
                self._sendfile = False  # to a file opened with O_APPEND, for example
        while start < end and (data := os.pread(source, min(end - start, _BUFFER), start)):
            self._write(data)
            start += len(data)
        while start < end:
            self._write(bytes(min(end - start, _BUFFER)))
            start += min(end - start, _BUFFER)

    def _write(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        view = memoryview(bytes(self._buffer))
        self._buffer.clear()
        while view:
            view = view[os.write(self._fd, view) :]


def headers(entry: Entry, extended: list[tuple[bytes, bytes]], size: int) -> bytes:
    """Return what begins an entry: an extended header where it needs one, and its block.

    `size` is how many bytes follow, `extended` the records that it is to have in any case.
    """
    records = list(extended)
    name = entry.name + b"/" if entry.type == DIRECTORY else entry.name
    mtime = entry.mtime // 1_000_000_000
    for key, text in ((b"path", name), (b"linkpath", entry.link)):
        if len(text) > 100:
            records.append((key, text))
    for key, value, most in (
        (b"size", size, _LARGEST),
        (b"mtime", mtime, _LARGEST),
        (b"uid", entry.uid, _LARGEST_ID),
        (b"gid", entry.gid, _LARGEST_ID),
    ):
        if not 0 <= value <= most:
            records.append((key, b"%d" % value))
    before = b""
    if records:
        data = b"".join(_record(key, value) for key, value in records)
        before = _header(b"PaxHeaders/0", b"x", (0o644, 0, 0, len(data), 0))
        before += data + bytes(-len(data) % BLOCK)
    numbers = (entry.mode, entry.uid, entry.gid, size, mtime)
    device = (entry.major, entry.minor)
    return before + _header(name, entry.type, numbers, entry.link, device)


def _attributes(entry: Entry) -> list[tuple[bytes, bytes]]:
    return [(XATTR + name, value) for name, value in sorted(entry.xattrs or ())]


def _table(parts: list[tuple[int, int]]) -> bytes:
    """The map that begins the data of a sparse file."""
    numbers = [len(parts), *(number for part in parts for number in part)]
    text = b"".join(b"%d\n" % number for number in numbers)
    return text + bytes(-len(text) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """`length key=value\\n`; the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _header(
    name: bytes,
    kind: bytes,
    numbers: tuple[int, int, int, int, int],
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
) -> bytes:
    """Return a block; `numbers` are mode, uid, gid, size and mtime (pax(1), ustar)."""
    mode, uid, gid, size, mtime = numbers
    fields = (
        name[:100].ljust(100, b"\0"),
        b"%07o\0%07o\0%07o\0" % (mode, _fit(uid, _LARGEST_ID), _fit(gid, _LARGEST_ID)),
        b"%011o\0%011o\0" % (_fit(size, _LARGEST), _fit(mtime, _LARGEST)),
        b" " * 8,
        kind,
        link[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(64),
        b"%07o\0%07o\0" % device,
    )
    header = b"".join(fields).ljust(BLOCK, b"\0")
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


def _fit(value: int, most: int) -> int:
    """The value, 0 where only the extended header can hold it."""
    return value if 0 <= value <= most else 0
