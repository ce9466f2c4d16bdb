"""Compressed streams: told by their first bytes, read in pieces of bounded size.

Media types and file names lie, so only the magic numbers count. gzip goes through igzip (isal),
0.70 s for a Debian layer where zlib took 1.64 s, zstd through zstandard; both release the GIL.
bzip2 and xz are read because root file systems are published so, and podman reads them.

A piece of output is at most as long as was asked for, however much a bomb would unfold to.
"""

from __future__ import annotations

import os

from rootless.oci.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rootless.oci.digest import Readable

CHUNK = 1 << 18

_MEMORY = 1 << 27
"""Bytes of what was unpacked before that a stream may refer to: zstd's window, xz's dictionary.

128 MiB, what `zstd --long` makes and reads by default, and twice what `xz -9` makes: a header may
ask for gigabytes."""

_STEP = 256
"""Bytes of a member that are looked at first."""

_FIRST = {"gzip": b"\x1f", "bzip2": b"B", "xz": b"\xfd"}
"""What a further member begins with."""

LEVELS = {"gzip": 9, "zstd": 22}
"""What layers are compressed with, and the highest level of each."""

_ISAL_MOST = 3
"""The highest level of igzip; those above are zlib's, smaller and slow."""

_GZIP = 31
"""What zlib calls a gzip stream; it gets no name or time."""

_MAGIC = (
    (b"\x1f\x8b", "gzip"),  # RFC 1952
    (b"\x28\xb5\x2f\xfd", "zstd"),  # RFC 8878
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)


def compression_of(head: bytes) -> str:
    """`gzip`, `zstd`, `bzip2`, `xz` or `none`, by the first six bytes of a stream."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    # RFC 8878, 3.1.2: skippable frames may come first, 0x184D2A50 to 0x184D2A5F
    if len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:
        return "zstd"
    return "none"


def decompress(source: int | Readable, *, name: str = "stream") -> Readable:
    """Return a stream of the raw bytes of `source`, a descriptor or a readable.

    Raises ImageError from here or from `read` when the compressed data is damaged or ends early
    (zstd that ends early just ends: only its digest tells); `name` stands in the message. The
    source stays the caller's to close, and must be read to its end by reading the result to its
    end.
    """
    stream = _Descriptor(source) if isinstance(source, int) else source
    head = b""
    while len(head) < 6 and (data := stream.read(6 - len(head))):
        head += data
    rest = _Pushback(head, stream)
    kind = compression_of(head)
    if kind == "none":
        return rest
    return _Zstd(rest, name) if kind == "zstd" else _Members(kind, rest, name)


def compress(
    source: Readable, kind: str, *, name: str, level: int = 0
) -> Iterator[tuple[int, bytes]]:
    """Yield (bytes read, compressed piece) of `source`, which is decompressed first if need be.

    `kind` is gzip or zstd, `level` up to 9 or 22, 0 for what is quick and good; all are made in a
    way that gives the same bytes again.
    """
    stream = decompress(source, name=name)
    machine: Any
    if kind == "zstd":
        import zstandard

        machine = zstandard.ZstdCompressor(level=level or 3, write_checksum=True).compressobj()
    elif level <= _ISAL_MOST:
        from isal import isal_zlib

        machine = isal_zlib.compressobj(level=level or 2, wbits=_GZIP)
    else:
        import zlib

        machine = zlib.compressobj(level=level, wbits=_GZIP)
    while data := stream.read(CHUNK):
        yield len(data), machine.compress(data)
    yield 0, machine.flush()


class _Descriptor:
    """A descriptor as a readable."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int, /) -> bytes:
        return os.read(self._fd, size)


class _Pushback:
    """A stream whose first bytes were looked at."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            data = self._head if size < 0 else self._head[:size]
            self._head = self._head[len(data) :]
            return data
        return self._stream.read(size)


class _Members:
    """gzip, bzip2 and xz: members one after the other, with zeros between and after them.

    pigz, bgzip, eStargz and `cat a.gz b.gz` all write several members. What follows the last one
    and is neither a member nor zeros is an error, as an image has no use for it.
    """

    def __init__(self, kind: str, stream: Readable, name: str) -> None:
        self._new, self._errors = _machine(kind)
        self._first = _FIRST[kind]
        self._name = f"{name}: {kind}"
        self._stream = stream
        self._input = b""
        self._at = 0
        """How much of `_input` the members have had."""
        self._step = _STEP
        self._member = self._new()

    def read(self, size: int = CHUNK, /) -> bytes:
        while True:
            if self._member.eof and not self._next():
                return b""
            data = self._piece() if self._member.needs_input else b""
            try:
                out: bytes = self._member.decompress(data, size)
            except self._errors as error:
                raise _failure(self._name, error) from error
            if self._member.eof:
                self._at -= len(self._member.unused_data)
            if out:
                return out

    def _piece(self) -> bytes:
        """What the member gets next: little at first, for what it leaves is copied each time."""
        if not self._fill():
            raise ImageError(f"decompress {self._name}: the file ends early")
        piece = self._input[self._at : self._at + self._step]
        self._at += len(piece)
        self._step = min(2 * self._step, CHUNK)
        return piece

    def _next(self) -> bool:
        """Begin the next member; False at the end."""
        while self._fill():
            some = self._input[self._at : self._at + _STEP]
            rest = some.lstrip(b"\0")
            self._at += len(some) - len(rest)
            if rest:
                if not rest.startswith(self._first):
                    raise ImageError(f"decompress {self._name}: garbage after the last member")
                self._member = self._new()
                self._step = _STEP
                return True
        return False

    def _fill(self) -> bool:
        """Have something to read; False at the end."""
        if self._at == len(self._input):
            self._input = self._stream.read(CHUNK)
            self._at = 0
        return bool(self._input)


def _machine(kind: str) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """What makes the decompressor of a member, and what that raises."""
    if kind == "gzip":
        from isal import igzip_lib

        flag: int = igzip_lib.DECOMP_GZIP  # header read, checksum and length compared
        error: type[Exception] = igzip_lib.error  # type: ignore[assignment] # its stub is wrong
        return lambda: igzip_lib.IgzipDecompressor(flag=flag), (error,)
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor, (OSError, EOFError, ValueError)
    import lzma

    limit = _MEMORY + (1 << 20)  # what it needs beside the dictionary
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, limit), (lzma.LZMAError, EOFError)


class _Zstd:
    """zstd through the reader that its library brings; it reads any number of frames."""

    def __init__(self, stream: Readable, name: str) -> None:
        import zstandard

        self._name = f"{name}: zstd"
        self._errors = (zstandard.ZstdError, OSError, ValueError)
        machine = zstandard.ZstdDecompressor(max_window_size=_MEMORY)
        self._reader = machine.stream_reader(stream, read_size=CHUNK, read_across_frames=True)  # type: ignore[arg-type]

    def read(self, size: int = CHUNK, /) -> bytes:
        try:
            return self._reader.read(size)
        except self._errors as error:
            raise _failure(self._name, error) from error


def _failure(name: str, error: Exception) -> ImageError:
    """The error for what a library said. What needs too much memory says so in no other way."""
    if any(words in str(error) for words in ("too much memory", "usage limit")):
        return ImageError(
            f"decompress {name}: it needs more than the {_MEMORY >> 20} MiB of memory it may have",
            "compress it again with a smaller dictionary or window",
        )
    return ImageError(f"decompress {name}: {error}")
