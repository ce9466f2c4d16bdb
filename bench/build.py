"""Builds beside buildah's: the same Dockerfiles and contexts, in turn, in the engines' own stores.

buildah works in podman's store, with layers and the isolation `chroot`, which starts no container:
its fastest.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    import peers

Builds = tuple[Callable[[], object], Callable[[], object]]
"""One build by ours and by theirs."""

BASE = "localhost/busybox:bench"


class Pair:
    """Both engines, with a base image, and a directory for contexts."""

    def __init__(self, ours: peers.Engine, theirs: peers.Podman, work: Path) -> None:
        images.need("buildah")
        self.ours = ours
        self.env = theirs.env
        places = theirs.command[1:5]  # --root and --runroot with their values
        self.peaks: dict[str, float] = {}
        """MB of the largest process of any build, by the engine's name, shared pages included."""
        self.buildah = ["buildah", *places, "--storage-driver=overlay"]
        self.work = work
        for engine in (ours, theirs):
            engine("tag", "busybox", BASE)

    def context(self, name: str, dockerfile: str) -> Path:
        """Return a new directory with a Dockerfile."""
        directory = Path(tempfile.mkdtemp(prefix=f"context-{name}-", dir=self.work))
        (directory / "Dockerfile").write_text(dockerfile)
        return directory

    def cold(self, context: Path, *words: str, jobs: int = 0) -> Builds:
        """Return what builds a context that is new to both, each time."""
        ours, theirs = self.builds(context, "--no-cache", *words, jobs=jobs)
        return Cold(ours, context), Cold(theirs, context)

    def builds(self, context: Path, *words: str, jobs: int = 0) -> Builds:
        """Return what builds a context, by each."""
        if jobs:
            words += (f"--jobs={jobs}",)
        ours = self.ours.argv("build", "-q", *words, "-t", "b", str(context))
        how = ["build", "-q", "--layers", "--isolation=chroot", *words, "-t", "b"]
        return self._run(ours, self.ours.env), self._run(
            [*self.buildah, *how, str(context)], self.env
        )

    def _run(self, argv: list[str], env: dict[str, str]) -> Callable[[], object]:
        name = os.path.basename(argv[0])

        def work() -> None:
            with tempfile.TemporaryFile() as said:
                done = subprocess.Popen(
                    argv, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said
                )
                _, status, usage = os.wait4(done.pid, 0)
                done.returncode = os.waitstatus_to_exitcode(status)
                if done.returncode:
                    said.seek(0)
                    text = said.read().decode("utf-8", "replace")
                    raise SystemExit(f"{' '.join(argv)}: {text}")
            # Of the process and of all whose ends it, and they, have waited for (getrusage(2)).
            self.peaks[name] = max(self.peaks.get(name, 0), usage.ru_maxrss / 1024)

        return work

    def weighed(self) -> str:
        """Say how large the largest processes were."""
        found = (f"{name} {peak:.0f}" for name, peak in sorted(self.peaks.items()))
        return f"largest process, MB: {', '.join(found)}"


class Cold:
    """A build of a context that neither engine has seen, each time it is called.

    `--no-cache` alone leaves them something: the digests of files whose times they know, and
    layers that came out the same. So before each build files get other times, and a file is new.
    Nothing is deleted (see Bench.fresh).
    """

    def __init__(self, build: Callable[[], object], context: Path) -> None:
        self._build = build
        self._context = context

    def __call__(self) -> None:
        """Build it."""
        self._build()

    def prepare(self) -> None:
        """Make the context new."""
        now = time.time_ns() - 10**9  # what was written just now is a case of its own
        for place, _, names in os.walk(self._context):
            for name in names:
                os.utime(f"{place}/{name}", ns=(now, now))
        (self._context / "new").write_bytes(os.urandom(16))


def example(pair: Pair) -> Builds:
    """The Python application of the README, upon a Debian, whose packages come by apt."""
    text = (
        "FROM debian:bench\nRUN apt-get update && apt-get install -y python3\n"
        'COPY app.py /app/\nWORKDIR /app\nCMD ["python3", "app.py"]\n'
    )
    context = pair.context("example", text)
    (context / "app.py").write_text("print('hello')\n")
    return pair.cold(context)


def thirty(pair: Pair, *, cold: bool = False) -> Builds:
    """Thirty instructions, a third of them each ENV, COPY and RUN."""
    lines = [f"FROM {BASE}"]
    for number in range(10):
        lines += [f"ENV A{number}={number}", f"COPY f{number} /data/", f"RUN echo {number} > /r"]
    context = pair.context(f"thirty{cold:d}", "\n".join(lines) + "\n")
    for number in range(10):
        (context / f"f{number}").write_text(f"{number}\n" * 1000)
    return pair.cold(context) if cold else pair.builds(context)


def changed(pair: Pair) -> Builds:
    """One file of the context is another, which the last two of thirty instructions need."""
    lines = [f"FROM {BASE}"]
    for number in range(14):
        lines += [f"ENV A{number}={number}", f"RUN echo {number} > /r{number}"]
    context = pair.context("changed", "\n".join([*lines, "COPY f /", "RUN cat /f > /g"]) + "\n")
    count = iter(range(1, 10_000))
    both = pair.builds(context)

    def with_change(build: Callable[[], object]) -> Callable[[], object]:
        def work() -> None:
            (context / "f").write_text(f"{next(count)}\n")
            build()

        return work

    return with_change(both[0]), with_change(both[1])


def stages(pair: Pair) -> Builds:
    """Eight stages that need nothing of each other, and one that takes from all."""
    lines = []
    for number in range(8):
        lines += [f"FROM {BASE} AS s{number}", f"RUN echo {number} > /o{number}; sleep 0.2"]
        lines += [f"RUN cat /o{number} > /p{number}"]
    lines += ["FROM scratch", *(f"COPY --from=s{n} /p{n} /" for n in range(8))]
    context = pair.context("stages", "\n".join(lines) + "\n")
    return pair.builds(context, "--no-cache", jobs=8)


def large(pair: Pair) -> Builds:
    """COPY of a context of 1 GB in 16 files."""
    context = pair.context("large", f"FROM {BASE}\nCOPY . /c/\n")
    for number in range(16):
        (context / f"f{number}").write_bytes(os.urandom(1 << 26))
    return pair.cold(context)


def small(pair: Pair) -> Builds:
    """COPY of 20,000 small files."""
    context = pair.context("small", f"FROM {BASE}\nCOPY . /c/\n")
    for directory in range(100):
        (context / f"d{directory}").mkdir()
        for number in range(200):
            (context / f"d{directory}/f{number}").write_text(f"{directory} {number}\n" * 20)
    return pair.cold(context)


def crowded(pair: Pair) -> tuple[float, float]:
    """Return the time of a cached build in a store with 900 images, and with few before."""
    build, _ = thirty(pair)
    before = _time(build, 7)
    for archive in images.many(900):
        pair.ours("load", "--input", str(archive))
    return _time(build, 7), before


def _time(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times[1:])[rounds // 2]
