"""Archives that we write: read again by our own reader, by GNU tar and by Python."""

from __future__ import annotations

import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from rootless.oci.layers import tar
from rootless.oci.layers.tar import Entry, Reader
from rootless.oci.layers.tarwriter import Writer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

LONG = b"directory/" * 30


def entry(name: bytes, kind: bytes = tar.FILE, **values: Any) -> Entry:
    made = Entry(name, kind, values.pop("ids", (0o644, 0, 0)), 0, 1_700_000_000_000_000_000)
    for key, value in values.items():
        setattr(made, key, value)
    return made


ENTRIES = [
    entry(b"."),
    entry(b"etc", tar.DIRECTORY, ids=(0o1777, 1, 2), xattrs=[(b"user.a", b"1\n\0=")]),
    entry(b"etc/link", tar.SYMLINK, ids=(0o777, 0, 0), link=b"../" * 80 + b"x"),
    entry(b"etc/null", tar.CHARACTER, major=1, minor=3),
    entry(b"etc/fifo", tar.FIFO, ids=(0o6755, 4_000_000_000, 3_000_000)),
    entry(LONG + b"name", tar.LINK, link=LONG + b"other"),
    entry(b"not utf-8 \xff\xfe", tar.DIRECTORY),
    entry(b"old", tar.DIRECTORY, mtime=-5_000_000_000),
]
ENTRIES[0].type = tar.DIRECTORY


def fields(one: Entry) -> tuple[object, ...]:
    ids = (one.mode, one.uid, one.gid)
    return (one.name, one.type, ids, one.mtime, one.link, one.major, one.minor, one.xattrs)


def written(path: Path, entries: list[tuple[Entry, int]], flags: int = 0) -> str:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | flags, 0o600)
    writer = Writer(fd)
    for one, source in entries:
        writer.add(one, source)
    writer.close()
    os.close(fd)
    return str(path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tar", [(one, -1) for one in ENTRIES])
    fd = os.open(path, os.O_RDONLY)
    assert list(map(fields, Reader(fd))) == list(map(fields, ENTRIES))
    os.close(fd)
    with tarfile.open(path) as archive:
        assert len(archive.getmembers()) == len(ENTRIES)
    subprocess.run(["tar", "-tf", path], check=True, capture_output=True)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1 << 18, (1 << 18) + 1, 3_000_000])
@pytest.mark.parametrize("flags", [0, os.O_APPEND])  # sendfile(2) refuses the latter
def test_contents(tmp_path: Path, size: int, flags: int) -> None:
    data = os.urandom(size)
    (tmp_path / "source").write_bytes(data)
    fd = os.open(tmp_path / "source", os.O_RDONLY)
    path = written(tmp_path / "a.tar", [(entry(b"one", size=size), fd), (entry(b"two"), fd)], flags)
    os.close(fd)
    with tarfile.open(path) as archive:
        one, two = archive.getmembers()
        stream = archive.extractfile(one)
        assert stream is not None
        assert stream.read() == data
        assert two.name == "two"


def test_a_file_that_shrank_or_grew_keeps_the_size_that_was_told(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 1000)
    fd = os.open(tmp_path / "source", os.O_RDONLY)
    entries = [(entry(b"shrank", size=600_000), fd), (entry(b"grew", size=10), fd)]
    path = written(tmp_path / "a.tar", entries)
    os.close(fd)
    with tarfile.open(path) as archive:
        shrank, grew = (archive.extractfile(name) for name in ("shrank", "grew"))
        assert shrank is not None
        assert grew is not None
        assert shrank.read() == b"x" * 1000 + bytes(599_000)
        assert grew.read() == b"x" * 10


@pytest.mark.parametrize("tail", [b"", b"the end"])
def test_large_holes_take_no_room(tmp_path: Path, tail: bytes) -> None:
    size = 1 << 40
    with open(tmp_path / "source", "wb") as file:
        file.truncate(size)
        file.write(b"beginning")
        file.seek(size - len(tail))
        file.write(tail)
    fd = os.open(tmp_path / "source", os.O_RDONLY)
    parts = [(0, 4096), (size - len(tail), len(tail))]
    one = entry(b"sparse" * 20, size=size, sparse=parts)
    path = written(tmp_path / "a.tar", [(one, fd), (entry(b"next"), fd)])
    os.close(fd)
    assert os.path.getsize(path) < 20_000
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        assert [each.name for each in members] == ["sparse" * 20, "next"]
        assert members[0].size == size
    target = tmp_path / "out"
    target.mkdir()
    subprocess.run(["tar", "-xf", path, "-C", target], check=True)
    found = target / ("sparse" * 20)
    assert found.stat().st_size == size
    assert found.stat().st_blocks < 100
    with open(found, "rb") as file:
        assert file.read(9) == b"beginning"
        file.seek(size - len(tail))
        assert file.read() == tail
