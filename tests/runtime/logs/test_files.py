"""The files of a log: what a full disk loses, rotation, compression, and reading them all."""

from __future__ import annotations

import errno
import gzip
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.containers.running.logs import Log
from rootless.runtime.logs import files as logfiles
from rootless.runtime.logs.files import LogFile, open_log, writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.runtime.logs.charge import LogCharge

pytestmark = pytest.mark.once

DRIVERS = pytest.mark.parametrize("driver", ["json-file", "k8s-file"])


class Owner:
    """What a log's reader needs of a container."""

    def __init__(self, directory: Path, driver: str) -> None:
        self.directory = str(directory)
        self.name = "one"
        self.record = {"log_driver": driver}


def charge(directory: Path, driver: str = "k8s-file", **given: Any) -> LogCharge:
    plain: Any = {"driver": driver, "path": f"{directory}/log", "fd": -1, "max_size": 0}
    plain |= {"max_file": 1, "compress": False, "fields": {}}
    return open_log(plain | given)


def write(directory: Path, driver: str, *chunks: tuple[int, bytes]) -> None:
    opened = charge(directory, driver)
    target = writer(opened)
    for stream, data in chunks:
        target.write(stream, data)
    os.close(opened["fd"])


def read(directory: Path, driver: str, tail: int = -1) -> dict[int, bytes]:
    """Return what comes out, by stream."""
    owner: Any = Owner(directory, driver)
    log = Log(owner)
    log.begin(tail)
    streams: dict[int, bytes] = {}
    for entry in log.entries():
        streams[entry.stream] = streams.get(entry.stream, b"") + entry.data
    log.close()
    return streams


@DRIVERS
@pytest.mark.parametrize("max_size", [1000, 30000])
def test_one_large_piece_fills_several_files(tmp_path: Path, driver: str, max_size: int) -> None:
    """No file is larger than its limit and the record that reaches it."""
    opened = charge(tmp_path, driver, max_size=max_size, max_file=999)
    lines = b"".join(b"line %d of a piece\n" % number for number in range(1500))
    target = writer(opened)
    target.write(1, lines)
    target.write(1, b"end\n")
    os.close(opened["fd"])
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert max(sizes) < max_size + 200
    assert len(sizes) >= len(lines) / max_size
    assert read(tmp_path, driver)[1] == lines + b"end\n"


@DRIVERS
@given(chunks=st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(min_size=1)), max_size=20))
def test_all_bytes_come_out(
    driver: str, chunks: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("log")
    write(directory, driver, *chunks)
    expected: dict[int, bytes] = {}
    for stream, data in chunks:
        expected[stream] = expected.get(stream, b"") + data
    assert read(directory, driver) == expected
    assert read(directory, driver, tail=1000) == expected


@DRIVERS
@given(lines=st.lists(st.binary(max_size=30).filter(lambda text: b"\n" not in text), max_size=30))
def test_tail_is_the_last_lines(
    driver: str, lines: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("log")
    if lines:
        write(directory, driver, (1, b"".join(line + b"\n" for line in lines)))
    for count in range(len(lines) + 2):
        expected = b"".join(line + b"\n" for line in lines[len(lines) - min(count, len(lines)) :])
        assert read(directory, driver, count).get(1, b"") == expected


@DRIVERS
def test_tail_of_lines_longer_than_what_is_read_at_once(driver: str, tmp_path: Path) -> None:
    long = [bytes([65 + n]) * 200000 for n in range(4)]
    for line in long:
        write(tmp_path, driver, (1, line[:100000]), (1, line[100000:] + b"\n"))
    assert read(tmp_path, driver, 2)[1] == long[2] + b"\n" + long[3] + b"\n"


@DRIVERS
def test_what_a_full_disk_loses_is_said(driver: str, tmp_path: Path) -> None:
    """It takes half of a record; what follows when there is room again is whole."""
    opened = charge(tmp_path, driver)
    target = writer(opened)
    target.write(1, b"first\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        size = os.path.getsize(opened["path"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, limits[1]))
        target.write(1, b"x" * 100 + b"\n")
        target.write(1, b"lost\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    target.write(1, b"last\n")
    target.write(1, b"more\n")
    os.close(opened["fd"])
    found = read(tmp_path, driver)
    assert found[2] == b"rootless: 2 pieces of output were lost: File too large\n"
    lines = found[1].splitlines()
    assert (lines[0], lines[-2:]) == (b"first", [b"last", b"more"])
    assert not any(b"lost" in line for line in lines)


@DRIVERS
def test_reader_waits_for_the_rest_of_a_record(driver: str, tmp_path: Path) -> None:
    write(tmp_path, driver, (1, b"begin\n"))
    path = tmp_path / "log"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    owner: Any = Owner(tmp_path, driver)
    log = Log(owner)
    log.begin(-1)
    assert list(log.entries()) == []
    with open(path, "ab") as file:
        file.write(whole[-5:])
    assert [entry.data for entry in log.entries()] == [b"begin\n"]
    log.close()


# -- rotation


@DRIVERS
@pytest.mark.parametrize("compress", [False, True])
def test_rotation_keeps_the_last_files(driver: str, compress: bool, tmp_path: Path) -> None:
    opened = charge(tmp_path, driver, max_size=5000, max_file=3, compress=compress)
    before = children()
    target = writer(opened)
    for number in range(2000):
        target.write(1, b"line %d\n" % number)
        for pid in children() - before:  # nothing is rotated before the last file is compressed
            os.waitpid(pid, 0)
    os.close(opened["fd"])
    files = sorted(os.listdir(tmp_path))
    assert "log" in files
    assert len(logfiles.numbers(opened["path"])) == 2
    assert len([name for name in files if name.endswith(".gz")]) == (2 if compress else 0)
    lines = read(tmp_path, driver)[1].splitlines()
    last = [b"line %d" % number for number in range(2000 - len(lines), 2000)]
    assert lines == last
    for count in (1, 5, 100, len(lines), 10000):
        assert read(tmp_path, driver, count)[1].splitlines() == last[-count:]


class Calls:
    """Counts what a log asks of the system."""

    def __init__(self, patch: pytest.MonkeyPatch, *names: str, failing: str = "") -> None:
        self.counts = dict.fromkeys((*names, failing), 0)
        for name in self.counts.keys() - {""}:
            patch.setattr(os, name, self._counted(name, getattr(os, name), failing))

    def _counted(self, name: str, function: Any, failing: str) -> Any:
        def counted(*args: Any, **given: Any) -> Any:
            self.counts[name] += 1
            if name == failing:
                raise PermissionError(errno.EACCES, "no")
            return function(*args, **given)

        return counted


@pytest.mark.parametrize("failing", ["rename", "open", "compressed"])
def test_what_cannot_be_rotated_is_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """One attempt for all that a container has written at once, not one for each record."""
    opened = charge(tmp_path, max_size=2000, max_file=3)
    target = writer(opened)
    assert isinstance(target, LogFile)
    with monkeypatch.context() as patch:
        if failing == "compressed":  # the file before is being compressed, and that takes its time
            patch.setattr(target, "_is_compressing", lambda: True)
        calls = Calls(patch, "write", failing="" if failing == "compressed" else failing)
        target.write(1, b"\n" * 65536)
        assert calls.counts["write"] == 2
        assert calls.counts.get(failing, 1) == 1
        target.write(1, b"\n" * 65536)
        assert calls.counts["write"] == 3
        assert calls.counts.get(failing, 2) == 2
    assert os.listdir(tmp_path) == ["log"]
    target.write(1, b"end\n")
    os.close(opened["fd"])
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1"]
    assert read(tmp_path, "k8s-file")[1] == b"\n" * 131072 + b"end\n"


def test_a_write_for_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = charge(tmp_path, max_size=1024, max_file=3)
    target = writer(opened)
    with monkeypatch.context() as patch:
        calls = Calls(patch, "write", "rename", "listdir")
        target.write(1, b"\n" * 5000)
    os.close(opened["fd"])
    assert calls.counts["write"] == calls.counts["rename"] + 1
    assert calls.counts["listdir"] == 1
    assert len(os.listdir(tmp_path)) == 3


def test_one_file_begins_anew(tmp_path: Path) -> None:
    opened = charge(tmp_path, max_size=2000)
    target = writer(opened)
    for number in range(500):
        target.write(1, b"line %d\n" % number)
        assert os.path.getsize(opened["path"]) < 2200
    os.close(opened["fd"])
    assert os.listdir(tmp_path) == ["log"]
    assert read(tmp_path, "k8s-file")[1].endswith(b"line 499\n")


def follow(log: Log) -> Iterator[int]:
    for entry in log.entries():
        yield int(entry.data)


@DRIVERS
@pytest.mark.parametrize("compress", [False, True])
def test_who_follows_loses_and_repeats_nothing(
    driver: str, compress: bool, tmp_path: Path, seed: int
) -> None:
    opened = charge(tmp_path, driver, max_size=3000, max_file=50, compress=compress)
    before = children()
    target = writer(opened)
    owner: Any = Owner(tmp_path, driver)
    log, dice = Log(owner), random.Random(seed)
    log.begin(-1)
    seen: list[int] = []
    for number in range(1500):
        target.write(dice.choice([1, 2]), b"%d\n" % number)
        if dice.random() < 0.02:
            seen += follow(log)
    seen += follow(log)
    log.close()
    os.close(opened["fd"])
    assert seen == list(range(1500))
    for pid in children() - before:  # those that compress
        os.waitpid(pid, 0)


def children() -> set[int]:
    """Return this process's children: other tests may have left some in it."""
    return {
        int(pid)
        for pid in Path("/proc/self/task", str(os.getpid()), "children").read_text().split()
    }


KILLED = """
import sys
from rootless.runtime.logs.files import open_log, writer
path, compress = sys.argv[1], sys.argv[2] == "1"
charge = {"driver": "json-file", "path": path, "fd": -1, "max_size": 2000, "max_file": 99999,
          "compress": compress, "fields": {}}
target = writer(open_log(charge))
number = int(sys.argv[3])
while True:
    target.write(1, b"%d\\n" % number)
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("compress", ["0", "1"])
def test_killed_at_any_moment_of_rotation(compress: str, tmp_path: Path, seed: int) -> None:
    """Whatever was written is there once, in order, over many lives of the writer."""
    path = f"{tmp_path}/log"
    dice, number = random.Random(seed), 0
    for _ in range(8):
        command = [sys.executable, "-c", KILLED, path, compress, str(number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(0.1 + dice.random() * 0.1)
        process.kill()
        out, _ = process.communicate()
        number = max([number, *(int(line) + 1 for line in out.split())])
    deadline = time.monotonic() + 20
    lines: list[int] = []
    while True:  # those that compress still finish
        lines = [int(line) for line in read(tmp_path, "json-file")[1].split()]
        if not any(name.endswith(".new") for name in os.listdir(tmp_path)):
            break
        assert time.monotonic() < deadline or compress == "1"
        if time.monotonic() > deadline:
            break
    kept = [line for at, line in enumerate(lines) if at == 0 or line != lines[at - 1]]
    assert len(lines) - len(kept) <= 8  # a line that was written but not told of is written again
    assert kept == list(range(kept[-1] + 1))
    assert kept[-1] >= number - 1


def test_compressed_files_are_gzip(tmp_path: Path) -> None:
    path = tmp_path / "log.1"
    path.write_bytes(b"text\n" * 100000)
    os.waitpid(logfiles.compress(str(path)), 0)
    assert os.listdir(tmp_path) == ["log.1.gz"]
    assert gzip.decompress((tmp_path / "log.1.gz").read_bytes()) == b"text\n" * 100000


def test_a_log_file_is_one(tmp_path: Path) -> None:
    opened = charge(tmp_path)
    assert isinstance(writer(opened), LogFile)
    os.close(opened["fd"])
