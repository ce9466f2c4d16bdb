"""Time one layer's way to disk, on a tmpfs: GNU tar, ours, tarfile, in turn; ratios of medians.

    python bench/bench_unpack.py [ARCHIVE] [ROUNDS]

ARCHIVE is an uncompressed tar, by default /tmp/debian.tar, made with mmdebstrap where it is
missing. Every extraction is a process of its own with the archive in the page cache; ours and
tarfile are forked from here, so GNU tar alone pays for the start of a program (about 1 ms). What
is written is removed before the next turn.
"""

from __future__ import annotations

import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from typing import TYPE_CHECKING

from rootless.oci.digest import Digest, Hasher, Verifier
from rootless.oci.layers import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

SHM = "/dev/shm"
OWNERS = "chown" if os.geteuid() == 0 else "record"


def forked(function: Callable[[], object]) -> None:
    """Run a function in a child, as the engine's extracting side runs."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - it is shown, and must not return into the parent
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("a run failed")


def gnu_tar(archive: str, place: str) -> None:
    # Only root makes the devices; for others it complains about them at the end.
    command = ["tar", "--numeric-owner", "-xpf", archive, "-C", place]
    subprocess.run(command, check=os.geteuid() == 0, stderr=subprocess.DEVNULL)


def ours(archive: str, place: str) -> None:
    def work() -> None:
        with open(archive, "rb", buffering=0) as file:
            unpack.extract_fd(file.fileno(), place, owners=OWNERS)

    forked(work)


def python_tarfile(archive: str, place: str) -> None:
    def work() -> None:
        with tarfile.open(archive, errorlevel=0) as file:
            file.extraction_filter = staticmethod(lambda member, _: member)  # type: ignore[assignment]
            file.extractall(place)

    forked(work)


def pipeline(blob: str, place: str, digest: Digest) -> None:
    """Verify, decompress, hash and feed on this side, extract on the other."""
    reading, writing = os.pipe()
    unpack.widen(writing)
    pid = os.fork()
    if pid == 0:
        try:
            os.close(writing)
            unpack.extract_fd(reading, place, owners=OWNERS)
        finally:
            os._exit(0)
    os.close(reading)
    with open(blob, "rb", buffering=0) as file:
        unpack.feed(Verifier(file, digest), writing)
    os.close(writing)
    os.waitpid(pid, 0)


def digest_of(path: str) -> Digest:
    hasher = Hasher()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            hasher.update(data)
    return hasher.digest


def compressed(archive: str, target: str) -> None:
    with open(archive, "rb") as source, gzip.open(target, "wb", compresslevel=6) as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


def timed(function: Callable[[str], None]) -> float:
    place = tempfile.mkdtemp(prefix="unpack-", dir=SHM)
    try:
        start = time.perf_counter()
        function(place)
        return time.perf_counter() - start
    finally:
        subprocess.run(["rm", "-rf", place], check=True)


def main() -> None:
    archive = sys.argv[1] if len(sys.argv) > 1 else "/tmp/debian.tar"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    if not os.path.exists(archive):
        subprocess.run(["mmdebstrap", "--variant=minbase", "bookworm", archive], check=True)
    with tempfile.NamedTemporaryFile(suffix=".gz", dir=SHM) as packed:
        compressed(archive, packed.name)
        digest = digest_of(packed.name)
        runs: dict[str, Callable[[str], None]] = {
            "GNU tar": lambda place: gnu_tar(archive, place),
            "ours": lambda place: ours(archive, place),
            "tarfile": lambda place: python_tarfile(archive, place),
            "ours, from gzip, digests verified": lambda place: pipeline(packed.name, place, digest),
        }
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                times[name].append(timed(run))
    base = statistics.median(times["GNU tar"])
    print(f"{archive}, {os.path.getsize(archive) / 1e6:.0f} MB, {rounds} rounds on {SHM}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:34} {median * 1000:7.0f} ms   {median / base:5.2f} x GNU tar")


if __name__ == "__main__":
    main()
