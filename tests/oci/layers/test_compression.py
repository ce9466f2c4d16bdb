"""Compressed streams are told by their bytes, read whole or refused, and bounded in memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import subprocess
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import zstandard

from rootless.oci.errors import ImageError
from rootless.oci.layers.compression import compression_of, decompress

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.once

DATA = random.Random(7).randbytes(300_000) + b"repeat " * 200_000
SKIPPABLE = b"\x53\x2a\x4d\x18\x05\x00\x00\x00hello"

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def unpacked(data: bytes, size: int = 1 << 16) -> bytes:
    stream = decompress(io.BytesIO(data), name="blob")
    return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("name", COMPRESSORS)
def test_all_kinds_are_told_and_undone(name: str) -> None:
    packed = COMPRESSORS[name](DATA)
    assert compression_of(packed[:6]) == name
    assert unpacked(packed) == DATA
    assert unpacked(packed, 7000) == DATA


@pytest.mark.parametrize("name", [name for name in COMPRESSORS if name != "none"])
def test_several_frames_are_one_stream(name: str) -> None:
    compress = COMPRESSORS[name]
    assert unpacked(compress(DATA) + compress(b"") + compress(b"second")) == DATA + b"second"


@pytest.mark.parametrize("name", COMPRESSORS)
def test_nothing_at_all_is_an_empty_stream(name: str) -> None:
    assert unpacked(COMPRESSORS[name](b"")) == b""


def test_gzip_as_other_tools_write_it() -> None:
    """pigz and bgzip write members, `gzip -n` no name, tape writers zeros at the end."""
    tool = subprocess.run(["gzip", "-9"], input=DATA, capture_output=True, check=True).stdout
    assert unpacked(tool + bytes(10_000)) == DATA
    assert unpacked(tool + bytes(3) + tool) == DATA * 2


@pytest.mark.needs("zstd")
def test_zstd_as_its_tool_writes_it() -> None:
    tool = subprocess.run(["zstd", "-3", "--long"], input=DATA, capture_output=True, check=True)
    assert unpacked(tool.stdout) == DATA
    assert unpacked(SKIPPABLE + tool.stdout) == DATA


def test_gzip_garbage_after_the_last_member_is_refused() -> None:
    with pytest.raises(ImageError, match="blob: gzip: garbage"):
        unpacked(gzip.compress(DATA) + b"garbage")


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("keep", [0.3, 0.9999])
def test_a_stream_that_ends_early_is_refused(name: str, keep: float) -> None:
    packed = COMPRESSORS[name](DATA)
    with pytest.raises(ImageError, match=f"decompress blob: {name}"):
        unpacked(packed[: int(len(packed) * keep)])


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
def test_damage_is_refused(name: str) -> None:
    packed = bytearray(COMPRESSORS[name](DATA))
    if name == "zstd":  # its compress() writes no checksum
        packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(DATA))
    packed[len(packed) // 2] ^= 0x55
    with pytest.raises(ImageError, match=f"decompress blob: {name}"):
        unpacked(bytes(packed))


def test_a_wrong_gzip_checksum_is_refused() -> None:
    packed = bytearray(gzip.compress(DATA))
    packed[-8] ^= 1
    with pytest.raises(ImageError):
        unpacked(bytes(packed))


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
def test_a_bomb_is_read_in_small_pieces(name: str) -> None:
    """256 MiB of zeros: no piece is longer than asked for, no more is held at once."""
    bomb = COMPRESSORS[name](bytes(64 << 20)) * 4
    stream = decompress(io.BytesIO(bomb), name="bomb")
    tracemalloc.start()
    try:
        total = 0
        while data := stream.read(1 << 18):
            assert len(data) <= 1 << 18
            total += len(data)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert total == 256 << 20


def test_a_zstd_window_beyond_reason_is_refused() -> None:
    """A frame header that asks for 2 GiB of memory."""
    parameters = zstandard.ZstdCompressionParameters(window_log=30, compression_level=1)
    machine = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = machine.compress(DATA) + machine.flush()
    with pytest.raises(ImageError, match="zstd"):
        unpacked(packed)


def test_descriptors_and_short_reads() -> None:
    reading, writing = os.pipe()
    packed = gzip.compress(b"through a pipe" * 100)
    for part in (packed[:1], packed[1:4], packed[4:]):
        os.write(writing, part)
    os.close(writing)
    stream = decompress(reading)
    try:
        assert b"".join(iter(lambda: stream.read(10), b"")) == b"through a pipe" * 100
    finally:
        os.close(reading)
