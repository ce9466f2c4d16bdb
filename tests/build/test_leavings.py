"""Whatever of a build is killed, at whatever moment: the next one cleans up, and is right."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built import Built, lay

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from conftest import Store

pytestmark = pytest.mark.each

TEXT = (
    "FROM busybox AS one\nCOPY d /d\nRUN --mount=type=cache,target=/k echo 1 >> /k/n; echo 1 > /1\n"
    "FROM busybox AS two\nRUN --mount=type=secret,id=s --mount=target=/c cat /c/d/a > /2\n"
    "RUN <<E\n#!/bin/sh\nsleep 0.3; echo 3 > /3\nE\n"
    "FROM busybox\nCOPY --from=one /d /1 /o/\nCOPY --from=two /2 /3 /o/\nRUN ls /o > /l\n"
)
FILES = {"d/a": "A", ".dockerignore": "hidden\n", "hidden": "", "s": "verysecret"}


def processes(store: Store) -> dict[int, str]:
    """The processes that have to do with a store, each with its command line."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            mounted = Path(f"/proc/{pid}/mountinfo").read_bytes()
        except OSError:
            continue
        root = os.fsencode(store.root)
        if root in environment or root in line or root in mounted:
            found[int(pid)] = line.replace(b"\0", b" ").decode("latin-1")
    return found


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def below(pid: int, store: Store) -> Iterator[int]:
    """Yield what a process has started, and what that has started."""
    parents = {one: parent(one) for one in processes(store)}
    known = {pid}
    while new := {one for one, above in parents.items() if above in known} - known:
        known |= new
        yield from new


def left(store: Store) -> list[str]:
    """What is there of builds that are over."""
    builds = Path(store.root, "builds")
    found = [
        str(path)
        for name in ("running", "containers", "veils", "gone", "held")
        for path in builds.glob(f"{name}/*")
        if path.name != ".names"
    ]
    found += map(str, builds.glob("containers/.names/*"))
    found += map(str, builds.glob("mounts/*/new-*"))
    found += map(str, builds.glob("layers/*.*"))
    found += map(str, builds.glob("results/*/*.*"))
    found += map(str, Path(store.runtime).rglob("build-*"))
    found += map(str, Path(store.root).glob("*/.work-*"))
    return found


def build(store: Store, directory: Path) -> subprocess.Popen[str]:
    secret = f"id=s,src={directory}/s"
    return store.start("build", "-t", "t", "--jobs", "2", "--secret", secret, str(directory))


def end(store: Store, directory: Path) -> None:
    """Build once more, and look whether all is as it should be."""
    with build(store, directory) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    files = Built(store, "t:latest").files(1)
    assert {name: files[name] for name in ("o/a", "o/1", "o/2", "o/3")} == {
        "o/a": "file 644 0:0 A",
        "o/1": "file 644 0:0 1\\n",
        "o/2": "file 644 0:0 A",
        "o/3": "file 644 0:0 3\\n",
    }
    assert left(store) == []
    deadline = time.monotonic() + 30
    while there := processes(store):  # what writes layers out takes a moment
        assert time.monotonic() < deadline, there
        time.sleep(0.05)


def killed(store: Store, directory: Path, dice: random.Random, *, itself: bool) -> None:
    """Let a build begin, and kill it `itself`, or one of all that it has started."""
    with build(store, directory) as process:
        time.sleep(dice.random() * 1.5)
        victims = [process.pid, *([] if itself else below(process.pid, store))]
        try:
            os.kill(dice.choice(victims), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was over
        process.communicate(timeout=120)


def test_killed_at_any_moment(busybox: Store, tmp_path: Path, seed: int) -> None:
    lay(tmp_path, {**FILES, "Dockerfile": TEXT})
    dice = random.Random(seed)
    print("seed", seed)
    for number in range(4):
        killed(busybox, tmp_path, dice, itself=number % 2 == 0)
        lay(tmp_path, {"hidden": str(number)})
        end(busybox, tmp_path)
        busybox.ok("builder", "prune", "-af")


def test_killed_while_a_cache_comes_or_goes(busybox: Store, tmp_path: Path, seed: int) -> None:
    """With what a cache mount has; the cache is whole after each, and so is the store."""
    cache = tmp_path / "cache"
    lay(tmp_path / "c", {**FILES, "Dockerfile": TEXT})
    to = f"--cache-to=type=local,dest={cache},mode=max,mounts=true"
    by = f"--cache-from=type=local,src={cache}"
    words = ["build", "-t", "t", "--secret", f"id=s,src={tmp_path}/c/s", str(tmp_path / "c")]
    busybox.ok(*words, to)
    dice = random.Random(seed)
    print("seed", seed)
    for _ in range(4):
        busybox.ok("rmi", "t")
        busybox.ok("builder", "prune", "-af")
        with busybox.start(*words, by, to) as process:
            time.sleep(dice.random())
            os.kill(dice.choice([process.pid, *below(process.pid, busybox)]), signal.SIGKILL)
            process.communicate(timeout=120)
        end(busybox, tmp_path / "c")
        busybox.ok("rmi", "t")
        busybox.ok("builder", "prune", "-af")
        assert busybox(*words, by, to).stderr.count("CACHED") == 7
        assert not [name for name in os.listdir(cache) if name.startswith(".")]
        assert left(busybox) == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_fifty_times(busybox: Store, tmp_path: Path, seed: int) -> None:
    lay(tmp_path, {**FILES, "Dockerfile": TEXT})
    dice = random.Random(seed)
    print("seed", seed)
    for number in range(50):
        killed(busybox, tmp_path, dice, itself=number % 4 == 0)
        end(busybox, tmp_path)
        busybox.ok("builder", "prune", "-af")


def test_two_at_once_share_and_spoil_nothing(busybox: Store, tmp_path: Path) -> None:
    lay(tmp_path, {**FILES, "Dockerfile": TEXT})
    both = [build(busybox, tmp_path) for _ in range(2)]
    for one in both:
        _, errors = one.communicate(timeout=120)
        assert one.returncode == 0, errors
    end(busybox, tmp_path)
    results = Path(busybox.root, "builds/results")
    # What the slower one has made is not gone on with, though it is younger.
    # Of the others two are digests of what is copied from a stage.
    assert sum(path.is_file() for path in results.rglob("*")) == 7 + 2
