"""What tells of long work on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import time
from typing import TYPE_CHECKING

import pytest

from rootless.cli import progress

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once


def test_speed_is_of_what_has_moved(capsys: pytest.CaptureFixture[str]) -> None:
    """What was there already has none."""
    bars = progress.Bars()
    for key in ("moved", "there"):
        bars.begin(key, f"layer {key}", 3_000_000)
    for _ in range(3):
        bars.advance("moved", 1_000_000)
        time.sleep(0.05)
    bars.end("moved", "pulled")
    bars.end("there", "exists")
    bars.close()
    *_, moved, there = (line for line in capsys.readouterr().err.splitlines() if "layer" in line)
    assert "3.0/3.0 MB" in moved
    assert "MB/s" in moved
    assert "3.0/3.0 MB" in there
    assert "/s" not in there


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (("rmi", "busybox"), "removing busybox ..."),
        (("image", "prune", "-af"), "removing images ..."),
    ],
)
def test_a_removal_that_lasts_is_told_of(busybox: Store, line: tuple[str, ...], told: str) -> None:
    """It waits for the lock of the images, and is told of on a terminal alone."""
    ours, theirs = pty.openpty()
    lock = os.open(f"{busybox.root}/images/oci-layout", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = busybox.start(*line, stderr=theirs)
    os.close(theirs)
    assert os.read(ours, 1000).decode().strip() == told
    os.close(lock)
    assert "eleted: sha256:" in process.communicate(timeout=30)[0]
    assert process.returncode == 0
    os.close(ours)


def test_a_pipe_is_not_told(busybox: Store) -> None:
    lock = os.open(f"{busybox.root}/images/oci-layout", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = busybox.start("rmi", "busybox")
    time.sleep(2)
    os.close(lock)
    assert process.communicate(timeout=30)[1] == ""
