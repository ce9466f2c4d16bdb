"""Side by side: the same work with this engine and with others, in turn, as ratios of medians.

    make bench                     every row
    make bench ROWS=run,exec       some of them
    BENCH_DIRECTORY=/dev/shm ...   stores on another file system than that of /tmp

Times on a shared machine mean nothing by themselves, so the contenders take turns (A B A B ...)
and what counts is the ratio of their medians. A row whose peer is missing is skipped by name.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import build
import images
import network
import peers
import registry

Work = Callable[[], object]
Result = tuple[float, float, str]
"""Ours, theirs, and a remark."""


class Bench:
    """Both engines, each with a store below `work`."""

    def __init__(self, work: Path) -> None:
        work.mkdir(exist_ok=True)
        self.ours = peers.rootless(work)
        self.theirs = peers.Podman(work)
        self.work = work
        self._spent: list[Bench] = []
        """What rows have used and nobody needs any more; see `fresh`."""

    def fresh(self, name: str, count: int) -> list[Bench]:
        """Return so many with new stores, which are deleted at the very end.

        ext4 looks again and again at inodes that were deleted in the last minutes
        (recently_deleted in fs/ext4/ialloc.c), which costs whoever makes files next many times
        what he does himself. So rows delete nothing, and the machine should not have either.
        """
        runtime = self.theirs.command[-2:]
        made = [Bench(self.work / f"{name}-{number}") for number in range(count)]
        for bench in made:
            bench.theirs.command += runtime
        self._spent += made
        return made

    def prepare(self) -> None:
        """Load busybox into both. Raises images.Missing where there is nothing to compare with."""
        images.need("podman")
        for engine in (self.ours, self.theirs):
            engine("load", "--input", str(images.busybox()))
        if reason := self.theirs.choose("busybox"):
            raise images.Missing(reason)

    @property
    def engines(self) -> tuple[peers.Engine, peers.Engine]:
        """Ours, then theirs."""
        return self.ours, self.theirs

    def close(self) -> None:
        """Leave nothing running and nothing on disk but the cache of images."""
        for spent in self._spent:
            spent.close()
        for engine in self.engines:
            if shutil.which(engine.command[0]):
                engine.close()
        for maps in (["--map-root-user", "--map-auto"], ["--map-root-user"]):
            subprocess.run(["unshare", *maps, "rm", "-rf", str(self.work)], capture_output=True)

    def run(self) -> Result:
        """Run --rm of true; the remark is the floor that the kernel sets, through bubblewrap."""
        words = ("run", "--rm", "--network", "none", "busybox", "true")
        commands = [engine.argv(*words) for engine in self.engines]
        tree = images.busybox_tree()
        try:
            images.need("bwrap")
        except images.Missing as missing:
            ours, theirs = in_turn(15, *(self.start(argv) for argv in commands))
            return ours, theirs, str(missing)
        commands.append([*peers.bubblewrap(tree), "true"])
        ours, theirs, floor = in_turn(15, *(self.start(argv) for argv in commands))
        return ours, theirs, f"bubblewrap {floor:.0f}"

    def run_networked(self) -> Result:
        """The same with the network that is the default."""
        return self.both(15, "run", "--rm", "busybox", "true")

    def exec(self) -> Result:
        """Run true in a running container."""
        for engine in self.engines:
            engine("run", "-d", "--name", "idle", "--network", "none", "busybox", "sleep", "3600")
        try:
            return self.both(15, "exec", "idle", "true")
        finally:
            self.forget()

    def ps(self) -> Result:
        """List 100 containers."""
        for engine in self.engines:
            for _ in range(100):
                engine("create", "--network", "none", "busybox", "true")
        try:
            return self.both(9, "ps", "-a")
        finally:
            self.forget()

    def images(self) -> Result:
        """List 200 images."""
        for archive in images.many(200):
            for engine in self.engines:
                engine("load", "--input", str(archive))
        return self.both(9, "images")

    def memory(self) -> Result:
        """Weigh the process that watches over an idle container: PSS in MB (proc(5))."""
        sizes = []
        for engine in self.engines:
            engine("run", "-d", "--name", "idle", "--network", "none", "busybox", "sleep", "3600")
            time.sleep(2)  # ours makes itself small when nothing has happened for a second
            init = engine("inspect", "--format", "{{.State.Pid}}", "idle")
            sizes.append(pss(parent(int(init))) / 1024)
        self.forget()
        return sizes[0], sizes[1], "PSS; theirs is conmon"

    def uplink(self) -> Result:
        """The same with a network that was in use; theirs is conmon and slirp4netns."""
        sizes = []
        ping = "ping -c 1 -W 1 10.0.2.2 >/dev/null; sleep 3600"
        for engine in self.engines:
            others = helpers()
            engine("run", "-d", "--name", "idle", "busybox", "sh", "-c", ping)
            time.sleep(20)  # ours makes itself small when nothing has happened for 15 seconds
            init = engine("inspect", "--format", "{{.State.Pid}}", "idle")
            watching = [parent(int(init)), *(helpers() - others)]
            sizes.append(sum(pss(pid) for pid in watching) / 1024)
        self.forget()
        return sizes[0], sizes[1], "PSS; theirs is conmon and slirp4netns"

    def network(self, measure: Callable[[network.Guest], float]) -> Result:
        """One property of the network beside slirp4netns's."""
        return network.compare(self.ours, measure, {})

    def published(self) -> Result:
        """The same for a published port, which podman has a helper of its own for."""
        podman: peers.Engine = self.theirs
        further = {"podman's rootlessport": (podman, "slirp4netns")}
        return network.compare(self.ours, network.published, further)

    def life(self) -> Result:
        """Start a container that is there already, and stop it."""
        for engine in self.engines:
            engine("create", "--name", "one", "--network", "none", "busybox", "sh", "-c", PATIENT)
        try:
            works = [self.start_and_stop(engine) for engine in self.engines]
            ours, theirs = in_turn(9, *works)
            return ours, theirs, ""
        finally:
            self.forget()

    def start_and_stop(self, engine: peers.Engine) -> Work:
        """Return what does both."""

        def work() -> None:
            engine("start", "one")
            engine("stop", "one")

        return work

    def crowd(self) -> Result:
        """Weigh the processes that watch over 100 idle containers: PSS in MB of each."""
        sizes = []
        for engine in self.engines:
            self.idle(engine, 100)
            time.sleep(3)
            pids = engine("ps", "--format", "{{.ID}}").split()
            inits = engine("inspect", "--format", "{{.State.Pid}}", *pids).split()
            sizes.append(statistics.mean(pss(parent(int(pid))) for pid in inits) / 1024)
            self.forget()
        return sizes[0], sizes[1], "PSS of each; theirs are conmon"

    def running(self) -> Result:
        """List 300 running containers."""
        for engine in self.engines:
            self.idle(engine, 300)
        time.sleep(3)
        try:
            ours, theirs, _ = self.both(9, "ps")
            inits = self.ours("inspect", "--format", "{{.State.Pid}}", *self.all_ours()).split()
            total = sum(pss(parent(int(pid))) for pid in inits) / 1024
            return ours, theirs, f"our supervisors in all: {total:.0f} MB"
        finally:
            self.forget()

    def all_ours(self) -> list[str]:
        """Return the ids of our running containers."""
        return self.ours("ps", "--quiet").split()

    def idle(self, engine: peers.Engine, count: int) -> None:
        """Start so many containers that do nothing."""
        for _ in range(count):
            engine("run", "-d", "--network", "none", "busybox", "sleep", "3600")

    def logs(self) -> Result:
        """Write 400 MB of lines to the log, each in the format that is the default."""
        size = 400
        script = f"yes {'x' * 79} | head -c {size}000000"

        def work(engine: peers.Engine) -> Work:
            def write() -> None:
                one = engine("run", "-d", "--network", "none", "busybox", "sh", "-c", script)
                engine("wait", one)
                engine("rm", one)

            return write

        ours, theirs = in_turn(3, *(work(engine) for engine in self.engines))
        return ours, theirs, f"{size / ours * 1000:.0f} MB/s; theirs is conmon"

    def load(self) -> Result:
        """Load a Debian into new stores and run true in it, whoever unpacks it when."""
        archive = str(images.debian())

        def cold(engine: peers.Engine) -> float:
            os.sync()  # what others have left to be written is not for us to wait for
            began = time.perf_counter()
            engine("load", "--input", archive)
            engine("run", "--rm", "--network", "none", "debian:bench", "/bin/true")
            return (time.perf_counter() - began) * 1000

        times = [[cold(engine) for engine in one.engines] for one in self.fresh("load", 4)]
        ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        return ours, theirs, f"{os.path.getsize(archive) >> 20} MiB"

    def pull(self, name: str) -> Result:
        """Pull and unpack, into new stores."""
        pairs = [one.engines for one in self.fresh(f"pull-{name.partition(':')[0]}", 4)]
        server = registry.Registry(self.work)
        try:
            return registry.pull(pairs, f"{server.address}/{name}")
        finally:
            server.close()

    def transfer(self) -> Result:
        """Copy Debian from a registry into new layouts; theirs is skopeo."""
        server = registry.Registry(self.work)
        try:
            return registry.transfer(
                self.ours, self.work, f"docker://{server.address}/debian:bench"
            )
        finally:
            server.close()

    def push(self) -> Result:
        """Push Debian, which was compressed and sent before, each time to another repository."""
        server = registry.Registry(self.work)
        count = iter(range(1000))

        def work(engine: peers.Engine) -> Work:
            line = ("push", "-q", "--tls-verify=false", "debian:bench")
            return lambda: engine(*line, f"{server.address}/r{next(count)}/{engine.name[:4]}:1")

        try:
            for engine in self.engines:
                engine("load", "--input", str(images.debian()))
            ours, theirs = in_turn(9, *(work(engine) for engine in self.engines))
            return ours, theirs, ""
        finally:
            server.close()

    def push_first(self) -> Result:
        """Push Debian out of new stores: nobody knows what the registry has, all is compressed."""
        server = registry.Registry(self.work)
        times: list[list[float]] = [[], []]
        try:
            for number, bench in enumerate(self.fresh("push", 4)):
                for engine, column in zip(bench.engines, times, strict=True):
                    engine("load", "--input", str(images.debian()))
                    name = f"{server.address}/first{number}/{engine.name}:1"
                    began = time.perf_counter()
                    engine("push", "-q", "--tls-verify=false", "debian:bench", name)
                    column.append((time.perf_counter() - began) * 1000)
        finally:
            server.close()
        ours, theirs = map(statistics.median, times)
        return ours, theirs, ""

    def build(self, of: Callable[[build.Pair], build.Builds], rounds: int) -> Result:
        """Build the same with buildah."""
        pair = build.Pair(self.ours, self.theirs, self.work)
        if of is build.example:
            for engine in self.engines:
                engine("load", "--input", str(images.debian()))
        ours, theirs = in_turn(rounds, *of(pair))
        return ours, theirs, f"theirs is buildah; {pair.weighed()}"

    def build_crowded(self) -> Result:
        """A cached build in a store with 900 images, and in the same with few."""
        many, few = build.crowded(build.Pair(self.ours, self.theirs, self.work))
        return many, few, "both ours, with 900 images and without"

    def both(self, rounds: int, *words: str) -> Result:
        """Time the same words with both engines."""
        ours, theirs = in_turn(
            rounds, *(self.start(engine.argv(*words)) for engine in self.engines)
        )
        return ours, theirs, ""

    def start(self, argv: list[str]) -> Work:
        """Return what runs `argv` to its end and insists on its success."""
        env = (
            self.ours.env
            if argv[: len(self.ours.command)] == self.ours.command
            else self.theirs.env
        )
        null = subprocess.DEVNULL
        return lambda: subprocess.run(
            argv, env=env, check=True, stdin=null, stdout=null, stderr=null
        )

    def forget(self) -> None:
        """Remove all containers."""
        self.ours("rm", "--all", "--force")
        self.theirs("rm", "--all", "--force", "--time", "0")


ROWS: dict[str, tuple[Callable[[Bench], Result], str, float]] = {
    "run": (Bench.run, "run --rm --network none busybox true", 0.33),
    "exec": (Bench.exec, "exec of true", 0.30),
    "ps": (Bench.ps, "ps -a with 100 containers", 1.0),
    "images": (Bench.images, "images with 200", 1.0),
    "memory": (Bench.memory, "supervisor of an idle container, MB", 5.0),
    "life": (Bench.life, "start and stop", 0.33),
    "crowd": (Bench.crowd, "each of 100 supervisors, MB", 4.5),
    "running": (Bench.running, "ps with 300 running containers", 1.0),
    "logs": (Bench.logs, "400 MB to the log", 1.0),
    "load": (Bench.load, "load and unpack of Debian", 0.5),
    "pull": (lambda bench: bench.pull("debian:bench"), "pull and unpack of Debian", 0.3),
    "pull10": (lambda bench: bench.pull("ten:bench"), "the same in ten layers", 0.3),
    "transfer": (Bench.transfer, "copy of Debian to a layout, and skopeo", 1.2),
    "push": (Bench.push, "push of Debian", 0.5),
    "push-first": (Bench.push_first, "the first, which compresses it", 0.5),
    "build": (lambda bench: bench.build(build.example, 2), "build of the example, cold", 0.5),
    "build-30": (
        lambda bench: bench.build(lambda pair: build.thirty(pair, cold=True), 3),
        "30 instructions, cold",
        0.2,
    ),
    "build-cached": (
        lambda bench: bench.build(build.thirty, 5),
        "30 instructions, all cached",
        0.05,
    ),
    "build-changed": (lambda bench: bench.build(build.changed, 5), "one changed file", 0.12),
    "build-stages": (lambda bench: bench.build(build.stages, 3), "8 stages, --jobs 8", 0.2),
    "build-large": (lambda bench: bench.build(build.large, 3), "COPY of 1 GB", 0.8),
    "build-small": (lambda bench: bench.build(build.small, 3), "COPY of 20,000 files", 0.4),
    "build-crowded": (Bench.build_crowded, "all cached, 900 images against few", 1.1),
    "run-net": (Bench.run_networked, "run --rm busybox true, default network", 0.33),
    "uplink": (Bench.uplink, "idle networked supervisor, MB", 5.5),
    "out": (lambda bench: bench.network(network.out(1)), "TCP out, ms/GB, and slirp4netns", 0.5),
    "out8": (lambda bench: bench.network(network.out(8)), "8 streams, ms/GB, and slirp4netns", 0.5),
    "in": (Bench.published, "published port, ms/GB, and slirp4netns", 0.5),
    "connect": (
        lambda bench: bench.network(network.connection),
        "connection, us, and slirp4netns",
        1.0,
    ),
    "trip": (
        lambda bench: bench.network(network.round_trip(0)),
        "round trip, us, and slirp4netns",
        1.4,
    ),
    "tail": (
        lambda bench: bench.network(network.round_trip(1)),
        "round trip, p99, us, and slirp4netns",
        1.4,
    ),
    "datagrams": (
        lambda bench: bench.network(network.datagram),
        "datagram, ns, and slirp4netns",
        1.43,
    ),
}
"""Name -> the work, its title, and the goal: a ratio, for memory megabytes."""


WEIGHED = ("memory", "crowd", "uplink")
PATIENT = "trap 'exit 0' TERM; sleep 3600 & wait"
"""A command that ends when it is asked to."""


def in_turn(rounds: int, *works: Work) -> list[float]:
    """Return the median time of each work in ms, after one round to warm up."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for work, column in zip(works, times, strict=True):
            if isinstance(work, build.Cold):
                work.prepare()
            began = time.perf_counter()
            work()
            column.append((time.perf_counter() - began) * 1000)
    return [statistics.median(column[1:]) for column in times]


def parent(pid: int) -> int:
    """Return the parent of a process; its name may hold brackets, so from the last one on."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def helpers() -> set[int]:
    """Return the pids of all slirp4netns."""
    found = subprocess.run(["pgrep", "-x", "slirp4netns"], capture_output=True, text=True).stdout
    return {int(pid) for pid in found.split()}


def pss(pid: int) -> float:
    """Return the proportional set size of a process in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("Pss:")).split()[1])


def report(name: str, bench: Bench) -> None:
    """Measure one row and print it."""
    work, title, goal = ROWS[name]
    try:
        ours, theirs, remark = work(bench)
    except images.Missing as missing:
        print(f"{title:<38} skipped: {missing}", flush=True)
        return
    value = ours if name in WEIGHED else ours / theirs
    verdict = "" if value <= goal else "missed"
    numbers = f"{ours:9.1f} {theirs:9.1f} {ours / theirs:7.2f} {goal:6.2f}"
    print(f"{title:<38}{numbers}  {verdict:<7}{remark}".rstrip(), flush=True)


def main(asked: str) -> int:
    """Measure the rows that were asked for, all by default."""
    rows = asked.split(",") if asked else list(ROWS)
    if unknown := set(rows) - set(ROWS):
        print(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    images.CACHE.mkdir(parents=True, exist_ok=True)
    # A short name: podman takes no runroot longer than 50 characters.
    work = tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_DIRECTORY"))
    bench = Bench(Path(work))
    try:
        bench.prepare()
        print(f"medians in ms{'':<25}{'rootless':>9} {bench.theirs.name:>12} ratio   goal")
        for name in rows:
            report(name, bench)
    except images.Missing as missing:
        print(f"all rows skipped: {missing}")
    finally:
        bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
