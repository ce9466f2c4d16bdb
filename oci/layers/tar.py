"""A reader of tar streams, entry by entry, from a descriptor or anything with `readinto`.

Understood: V7, USTAR, old and new GNU (long names and links, base-256 numbers, the old sparse
format), pax with global headers (path, linkpath, size, mtime, uid, gid, SCHILY.xattr.*, the sparse
formats 0.0, 0.1 and 1.0). Sources: POSIX.1-2017 pax(1), tar(5) of libarchive, GNU tar's manual.
Ambiguities are settled as Go's archive/tar does, since docker and podman write and read with it.

Why not `tarfile`: it needs 3.5 times GNU tar's time for a Debian root file system, keeps every
member, and is lenient about damage. Here a header costs some 3 µs: numbers are parsed in place,
one dict remembers the few (mode, uid, gid) there are, the checksum is zlib's Adler sum, and file
data goes from one reused buffer to its file. (splice(2) from the pipe was tried: no faster.)

The stream is bounded while it is read (`Limits`); every error is a LayerError that names the
entry, or the one before it when the header itself is damaged. Names are bytes: tar has no
encoding. Nothing here touches a file system or judges names; `layers.extract` does.
"""

from __future__ import annotations

import os
from zlib import adler32

from rootless.oci.errors import Exceeded, LayerError
from rootless.oci.layers import pax

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Protocol

    class ReadableInto(Protocol):
        """What a source has to offer when it is no descriptor."""

        def readinto(self, buffer: memoryview, /) -> int | None:
            """Fill the beginning of `buffer`; 0 at the end."""
            ...


BLOCK = 512
BUFFER = 1 << 20
"""Size of the buffer, and of the pipe that feeds it where the system allows."""

FILE = b"0"
LINK = b"1"
SYMLINK = b"2"
CHARACTER = b"3"
BLOCK_DEVICE = b"4"
DIRECTORY = b"5"
FIFO = b"6"

_PLAIN = frozenset((FILE, SYMLINK, DIRECTORY))
_KINDS = {
    b"\0": FILE,  # V7
    b"7": FILE,  # "contiguous"
    b"S": FILE,  # old GNU sparse
    b"D": DIRECTORY,  # GNU incremental dump: the data lists the names
    **{bytes([kind]): bytes([kind]) for kind in b"0123456"},
}
_ZERO = bytes(BLOCK)
_USTAR = b"ustar\0"
_BILLION = 1_000_000_000
_LARGEST_TIME = 1 << 40  # seconds; whatever the kernel then makes of it, no overflow in between


class Limits:
    """Bounds on one archive. An archive that goes beyond one is refused at that entry.

    `bytes` bounds the uncompressed stream, which is also what a decompression bomb may unfold to
    and all the data that can be written: holes of sparse files cost nothing. `name` is the
    kernel's PATH_MAX without its NUL. `depth` keeps removal and open directories cheap.
    """

    def __init__(
        self,
        *,
        bytes: int = 1 << 37,  # noqa: A002 - it is the natural name, and only a keyword
        entries: int = 4_000_000,
        name: int = 4095,
        depth: int = 255,
        header: int = 1 << 20,
        parts: int = 1 << 20,
        remedy: str = "",
    ) -> None:
        self.bytes = bytes
        self.entries = entries
        self.name = name
        self.depth = depth
        self.header = header
        """Bytes of one extended header or long name; Go's archive/tar takes 1 MiB too."""
        self.parts = parts
        """Parts of one sparse file."""
        self.remedy = remedy
        """Hint for who exceeds a limit; the first LIMIT in it stands for the limit's name."""

    def hint(self, error: Exception) -> str:
        """What to do about `error`: something only where a limit was exceeded."""
        limit = error.limit if isinstance(error, Exceeded) else ""
        return self.remedy.replace("LIMIT", limit, 1) if limit else ""


class Entry:
    """One entry of an archive."""

    __slots__ = (
        "gid",
        "link",
        "major",
        "minor",
        "mode",
        "mtime",
        "name",
        "size",
        "sparse",
        "type",
        "uid",
        "xattrs",
    )

    def __init__(
        self, name: bytes, kind: bytes, ids: tuple[int, int, int], size: int, mtime: int
    ) -> None:
        self.name = name
        """As stored, without slashes at the end."""
        self.type = kind
        """FILE, LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY or FIFO."""
        self.mode, self.uid, self.gid = ids
        self.size = size
        """Length of a file once written, holes included."""
        self.mtime = mtime
        """Nanoseconds since 1970."""
        self.link = b""
        self.major = self.minor = 0
        self.xattrs: list[tuple[bytes, bytes]] | None = None
        self.sparse: pax.Sparse | None = None
        """The parts (offset, length) that hold data, for a sparse file."""


def show(name: bytes) -> str:
    """An entry's name as messages show it: printable, in quotes, not endless."""
    text = name[:200].decode("utf-8", "backslashreplace")
    return f"{text!r}…" if len(name) > 200 else repr(text)


class Reader:
    """Iterates over the entries of `source`, a descriptor or an object with `readinto`.

    `write_to` or `read` takes the data of the current entry; what is left is skipped. The source
    stays the caller's to close.
    """

    def __init__(self, source: int | ReadableInto, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._fd = source if isinstance(source, int) else -1
        self._source = None if isinstance(source, int) else source
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._position = self._end = 0
        self._left = self._padding = 0
        """Bytes of the current entry's data not read yet, and its filling up to a block."""
        self.bytes = 0
        """Bytes read from the source so far."""
        self.entries = 0
        self.ended = False
        """Whether the archive's own mark of its end was read: layers come without, too."""
        self.last = b""
        """Name of the entry that errors are about."""
        self._ids: dict[bytes, tuple[int, int, int]] = {}
        self._global: dict[bytes, bytes] = {}
        self._extension = 0
        """Bytes of extended headers in force: any number of small ones may follow each other."""

    @property
    def offset(self) -> int:
        """Where in the source the data begins that the current entry still has."""
        return self.bytes - (self._end - self._position)

    def __iter__(self) -> Reader:
        return self

    def __next__(self) -> Entry:
        entry = self.next()
        if entry is None:
            raise StopIteration
        return entry

    # -- headers ---------------------------------------------------------------------------

    def next(self) -> Entry | None:
        """The next entry, or None at the archive's end."""
        if self._left or self._padding:
            self.skip()
        position = self._position
        if self._end - position < BLOCK:
            if not self._fill(BLOCK):
                return None
            position = self._position
        header = bytes(self._view[position : position + BLOCK])
        self._position = position + BLOCK
        if header[156:157] in _PLAIN and not self._global:
            try:
                entry = self._plain(header)
            except ValueError:
                entry = None  # odd or damaged: the careful way knows
        else:
            entry = None
        if entry is None:
            try:
                entry = self._careful(header)
            except ValueError as error:
                if not self.last and header[257:262] != _USTAR[:5]:
                    raise LayerError("this is no tar archive") from error
                where = f"unpack {show(self.last)}" if self.last else "unpack the archive"
                raise LayerError(f"{where}: {error}", self.limits.hint(error)) from error
            if entry is None:
                self.ended = True
                return None
        self.entries += 1
        if self.entries > self.limits.entries:
            cause = f"the archive has more than {self.limits.entries} entries"
            self.refuse(cause, limit="entries")
        return entry

    def _plain(self, header: bytes) -> Entry:
        """The entry of an ordinary header. Raises ValueError for anything unusual."""
        check = header[148:156]
        # Adler's first half is the sum of all bytes plus one, modulo 65521. The checksum counts
        # its own field as eight spaces.
        expected = int(check.strip(b"\0 "), 8) - 255 + sum(check)
        if adler32(header) & 0xFFFF != expected % 65521:
            raise ValueError
        owner = header[100:124]
        ids = self._ids.get(owner) or self._owner(owner)
        size = int(header[124:136].strip(b"\0 "), 8)
        mtime = int(header[136:148].strip(b"\0 "), 8) * _BILLION
        name = header[:100].partition(b"\0")[0]
        if header[345] and header[257:263] == _USTAR:
            name = header[345:500].partition(b"\0")[0] + b"/" + name
        kind = header[156:157]
        if name[-1:] == b"/":
            name = name.rstrip(b"/")
            if kind == FILE:
                kind = DIRECTORY  # as V7 wrote them
        if not name or size < 0 or mtime < 0:
            raise ValueError
        self.last = name
        if kind == FILE:
            self._left = size
            self._padding = -size & 511
            return Entry(name, kind, ids, size, mtime)
        entry = Entry(name, kind, ids, 0, mtime)
        if kind == SYMLINK:
            entry.link = header[157:257].partition(b"\0")[0]
        return entry

    def _owner(self, field: bytes) -> tuple[int, int, int]:
        """(mode, uid, gid) of bytes 100 to 124, remembered."""
        mode, uid, gid = (pax.number(field[at : at + 8]) for at in (0, 8, 16))
        ids = (mode & 0o7777, uid, gid)
        if min(ids) < 0:
            raise ValueError("an owner is negative")
        if len(self._ids) < 4096:
            self._ids[field] = ids
        return ids

    def _careful(self, header: bytes) -> Entry | None:
        """The entry that begins with `header`, extended headers before it included."""
        extended: list[tuple[bytes, bytes]] = []
        self._extension = sum(len(key) + len(value) for key, value in self._global.items())
        while True:
            if header == _ZERO:
                self._end_marker(bool(extended))
                return None
            _check(header)
            kind = header[156:157]
            if kind in _KINDS:
                return self._entry(header, _KINDS[kind], extended)
            if kind == b"L":
                extended.append((b"path", self._text(header)))
            elif kind == b"K":
                extended.append((b"linkpath", self._text(header)))
            elif kind in b"xX":
                extended += pax.records(self._extended(header))
            elif kind == b"g":
                self._global.update(pax.records(self._extended(header)))
            elif kind == b"V":
                self._extended(header)  # a volume's label
            else:
                raise ValueError(f"entries of type {kind!r} are not understood")
            if not self._fill(BLOCK):
                raise ValueError("the archive ends after an extended header")
            header = self._block()

    def _entry(self, header: bytes, kind: bytes, extended: list[tuple[bytes, bytes]]) -> Entry:
        """An entry with its overrides."""
        overrides = {**self._global, **dict(extended)}
        name = _name(header, overrides)
        self.last = name
        if len(name) > self.limits.name:
            most = self.limits.name
            raise Exceeded("name", f"its name has {len(name)} bytes; the limit is {most}")
        if name[-1:] == b"/":
            name = name.rstrip(b"/") or b"/"
            if kind == FILE:
                kind = DIRECTORY
        stored = pax.number(header[124:136])
        if overrides.get(b"size"):
            stored = pax.decimal(overrides[b"size"])
        if not 0 <= stored <= pax.LARGEST:
            raise ValueError(f"the size {stored} is out of range")
        data = kind == FILE or header[156:157] == b"D"
        # The others have none whatever they say: POSIX lets a hard link repeat its file's size.
        self._left = stored if data else 0
        self._padding = -self._left & 511
        entry = Entry(name, kind, self._owner(header[100:124]), stored if kind == FILE else 0, 0)
        if kind in b"12":
            entry.link = overrides.get(b"linkpath") or header[157:257].partition(b"\0")[0]
        elif kind in b"34":
            entry.major = pax.number(header[329:337])
            entry.minor = pax.number(header[337:345])
        if b"\0" in name or b"\0" in entry.link:
            raise ValueError("a name in it has a NUL byte")
        _override(entry, header, overrides)
        if kind == FILE:
            self._sparse(entry, header, extended, overrides)
        return entry

    def _sparse(
        self,
        entry: Entry,
        header: bytes,
        extended: list[tuple[bytes, bytes]],
        overrides: dict[bytes, bytes],
    ) -> None:
        """Find the map of a sparse file, in whichever of its four places."""
        parts = self.limits.parts
        if header[156:157] == b"S":
            size = pax.number(header[483:495])
            sparse: pax.Sparse | None = pax.old_sparse(header[386:482])
            more = header[482]
            while more and sparse is not None:
                block = self._need_block()
                sparse += pax.old_sparse(block[:504])
                more = block[504]
                if len(sparse) > parts:
                    raise Exceeded("parts", f"the sparse map has more than {parts} parts")
        elif overrides.get(b"GNU.sparse.major") == b"1":
            size = pax.decimal(overrides.get(b"GNU.sparse.realsize", b""))
            before = self._left
            sparse = pax.data_sparse(self._data_block, parts)
            entry.size -= before - self._left
        else:
            sparse = pax.pax_sparse(extended)
            if sparse is None:
                return
            size = pax.decimal(overrides.get(b"GNU.sparse.size", b""))
        if not 0 <= size <= pax.LARGEST:
            raise ValueError(f"the size {size} is out of range")
        entry.sparse = pax.check_sparse(sparse or [], entry.size, size)
        entry.size = size

    def _extended(self, header: bytes) -> bytes:
        """The data of an extended header."""
        size = pax.number(header[124:136])
        most = self.limits.header
        self._extension += size
        if size < 0:
            raise ValueError(f"an extended header of {size} bytes")
        if self._extension > most:
            found = self._extension
            raise Exceeded("header", f"extended headers of {found} bytes; the limit is {most}")
        self._left, self._padding = size, -size & 511
        data = self.read(size)
        self.skip()
        return data

    def _text(self, header: bytes) -> bytes:
        return self._extended(header).partition(b"\0")[0]

    def _end_marker(self, inside: bool) -> None:
        """See that a zero block ends the archive: at its end, or before another one."""
        if inside:
            raise ValueError("the archive ends after an extended header")
        if self._fill(BLOCK) and self._block() != _ZERO:
            raise ValueError("a header is empty")

    # -- data ------------------------------------------------------------------------------

    def read(self, size: int) -> bytes:
        """The next bytes of the current entry's data, `size` of them unless it ends."""
        size = min(size, self._left)
        found = []
        while size:
            if self._position == self._end:
                self._need()
            take = min(size, self._end - self._position)
            found.append(bytes(self._view[self._position : self._position + take]))
            self._position += take
            self._left -= take
            size -= take
        return b"".join(found)

    def write_to(self, fd: int) -> None:
        """Write the current entry's remaining data at the position of `fd`.

        Raises OSError where writing fails.
        """
        while self._left:
            available = self._end - self._position
            if not available:
                self._need()
                available = self._end - self._position
            take = min(available, self._left)
            done = os.write(fd, self._view[self._position : self._position + take])
            self._position += done
            self._left -= done

    def write_part(self, fd: int, size: int) -> None:
        """Write the next `size` bytes, one part of a sparse file, at the position of `fd`."""
        rest, self._left = self._left - size, size
        self.write_to(fd)
        self._left = rest

    def skip(self) -> None:
        """Pass over what is left of the current entry."""
        while self._left or self._padding:
            left = self._left + self._padding
            if self._position == self._end:
                if self._left:
                    self._need()
                elif not self._fill(1):
                    # `umoci insert` leaves the last block unfilled; Go's reader accepts it too.
                    self._padding = 0
                    return
            take = min(left, self._end - self._position)
            self._position += take
            left -= take
            self._padding = min(left, self._padding)
            self._left = left - self._padding

    def drain(self) -> None:
        """Read the source to its end, past the archive's: writers add filling, pipes need it."""
        self._position = self._end = 0
        while self._more():
            self._end = 0

    def refuse(self, cause: str, *, limit: str = "") -> NoReturn:
        """Raise a LayerError about the current entry, which exceeds `limit` if one is named."""
        what = show(self.last) if self.last else "the archive"
        raise LayerError(f"unpack {what}: {cause}", self.limits.hint(Exceeded(limit, cause)))

    # -- the buffer ------------------------------------------------------------------------

    def _need(self) -> None:
        """Refill the empty buffer. Raises LayerError at the source's end."""
        self._position = self._end = 0
        if not self._more():
            self._truncated()

    def _fill(self, size: int) -> bool:
        """Have `size` bytes in the buffer; False when the source ends before the first of them."""
        left = self._end - self._position
        if left:
            self._view[:left] = bytes(self._view[self._position : self._end])
        self._position, self._end = 0, left
        while self._end < size:
            if not self._more():
                if self._end:
                    self._truncated()
                return False
        return True

    def _more(self) -> bool:
        """Read once behind what the buffer holds; False at the source's end."""
        free = self._view[self._end :]
        if self._source is None:
            count = os.readv(self._fd, [free])
        else:
            count = self._source.readinto(free) or 0
        self._end += count
        self._count(count)
        return count > 0

    def _count(self, count: int) -> None:
        self.bytes += count
        if self.bytes > self.limits.bytes:
            self.refuse(f"the archive is larger than {self.limits.bytes} bytes", limit="bytes")

    def _block(self) -> bytes:
        """The next block, which `_fill` has seen to."""
        block = bytes(self._view[self._position : self._position + BLOCK])
        self._position += BLOCK
        return block

    def _need_block(self) -> bytes:
        if not self._fill(BLOCK):
            self._truncated()
        return self._block()

    def _data_block(self) -> bytes:
        """One block of the current entry's data."""
        if self._left < BLOCK:
            raise ValueError("the sparse map is cut short")
        self._left -= BLOCK
        return self._need_block()

    def _truncated(self) -> NoReturn:
        self.refuse("the archive is cut short")


def _check(header: bytes) -> None:
    """Raise ValueError unless the checksum is right, counted either way."""
    stored = pax.number(header[148:156])
    total = 256 + sum(header[:148]) + sum(header[156:])
    if stored != total:
        # Sun's and old GNU tars added the bytes as signed.
        high = sum(byte > 127 for byte in header[:148] + header[156:])
        if stored != total - 256 * high:
            raise ValueError("this or the next header is damaged: its checksum is wrong")


def _name(header: bytes, overrides: dict[bytes, bytes]) -> bytes:
    name = overrides.get(b"GNU.sparse.name") or overrides.get(b"path")
    if not name:
        name = header[:100].partition(b"\0")[0]
        if header[345] and header[257:263] == _USTAR:
            name = header[345:500].partition(b"\0")[0] + b"/" + name
    if not name:
        raise ValueError("an entry has no name")
    return name


def _override(entry: Entry, header: bytes, overrides: dict[bytes, bytes]) -> None:
    """Set what pax records say instead of the header."""
    if overrides.get(b"mtime"):
        entry.mtime = pax.nanoseconds(overrides[b"mtime"])
    else:
        entry.mtime = pax.number(header[136:148]) * _BILLION
    if abs(entry.mtime) > _LARGEST_TIME * _BILLION:
        raise ValueError("the time of modification is out of range")
    if overrides.get(b"uid"):
        entry.uid = pax.decimal(overrides[b"uid"])
    if overrides.get(b"gid"):
        entry.gid = pax.decimal(overrides[b"gid"])
    xattrs = [
        (key[len(pax.XATTR) :], value)
        for key, value in overrides.items()
        if key.startswith(pax.XATTR)
    ]
    if xattrs:
        entry.xattrs = xattrs
