"""Pulls over a bad line: what has come is not fetched again, and nothing wrong is ever kept."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import archives
import pytest
from faulty import FAULTS, Line
from images_help import leavings, skopeo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = [pytest.mark.needs("skopeo", "docker-registry"), pytest.mark.once]

LAYERS, SIZE = 3, 1_500_000


@pytest.fixture
def line(registry: str, tmp_path: Path) -> Iterator[Line]:
    """A line to a registry with the image `big:1`, whose layers cannot be compressed."""
    layers = [archives.layer({f"f{n}": os.urandom(SIZE)}) for n in range(LAYERS)]
    (tmp_path / "big.tar").write_bytes(archives.docker(layers, names=["big:1"]))
    push = ("copy", "-q", "--dest-tls-verify=false", f"docker-archive:{tmp_path}/big.tar")
    skopeo(*push, f"docker://{registry}/big:1")
    made = Line(registry)
    yield made
    made.close()


def partial(store: Store) -> list[Path]:
    directory = Path(store.root, "images", "partial")
    return sorted(directory.iterdir()) if directory.exists() else []


def total(store: Store) -> int:
    return sum(one.stat().st_size for one in partial(store))


def cut_once(line: Line, then: str) -> None:
    """Let each layer be cut in its middle; what comes after that meets the fault `then`."""
    seen: list[str] = []

    def fault(path: str) -> str:
        if "/blobs/" not in path:
            return ""
        first = path not in seen
        seen.append(path)
        if path == seen[0]:
            return ""  # the configuration
        return "cut" if first else then

    line.fault = fault


def test_a_cut_transfer_goes_on(cli: Store, line: Line) -> None:
    cut_once(line, "")
    cli.ok("pull", "-q", f"{line.address}/big:1")
    assert LAYERS * SIZE <= line.sent < LAYERS * SIZE * 1.1
    assert partial(cli) == []


def test_a_later_command_goes_on(cli: Store, line: Line) -> None:
    line.pace = 0.02
    pulling = cli.start("pull", "-q", f"{line.address}/big:1")
    deadline = time.monotonic() + 30
    while line.sent < 2 * SIZE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pulling.send_signal(signal.SIGINT)
    pulling.communicate(timeout=20)
    kept = total(cli)
    assert kept > SIZE
    line.sent = 0
    cli.ok("pull", "-q", f"{line.address}/big:1")
    assert line.sent < LAYERS * SIZE * 1.1 - kept
    assert partial(cli) == []
    assert leavings(cli.root) == []


def test_a_repair_goes_on(cli: Store, line: Line) -> None:
    """Where the line is cut, and where a server is busy for a moment."""
    cli.ok("pull", "-q", f"{line.address}/big:1")
    blobs = Path(cli.root, "images/blobs/sha256")
    layer = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    left: list[str] = []
    line.fault = lambda path: left.pop() if "/blobs/" in path and left else ""
    for fault in ("cut", "busy"):
        whole = layer.read_bytes()
        layer.chmod(0o644)
        layer.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        line.sent = 0
        left.append(fault)
        assert cli.ok("system", "check", "--repair").startswith("repaired: ")
        assert layer.read_bytes() == whole
        assert line.sent < SIZE * 1.1
    assert partial(cli) == []
    assert leavings(cli.root) == []


def killed(cli: Store, line: Line, times: int, source: random.Random) -> None:
    """Kill so many pulls; the one that follows fetches only the rest."""
    line.pace = 0.01
    for _ in range(times):
        pulling = cli.start("pull", "-q", f"{line.address}/big:1")
        time.sleep(source.uniform(0.1, 0.5))
        pulling.kill()
        pulling.communicate(timeout=20)
        if cli("images", "-q").stdout:
            break  # it was quicker
    line.pace = 0
    cli.ok("pull", "-q", f"{line.address}/big:1")
    # What was under way to a process that was killed is lost: some pieces each time.
    assert line.sent < LAYERS * SIZE + times * LAYERS * 4 * 65536
    assert partial(cli) == []
    assert leavings(cli.root) == []
    cli.ok("save", "-o", f"{cli.directory}/x.tar", f"{line.address}/big:1")


def test_killed_pulls(cli: Store, line: Line, seed: int) -> None:
    killed(cli, line, 5, random.Random(seed))


@pytest.mark.soak
def test_fifty_killed_pulls(cli: Store, line: Line, seed: int) -> None:
    print(f"seed {seed}")
    killed(cli, line, 50, random.Random(seed))


def test_what_a_power_cut_has_spoilt(cli: Store, line: Line) -> None:
    """A partial blob of zeros, of the right size and of another: fetched anew."""
    cli.ok("pull", "-q", f"{line.address}/big:1")
    cli.ok("rmi", f"{line.address}/big:1")
    directory = Path(cli.root, "images", "partial")
    cut_once(line, "gone")
    assert cli("pull", "-q", f"{line.address}/big:1").returncode == 1
    spoilt = 0
    for one in directory.iterdir():
        if one.stat().st_size:
            one.write_bytes(bytes(one.stat().st_size))
            spoilt += 1
    assert spoilt
    line.fault = lambda _path: ""
    cli.ok("pull", "-q", f"{line.address}/big:1")
    assert partial(cli) == []


def test_a_registry_without_ranges(cli: Store, line: Line) -> None:
    cut_once(line, "no-range")
    cli.ok("pull", "-q", f"{line.address}/big:1")
    assert partial(cli) == []


def test_old_ones_go(cli: Store, line: Line) -> None:
    directory = Path(cli.root, "images", "partial")
    directory.mkdir(parents=True)
    (directory / "sha256-old").write_bytes(b"x")
    (directory / "sha256-new").write_bytes(b"x")
    os.utime(directory / "sha256-old", (0, 0))
    cli("pull", "-q", f"{line.address}/nothing:1")
    assert [one.name for one in partial(cli)] == ["sha256-new"]


def faults(cli: Store, line: Line, count: int, source: random.Random) -> None:
    """Each pull meets faults of all kinds; it ends in the right image, or in words."""
    line.fault = lambda _path: source.choice(FAULTS) if source.random() < 0.3 else ""
    right = ""
    for _ in range(count):
        done = cli("pull", "-q", f"{line.address}/big:1", timeout=120)
        if done.returncode == 0:
            right = right or done.stdout
            assert done.stdout == right
            cli.ok("save", "-o", f"{cli.directory}/x.tar", f"{line.address}/big:1")
            cli.ok("rmi", f"{line.address}/big:1")
        else:
            assert done.returncode == 1
            assert done.stderr.startswith("Error: ")
            assert "Traceback" not in done.stderr
            assert cli.ok("images", "-q") == ""
        assert leavings(cli.root) == []


def test_faults(cli: Store, line: Line, seed: int) -> None:
    faults(cli, line, 6, random.Random(seed))


@pytest.mark.soak
def test_three_hundred_faults(cli: Store, line: Line, seed: int) -> None:
    print(f"seed {seed}")
    faults(cli, line, 300, random.Random(seed))
