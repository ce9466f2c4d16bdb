"""The tar reader against tarfile, GNU tar and headers made by hand, whole and damaged."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import tars
from tars import END, directory, file, gnu_long, header, link, padded, pax, read, symlink

from rootless.oci.errors import LayerError
from rootless.oci.layers import tar
from rootless.oci.layers.tar import Limits, Reader
from tests.children import end, in_child

if TYPE_CHECKING:
    import random
    from pathlib import Path

pytestmark = pytest.mark.once

# -- what others write -------------------------------------------------------------------------

KINDS = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE]


def random_member(dice: random.Random) -> tuple[tarfile.TarInfo, bytes]:
    """A member with an odd name and odd numbers."""
    letters = "aZ.é漢 \n\\\"'=%"
    parts = ["x".join(dice.choices(letters, k=dice.randint(1, 30))) for _ in range(5)]
    info = tarfile.TarInfo("/".join(parts[: dice.randint(1, 5)]) + "x")
    info.type = dice.choice(KINDS)
    info.mode = dice.randrange(0o10000)
    info.uid, info.gid = (dice.choice([0, 7, 2**21, 2**32 - 2]) for _ in range(2))
    info.mtime = dice.choice([0, 1, -(2**33), 2**33, dice.randrange(2**34)])
    if info.type == tarfile.SYMTYPE:
        info.linkname = "/".join(parts) * dice.randint(1, 3)
    body = dice.randbytes(dice.randrange(3000)) if info.type == tarfile.REGTYPE else b""
    info.size = len(body)
    return info, body


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reads_what_tarfile_writes(form: int) -> None:
    dice = tars.dice()
    out = io.BytesIO()
    kept = []
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for _ in range(1000):
            info, body = random_member(dice)
            try:
                archive.addfile(info, io.BytesIO(body))
            except ValueError:
                continue  # a name or number that USTAR cannot hold
            kept.append((info, body))
    found = tars.contents(out.getvalue())
    assert len(found) == len(kept) > 50
    for (entry, data), (info, body) in zip(found, kept, strict=True):
        assert entry.name == info.name.encode()
        assert entry.type == info.type
        assert (entry.mode, entry.uid, entry.gid) == (info.mode, info.uid, info.gid)
        assert entry.mtime == info.mtime * 1_000_000_000
        assert (entry.size, data) == (len(body), body)
        assert entry.link == info.linkname.encode()


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_reads_what_gnu_tar_writes(form: str, tmp_path: Path) -> None:
    deep = tmp_path / "in" / ("d" * 60)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"content")
    (deep / "hard").hardlink_to(deep / "file")
    (deep / "soft").symlink_to("file")
    if form != "v7":
        os.mkfifo(deep / "fifo")
    if form in ("oldgnu", "gnu", "posix"):
        (deep / ("n" * 120)).write_bytes(b"long")
        (deep / "far").symlink_to("t" * 150)
    command = ["tar", "-C", tmp_path / "in", f"--format={form}", "--sort=name", "-c", "."]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [
            (info.name, info.linkname, info.type.replace(b"\0", b"0"), int(info.mtime))
            for info in archive.getmembers()
        ]
    found = [
        (
            entry.name.decode(),
            entry.link.decode(),
            entry.type,
            entry.mtime // 1_000_000_000,
        )
        for entry in read(data)
    ]
    assert found == expected


@pytest.mark.parametrize(
    "options",
    [
        ["--format=oldgnu"],
        ["--format=gnu"],
        ["--format=posix", "--sparse-version=0.0"],
        ["--format=posix", "--sparse-version=0.1"],
        ["--format=posix", "--sparse-version=1.0"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("parts", [0, 1, 3, 60])
def test_sparse_files_of_gnu_tar(options: list[str], parts: int, tmp_path: Path) -> None:
    """60 parts need extension blocks in the old format, and several map blocks in 1.0."""
    size = 20_000_003
    body = bytearray(size)
    with open(tmp_path / ("sparse" + "x" * 100), "wb") as handle:
        for part in range(parts):
            handle.seek(part * 262144 + 4096)
            text = b"%d" % part * 3000
            handle.write(text)
            body[part * 262144 + 4096 : part * 262144 + 4096 + len(text)] = text
        handle.truncate(size)
    (tmp_path / "zlast").write_bytes(b"after it")
    command = ["tar", "-C", str(tmp_path), "--sparse", *options, "--sort=name", "-c", "."]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    reader = Reader(io.BytesIO(data))
    with open(tmp_path / "out", "w+b") as out:
        for entry in reader:
            if entry.name.startswith(b"./sparse"):
                assert entry.name == b"./sparse" + b"x" * 100
                assert entry.size == size
                assert entry.sparse is not None
                for offset, length in entry.sparse:
                    os.lseek(out.fileno(), offset, os.SEEK_SET)
                    reader.write_part(out.fileno(), length)
                os.ftruncate(out.fileno(), size)
                assert os.stat(out.fileno()).st_blocks * 512 < 60 * 40_000
        out.seek(0)
        assert out.read() == body
    last, content = tars.contents(data)[-1]
    assert (last.name, content) == (b"./zlast", b"after it")


# -- by hand -----------------------------------------------------------------------------------


def test_ustar_prefix() -> None:
    (entry,) = read(header(b"name", prefix=b"some/where") + END)
    assert entry.name == b"some/where/name"


def test_old_gnu_has_no_prefix() -> None:
    """There the bytes are times, which must not become a directory."""
    (entry,) = read(header(b"name", magic=b"ustar  \0", rest=b"14472370742\0") + END)
    assert entry.name == b"name"


def test_a_name_of_exactly_a_hundred_bytes() -> None:
    (entry,) = read(header(b"n" * 100) + END)
    assert entry.name == b"n" * 100


def test_v7_directories_and_files() -> None:
    a, b = read(header(b"d/", b"\0", magic=bytes(8)) + header(b"f", b"\0", magic=bytes(8)) + END)
    assert (a.name, a.type, b.name, b.type) == (b"d", tar.DIRECTORY, b"f", tar.FILE)


def test_gnu_long_names_and_links() -> None:
    data = gnu_long(b"l" * 3000) + gnu_long(b"n" * 2000, b"K") + symlink(b"cut", b"cut")
    (entry,) = read(data + END)
    assert (entry.name, entry.link) == (b"l" * 3000, b"n" * 2000)


def test_pax_overrides_only_the_next_entry() -> None:
    data = (
        pax(
            (b"path", b"p" * 300),
            (b"linkpath", b"elsewhere"),
            (b"uid", b"4294967294"),
            (b"gid", b"70000"),
            (b"mtime", b"1700000000.123456789"),
            (b"comment", b"two\nlines"),
            (b"SCHILY.xattr.user.a", b"\0=\n"),
        )
        + symlink(b"short", b"x", uid=1, gid=1)
        + file(b"next", b"abc")
    )
    first, second = read(data + END)
    assert (first.name, first.link) == (b"p" * 300, b"elsewhere")
    assert (first.uid, first.gid) == (4294967294, 70000)
    assert first.mtime == 1_700_000_000_123_456_789
    assert first.xattrs == [(b"user.a", b"\0=\n")]
    assert (second.name, second.uid, second.xattrs) == (b"next", 0, None)
    assert second.mtime == 1_700_000_000 * 10**9


def test_pax_size_beyond_the_field() -> None:
    data = pax((b"size", b"5")) + header(b"f", size=0) + padded(b"12345") + file(b"g")
    (first, body), (second, _) = tars.contents(data + END)
    assert (first.size, body, second.name) == (5, b"12345", b"g")


def test_pax_global_headers_last_until_overridden() -> None:
    data = (
        pax((b"uid", b"7"), (b"SCHILY.xattr.user.g", b"1"), kind=b"g")
        + file(b"a", b"1")
        + pax((b"uid", b"8"))
        + file(b"b")
        + pax((b"uid", b""), kind=b"g")
        + file(b"c", uid=9)
    )
    assert [(entry.uid, entry.xattrs) for entry in read(data + END)] == [
        (7, [(b"user.g", b"1")]),
        (8, [(b"user.g", b"1")]),
        (9, [(b"user.g", b"1")]),
    ]


@pytest.mark.parametrize(("text", "expected"), [(b"-1.5", -1_500_000_000), (b"0.0000000019", 1)])
def test_pax_times(text: bytes, expected: int) -> None:
    (entry,) = read(pax((b"mtime", text)) + file(b"f") + END)
    assert entry.mtime == expected


def test_base_256() -> None:
    (entry,) = read(header(b"f", uid=2**31, gid=2**32 - 2, mtime=-5) + END)
    assert (entry.uid, entry.gid, entry.mtime) == (2**31, 2**32 - 2, -5 * 10**9)


def test_signed_checksums_of_old_tars() -> None:
    (entry,) = read(header("ünïcödé".encode(), signed=True) + END)
    assert entry.name == "ünïcödé".encode()


def test_header_only_types_have_no_data() -> None:
    """POSIX lets a hard link repeat the size of its file; Go and tarfile ignore it too."""
    data = header(b"l", b"1", link=b"f", size=4000) + directory(b"d", size=7) + file(b"f", b"x")
    assert [entry.name for entry in read(data + END)] == [b"l", b"d", b"f"]


def test_devices_have_numbers() -> None:
    (entry,) = read(header(b"null", b"3", device=(1, 3)) + END)
    assert (entry.type, entry.major, entry.minor) == (tar.CHARACTER, 1, 3)


def test_what_follows_the_end_is_no_entry() -> None:
    data = file(b"a") + END + file(b"b")
    reader = Reader(io.BytesIO(data))
    assert [entry.name for entry in reader] == [b"a"]
    reader.drain()
    assert reader.bytes == len(data)


@pytest.mark.parametrize("data", [b"", END, bytes(512), bytes(10240)], ids=len)
def test_empty_archives(data: bytes) -> None:
    assert read(data) == []


def test_an_end_without_a_marker_is_an_end() -> None:
    assert len(read(file(b"a", b"1") + file(b"b"))) == 2


def test_entries_larger_than_the_buffer(tmp_path: Path) -> None:
    big = os.urandom(tar.BUFFER * 2 + 12345)
    data = file(b"a") + file(b"big", big) + file(b"b", b"after") + END
    reading, writing = os.pipe()

    def feed() -> None:
        os.close(reading)
        with open(writing, "wb") as pipe:
            pipe.write(data)

    feeder = in_child(feed)
    os.close(writing)
    reader = Reader(reading)
    with open(tmp_path / "out", "w+b") as out:
        for entry in reader:
            if entry.name == b"big":
                reader.write_to(out.fileno())
        out.seek(0)
        assert out.read() == big
    os.close(reading)
    assert end(feeder) == 0
    assert [name.name for name in read(data)] == [b"a", b"big", b"b"]


# -- hostile and damaged -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header(b"f", size_field=b"\xff" * 12), "'f': the size -1 is out of range"),
        (header(b"f", size_field=b"\x80" + b"\xff" * 11), "'f': the size .* out of range"),
        (header(b"f", size_field=b"-0000000005\0"), "'f': .*is not a number"),
        (header(b"f", size_field=b"99999999999\0"), "'f': invalid literal"),
        (header(b"f", uid=-1), "'f': an owner is negative"),
        (header(b""), "an entry has no name"),
        (header(b"f", b"M"), "type b'M'"),
        (header(b"f", b"?"), "type b'\\?'"),
        (pax((b"size", b"-5")) + file(b"f"), "'f': b'-5' is not a number"),
        (pax((b"size", b"9" * 19)) + file(b"f"), "'f': the size 9+ is out of range"),
        (pax((b"size", b"9" * 5000)) + file(b"f"), "not a number"),
        (pax((b"mtime", b"1" * 20)) + file(b"f"), "time"),
        (pax((b"mtime", b"nan")) + file(b"f"), "not a number"),
        (pax((b"path", b"a/" * 2048 + b"b")) + file(b"f"), "4097 bytes; the limit is 4095"),
        (gnu_long(b"x" * 5000) + file(b"f"), "5000 bytes"),
        (header(b"x", b"x", size=9) + padded(b"5 a=b\n7 c"), "a pax record"),
        (header(b"x", b"x", size=9) + padded(b"x a=b\n7 c"), "not a number"),
        (header(b"x", b"x", size=4) + padded(b"4 a\n"), "no key"),
        (header(b"x", b"x", size=2 << 20) + bytes(2 << 20), "extended headers of 2097152 bytes"),
        (header(b"x", b"L", size=1 << 40), "extended header"),
        (pax((b"uid", b"1")) + END, "ends after an extended header"),
        (bytes(512) + file(b"f"), "a header is empty"),
    ],
)
def test_damaged_headers_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(LayerError, match=message):
        read(file(b"before") + data + file(b"after") * (not data.endswith(END)) + END)


def test_what_is_no_archive() -> None:
    with pytest.raises(LayerError, match=r"^this is no tar archive$"):
        read(b"root:x:0:0:root:/root:/bin/sh\n" * 100)


def test_errors_name_the_entry() -> None:
    damaged = bytearray(file(b"second"))
    damaged[0] ^= 1
    with pytest.raises(LayerError, match=r"'first': .* checksum is wrong"):
        read(file(b"first", b"x") + bytes(damaged) + END)


def test_every_single_bit_of_a_header_is_covered_by_the_checksum() -> None:
    good = header(b"some/name", size=5)
    for byte in range(512):
        damaged = bytearray(good)
        damaged[byte] ^= 0x10
        if byte in range(148, 156):
            continue  # the checksum itself has fill bytes
        with pytest.raises(LayerError):
            read(bytes(damaged) + padded(b"12345") + END)


def test_cut_anywhere_it_is_an_error_or_less() -> None:
    """No cut makes an entry appear that is not in the whole, and none goes by inside data."""
    data = file(b"a", b"x" * 700) + gnu_long(b"l" * 120) + file(b"b", b"y") + symlink(b"c", b"a")
    whole = [entry.name for entry in read(data)]
    # Only the filling behind a file's data may be missing.
    boundaries = {0, 4096, *range(1212, 1537), *range(3073, 3585)}
    for cut in range(0, len(data), 64):
        try:
            found = [entry.name for entry in read(data[:cut])]
        except LayerError as error:
            assert cut not in boundaries
            assert "cut short" in error.message or "extended header" in error.message
        else:
            assert cut in boundaries
            assert found == whole[: len(found)]


@pytest.mark.parametrize(
    ("map_", "size"),
    [
        ([(0, 5), (3, 5)], 100),  # overlap
        ([(10, 5), (0, 5)], 100),  # backwards
        ([(0, 5), (98, 5)], 100),  # past the end
        ([(0, 5)], 100),  # fewer bytes than stored
        ([(0, 10), (10, 10)], 100),  # more
        ([(0, 5), (2**63 - 1, 5)], 2**63 - 1),
    ],
)
def test_sparse_maps_that_do_not_fit_are_refused(map_: list[tuple[int, int]], size: int) -> None:
    text = b",".join(b"%d,%d" % part for part in map_)
    data = pax((b"GNU.sparse.map", text), (b"GNU.sparse.size", b"%d" % size))
    with pytest.raises(LayerError, match="'f': the sparse map"):
        read(data + file(b"f", b"0123456789") + END)


@pytest.mark.parametrize("text", [b"", b"99999999\n", b"x\n", b"2\n0\n5\n", b"1" * 100])
def test_damaged_maps_in_the_data_are_refused(text: bytes) -> None:
    data = pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.realsize", b"100"))
    with pytest.raises(LayerError, match="'f'"):
        read(data + file(b"f", padded(text)) + file(b"g") + END)


def test_a_chain_of_extended_headers_is_bounded() -> None:
    chain = pax((b"comment", b"x" * 100_000)) * 12
    with pytest.raises(LayerError, match="extended header"):
        read(chain + file(b"f") + END)
    with pytest.raises(LayerError, match="extended header"):
        read(b"".join(pax((b"k%d" % n, b"x" * 100_000), kind=b"g") for n in range(12)) + END)


def test_limits() -> None:
    with pytest.raises(LayerError, match="'f2': the archive has more than 2 entries"):
        read(b"".join(file(b"f%d" % n) for n in range(4)) + END, Limits(entries=2))
    with pytest.raises(LayerError, match="'big': the archive is larger than 2000000 bytes"):
        list(Reader(io.BytesIO(file(b"big", bytes(3 << 20))), Limits(bytes=2_000_000)))


def test_a_huge_archive_needs_little_memory() -> None:
    """A hundred thousand entries pass without being kept."""
    data = io.BytesIO(file(b"some/file", b"x") * 100_000 + END)
    tracemalloc.start()
    try:
        assert sum(1 for _ in Reader(data)) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


SEEDS = [
    file(b"a", b"data") + directory(b"d") + link(b"l", b"a") + END,
    pax((b"path", b"long"), (b"size", b"3"), (b"SCHILY.xattr.user.x", b"y")) + file(b"f", b"abc"),
    gnu_long(b"g" * 200) + gnu_long(b"h" * 200, b"K") + symlink(b"s", b"t") + END,
    pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.realsize", b"9"))
    + file(b"f", padded(b"1\n0\n3\n") + b"abc")
    + END,
    header(b"s", b"S", size=3, magic=b"ustar  \0") + padded(b"abc"),
]


def test_no_damage_ends_in_anything_but_a_layer_error() -> None:
    """Mutated archives, checksums mended, so that the damage gets past them."""
    dice = tars.dice()
    for _ in range(3000):
        data = dice.choice(SEEDS)
        damaged = bytearray(data)
        for _ in range(dice.randint(1, 6)):
            damaged[dice.randrange(len(damaged))] = dice.choice([0, 0x20, 0x35, 0x80, 0xFF])
        for start in range(0, len(damaged), 512):
            block = damaged[start : start + 512]
            if data[start + 257 : start + 262] == b"ustar":
                total = 256 + sum(block[:148]) + sum(block[156:])
                damaged[start + 148 : start + 156] = b"%06o\0 " % total
        try:
            for entry, body in tars.contents(bytes(damaged)):
                assert entry.name
                assert len(body) <= len(damaged)
        except LayerError as error:
            assert error.message.startswith(("unpack ", "this is no tar archive"))


def test_an_archive_that_is_only_an_extended_header() -> None:
    with pytest.raises(LayerError, match=r"unpack the archive: .* ends after an extended header"):
        read(pax((b"uid", b"1")))
