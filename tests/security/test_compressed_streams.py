"""Compressed streams cost time and memory in proportion to their length, whatever they say.

The attacks: a layer of more gzip members than Python may call functions in each other, members too
small to be worth a call, and headers that ask for gigabytes of memory.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from archives import Oci, config, layer

from rootless.oci.errors import ImageError
from rootless.oci.layers.compression import decompress

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Store

pytestmark = pytest.mark.once

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
EACH = pytest.mark.parametrize("name", COMPRESSORS)


def unpacked(data: bytes, size: int = 1 << 18) -> bytes:
    stream = decompress(io.BytesIO(data), name="blob")
    return b"".join(iter(lambda: stream.read(size), b""))


@EACH
@pytest.mark.parametrize("content", [b"", b"x", b"four hundred " * 31])
def test_any_number_of_members(name: str, content: bytes) -> None:
    """As bgzip and eStargz write them, a few of which are empty; and tiny ones, made to be slow."""
    one = COMPRESSORS[name](content)
    assert unpacked(one * 20_000) == content * 20_000
    mixed = COMPRESSORS[name](b"") * 3 + one
    assert unpacked(mixed * 500, size=100) == content * 500


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_zeros_between_and_after_members(name: str) -> None:
    one = COMPRESSORS[name](b"x")
    assert unpacked((one + bytes(4)) * 5_000 + bytes(1 << 20)) == b"x" * 5_000
    assert unpacked(one + bytes(1 << 20) + one) == b"xx"
    with pytest.raises(ImageError, match=f"blob: {name}: garbage after the last member"):
        unpacked(one * 5_000 + b"garbage")
    with pytest.raises(ImageError, match=f"blob: {name}"):
        unpacked(one * 5_000 + one[:-3])


def huge_xz(data: bytes) -> bytes:
    """The same as `xz -9 --lzma2=dict=3GiB` says it: the size is a byte of the block's header."""
    packed = bytearray(lzma.compress(data, preset=0))
    size = 4 * (packed[12] + 1)  # xz-file-format.txt, 3.1
    assert packed[14:16] == b"\x21\x01"  # LZMA2 and one byte of properties
    packed[16] = 39
    end = 12 + size - 4
    packed[end : end + 4] = zlib.crc32(packed[12:end]).to_bytes(4, "little")
    return bytes(packed)


def huge_zstd(data: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
    machine = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return machine.compress(data) + machine.flush()


HUGE = {"xz": huge_xz, "zstd": huge_zstd}

MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
print(done.stderr)
"""


@pytest.mark.parametrize(("name", "whole"), [("xz", False), ("zstd", False), ("xz", True)])
def test_a_header_that_asks_for_gigabytes(cli: Store, name: str, *, whole: bool) -> None:
    """A few kilobytes that would take as much memory as they unfold to: a layer, or the archive."""
    tree = layer({"zeros": bytes(220 << 20)})
    oci = Oci()
    packed = tree if whole else HUGE[name](tree)
    kind = "application/vnd.oci.image.layer.v1.tar"
    oci.name(oci.manifest([packed], config(tree), kind=kind), "zeros:1")
    archive = Path(cli.directory, "zeros.tar")
    archive.write_bytes(HUGE[name](oci.archive()) if whole else oci.archive())
    assert archive.stat().st_size < 1 << 20
    shown = subprocess.run(
        [sys.executable, "-c", MEASURED, *cli.command, "load", "-i", str(archive)],
        env=cli.env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (code, mebibytes), said = map(int, shown.split()[:2]), shown.partition("\n")[2]
    assert code == 1
    assert f"{name}: it needs more than the 128 MiB of memory it may have" in said
    assert mebibytes < 150


@pytest.mark.parametrize("name", ["xz", "zstd"])
def test_what_the_tools_make_by_default_is_read(name: str) -> None:
    data = b"0123456789" * 100_000
    if name == "xz":
        assert unpacked(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)) == data
    else:
        parameters = zstandard.ZstdCompressionParameters(window_log=27)
        assert (
            unpacked(zstandard.ZstdCompressor(compression_params=parameters).compress(data)) == data
        )


def test_a_layer_of_many_members_is_loaded(cli: Store) -> None:
    tree = layer({f"file{n}": b"x" * 100 for n in range(1500)})
    packed = b"".join(gzip.compress(tree[at : at + 1024], 1) for at in range(0, len(tree), 1024))
    oci = Oci()
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    oci.name(oci.manifest([packed], config(tree), kind=kind), "members:1")
    Path(cli.directory, "members.tar").write_bytes(oci.archive())
    assert "members:1" in cli.ok("load", "-i", f"{cli.directory}/members.tar")
    (record,) = Path(cli.root, "layers").glob("*/layer.json")
    assert json.loads(record.read_text())["entries"] == 1500
