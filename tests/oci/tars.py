"""Archives put together by hand, header by header, and ways to unpack them in tests."""

from __future__ import annotations

import contextlib
import io
import os
import random
import stat
import tempfile
from typing import TYPE_CHECKING, Any

from rootless.oci.layers import tar, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

END = bytes(1024)


def dice() -> random.Random:
    """Random numbers whose seed a failing test shows; TEST_SEED repeats them."""
    seed = os.environ.get("TEST_SEED") or os.urandom(4).hex()
    print(f"TEST_SEED={seed}")
    return random.Random(seed)


def number(value: int, width: int) -> bytes:
    """A field as most writers have it: octal with a NUL; base 256 where that does not reach."""
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return ((1 << (8 * width - 1)) | (value & ((1 << (8 * width - 1)) - 1))).to_bytes(width, "big")


def header(
    name: bytes,
    kind: bytes = b"0",
    *,
    size: int = 0,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 1_700_000_000,
    link: bytes = b"",
    magic: bytes = b"ustar\0" + b"00",
    device: tuple[int, int] = (0, 0),
    prefix: bytes = b"",
    rest: bytes = b"",
    size_field: bytes = b"",
    signed: bool = False,
) -> bytes:
    """One header block. `rest` replaces what comes after the device numbers."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108] = number(mode, 8)
    block[108:116] = number(uid, 8)
    block[116:124] = number(gid, 8)
    block[124:136] = size_field or number(size, 12)
    block[136:148] = number(mtime, 12)
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[157 : 157 + len(link)] = link
    block[257:265] = magic
    block[329:337] = number(device[0], 8)
    block[337:345] = number(device[1], 8)
    block[345 : 345 + len(prefix)] = prefix
    block[345 : 345 + len(rest)] = rest
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % total
    assert len(block) == 512
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def file(name: bytes, data: bytes = b"", **fields: Any) -> bytes:
    return header(name, size=len(data), **fields) + padded(data)


def directory(name: bytes, **fields: Any) -> bytes:
    return header(name + b"/", b"5", **{"mode": 0o755, **fields})


def symlink(name: bytes, target: bytes, **fields: Any) -> bytes:
    return header(name, b"2", link=target, **{"mode": 0o777, **fields})


def link(name: bytes, target: bytes, **fields: Any) -> bytes:
    return header(name, b"1", link=target, **fields)


def records(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """Pax records; the length counts its own digits."""
    out = b""
    for key, value in pairs:
        rest = b" " + key + b"=" + value + b"\n"
        length = len(rest)
        while len(b"%d" % length) + len(rest) != length:
            length = len(b"%d" % length) + len(rest)
        out += b"%d" % length + rest
    return out


def pax(*pairs: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """An extended header."""
    data = records(list(pairs))
    return header(b"PaxHeaders/x", kind, size=len(data)) + padded(data)


def gnu_long(text: bytes, kind: bytes = b"L") -> bytes:
    """A GNU long name (L) or long link (K)."""
    data = text + b"\0"
    return header(b"././@LongLink", kind, size=len(data), magic=b"ustar  \0") + padded(data)


@contextlib.contextmanager
def descriptor(data: bytes) -> Iterator[int]:
    """`data` as an open file without a name."""
    with tempfile.TemporaryFile() as handle:
        handle.write(data)
        handle.flush()
        handle.seek(0)
        yield handle.fileno()


def read(data: bytes, limits: tar.Limits | None = None) -> list[tar.Entry]:
    """All entries of an archive."""
    return list(tar.Reader(io.BytesIO(data), limits))


def contents(data: bytes) -> list[tuple[tar.Entry, bytes]]:
    """All entries with their stored data."""
    reader = tar.Reader(io.BytesIO(data))
    return [(entry, reader.read(1 << 30)) for entry in reader]


def extract(
    data: bytes, place: Path, *, owners: str = "record", limits: tar.Limits | None = None
) -> dict[str, Any]:
    """Unpack an archive as this user into `place`/layer and return its record."""
    layer = place / "layer"
    layer.mkdir(exist_ok=True)
    with descriptor(data) as fd:
        return unpack.extract_fd(fd, str(layer), owners=owners, limits=limits)


def stack(layer: Path) -> dict[str, tuple[Any, ...]]:
    """The tree of an unpacked layer with its second one, of what others must not reach, upon it.

    The second may say nothing that the first does not, but for their bits.
    """
    found = tree(layer / "fs")
    withheld = {"file": 0o6022, "directory": 0o0022}
    for path, what in found.items():
        ours = os.lstat(layer / "fs" / path).st_gid == os.getegid()
        bits = withheld.get(what[0], 0) & (~0 if ours else ~0o020)
        assert not bits or not what[1] & bits, path
    for path, what in tree(layer / "withheld" / "fs").items():
        kind, mode, *rest = what
        theirs = found[path][1]
        assert found[path] == (kind, mode & (theirs | ~withheld[kind]), *rest), path
        found[path] = what
    return found


def tree(top: Path) -> dict[str, tuple[Any, ...]]:
    """Every path below `top` with what it is: type, mode, and content or target."""
    found: dict[str, tuple[Any, ...]] = {}
    for parent, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            mode = stat.S_IMODE(status.st_mode)
            kind = stat.S_IFMT(status.st_mode)
            relative = os.path.relpath(path, top)
            if stat.S_ISLNK(kind):
                found[relative] = ("link", os.readlink(path))
            elif stat.S_ISDIR(kind):
                found[relative] = ("directory", mode)
            elif stat.S_ISREG(kind):
                with open(path, "rb") as handle:
                    found[relative] = ("file", mode, handle.read())
            elif stat.S_ISCHR(kind) and status.st_rdev == 0:
                found[relative] = ("whiteout",)
            else:
                found[relative] = ("other", kind, mode)
    return found
