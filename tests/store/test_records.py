"""Records that are there whole or not at all, and the locks beside them."""

from __future__ import annotations

import os
import resource
import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.errors import StoreError
from rootless.store import records
from tests.children import end, in_child

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(value=st.dictionaries(st.text(), VALUES, max_size=5), durable=st.booleans())
def test_what_is_written_is_read(
    value: dict[str, Any], durable: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = str(tmp_path_factory.mktemp("record"))
    records.write_record(directory, "x.json", value, durable=durable)
    assert records.read_record(f"{directory}/x.json") == value
    assert os.listdir(directory) == ["x.json"]


def test_large_record(tmp_path: Path) -> None:
    value = {"long": "x" * 300000, "end": True}
    records.write_record(str(tmp_path), "x.json", value)
    assert records.read_record(f"{tmp_path}/x.json") == value


def test_missing_record(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        records.read_record(f"{tmp_path}/x.json")


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"nul", b"\xff\xff", b"{}{}", b'{"a":1}x'])
def test_damaged_record(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "x.json").write_bytes(text)
    with pytest.raises(StoreError, match="damaged record"):
        records.read_record(f"{tmp_path}/x.json")


def test_unreadable_record(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(StoreError, match="cannot read"):
        records.read_record(f"{tmp_path}/x.json")


def test_full_disk_keeps_the_old_record(tmp_path: Path) -> None:
    records.write_record(str(tmp_path), "x.json", {"old": True})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        with pytest.raises(StoreError, match="cannot write"):
            records.write_record(str(tmp_path), "x.json", {"new": "x" * 1000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert records.read_record(f"{tmp_path}/x.json") == {"old": True}
    assert os.listdir(tmp_path) == ["x.json"]


def test_lock(tmp_path: Path) -> None:
    first = records.lock(str(tmp_path))
    assert first is not None
    assert records.lock(str(tmp_path), wait=False) is None
    os.close(first)
    shared = [records.lock(str(tmp_path), shared=True, wait=False) for _ in range(2)]
    assert records.lock(str(tmp_path), wait=False) is None
    for fd in shared:
        assert fd is not None
        os.close(fd)
    with pytest.raises(FileNotFoundError):
        records.lock(f"{tmp_path}/nothing")


def test_life_lock(tmp_path: Path) -> None:
    path = f"{tmp_path}/alive"
    assert not records.is_claimed(path)
    held = records.claim(path)
    assert held is not None
    assert records.is_claimed(path)
    assert records.claim(path) is None
    os.close(held)
    assert not records.is_claimed(path)


def test_life_lock_is_kept_by_a_fork_and_awaited(tmp_path: Path) -> None:
    """Asking does not disturb, waiting takes nothing, and the last process frees it."""
    path = f"{tmp_path}/alive"
    held = records.claim(path)
    assert held is not None
    read, write = os.pipe()
    pid = in_child(lambda: (os.close(write), os.read(read, 1)))
    os.close(held)
    os.close(read)
    assert records.is_claimed(path)
    os.close(write)
    opened = os.open(path, os.O_RDONLY)
    records.await_release(opened)
    assert not records.is_claimed(path)
    again = records.claim(path)  # although somebody still has it open
    assert again is not None
    os.close(again)
    os.close(opened)
    assert end(pid) == 0


def test_a_record_written_over_takes_no_room(tmp_path: Path) -> None:
    records.write_record(str(tmp_path), "a.json", {"status": "starting", "more": "x" * 100})
    with open(tmp_path / "a.json") as held:  # so its inode number is nobody else's
        before = os.fstat(held.fileno())
        records.overwrite_record(str(tmp_path), "a.json", {"status": "healthy"})
        after = (tmp_path / "a.json").stat()
    assert records.read_record(str(tmp_path / "a.json")) == {"status": "healthy"}
    assert (before.st_ino, before.st_size) == (after.st_ino, after.st_size)
    with pytest.raises(FileNotFoundError):
        records.overwrite_record(str(tmp_path), "b.json", {})
