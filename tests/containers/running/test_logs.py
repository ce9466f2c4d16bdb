"""logs: what a container has written, and what it still writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def ten(shared: Store) -> Iterator[Store]:
    """A store with the log of a container `ten` that printed ten lines."""
    shared.ok("run", "--name", "ten", "busybox", "seq", "1", "10")
    yield shared
    shared.ok("rm", "ten")


@pytest.mark.parametrize(
    ("tail", "lines"),
    [("0", 0), ("1", 1), ("3", 3), ("10", 10), ("11", 10), ("all", 10), ("-1", 10)],
)
def test_tail(ten: Store, tail: str, lines: int) -> None:
    expected = [str(n) for n in range(11 - lines, 11)]
    assert ten.ok("logs", "--tail", tail, "ten").split() == expected


def test_tail_that_is_no_number(ten: Store) -> None:
    assert ten("logs", "--tail", "x", "ten").returncode == 1


def test_timestamps(ten: Store) -> None:
    lines = ten.ok("logs", "-t", "ten").splitlines()
    stamps = [line.split(" ")[0] for line in lines]
    assert [line.split(" ")[1] for line in lines] == [str(n) for n in range(1, 11)]
    assert stamps == sorted(stamps)
    moment = datetime.fromisoformat(stamps[0][:26] + "+00:00")
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=10)


def test_since_and_until(busybox: Store) -> None:
    busybox.ok("run", "--name", "one", "busybox", "sh", "-c", "echo a; sleep 1.2; echo b")
    stamp = busybox.ok("logs", "-t", "--tail", "1", "one").split(" ")[0]
    assert busybox.ok("logs", "--since", stamp, "one") == "b"
    before = datetime.fromisoformat(stamp[:26] + "+00:00") - timedelta(milliseconds=500)
    assert busybox.ok("logs", "--until", before.isoformat(), "one") == "a"
    assert busybox.ok("logs", "--since", "1h", "one") == "a\nb"
    assert busybox.ok("logs", "--since", str(int(time.time()) + 60), "one") == ""


def test_streams_stay_apart(busybox: Store) -> None:
    busybox("run", "--name", "one", "busybox", "sh", "-c", "echo out; echo err >&2")
    done = busybox("logs", "one")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_streams_keep_their_order_in_one_pipe(busybox: Store) -> None:
    script = "for i in 1 2 3; do echo out $i; sleep 0.1; echo err $i >&2; sleep 0.1; done"
    busybox("run", "--name", "one", "busybox", "sh", "-c", script)
    done = busybox("logs", "one", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.stdout.split() == "out 1 err 1 out 2 err 2 out 3 err 3".split()


def test_partial_lines(busybox: Store) -> None:
    script = "printf 'a'; sleep 0.1; printf 'b'; sleep 0.1; echo c; printf 'no newline'"
    busybox.ok("run", "--name", "one", "busybox", "sh", "-c", script)
    assert busybox("logs", "one").stdout == "abc\nno newline"
    assert busybox("logs", "--tail", "1", "one").stdout == "no newline"
    assert busybox("logs", "--tail", "2", "one").stdout == "abc\nno newline"
    stamped = busybox("logs", "-t", "one").stdout.split("\n")
    assert [line.split(" ", 1)[1] for line in stamped] == ["abc", "no newline"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (r"printf 'a\0b\n\0'", b"a\0b\n\0"),
        (r"printf '\377\376\n\303('", b"\xff\xfe\n\xc3("),
        (r"printf '\r\n\r\033[31m\n\n'", b"\r\n\r\x1b[31m\n\n"),
        ("head -c 1000000 /dev/zero | tr '\\0' x; echo", b"x" * 1000000 + b"\n"),
        ("head -c 300000 /dev/zero", b"\0" * 300000),
    ],
)
def test_bytes_come_out_whole(busybox: Store, script: str, expected: bytes) -> None:
    busybox("run", "-d", "--name", "one", "busybox", "sh", "-c", script)
    busybox.ok("wait", "one")
    assert busybox("logs", "-f", "one", text=False).stdout == expected
    assert busybox("logs", "--tail", "5", "one", text=False).stdout == expected


def test_follow_sees_later_lines_at_once(busybox: Store) -> None:
    script = "echo first; read x; while read line; do echo got $line; done"
    writer = busybox.start("run", "-i", "--name", "one", "busybox", "sh", "-c", script)
    assert writer.stdin
    assert writer.stdout
    assert writer.stdout.readline() == "first\n"
    follower = busybox.start("logs", "-f", "one")
    assert follower.stdout
    assert follower.stdout.readline() == "first\n"
    writer.stdin.write("x\n")
    delays = []
    for number in range(5):
        time.sleep(0.1)
        began = time.monotonic()
        writer.stdin.write(f"{number}\n")
        writer.stdin.flush()
        assert follower.stdout.readline() == f"got {number}\n"
        delays.append(time.monotonic() - began)
    assert min(delays) < 0.05
    writer.communicate(timeout=20)
    assert follower.communicate(timeout=20) == ("", "")
    assert follower.returncode == 0


def test_follow_of_what_has_ended(ten: Store) -> None:
    assert ten.ok("logs", "-f", "--tail", "2", "ten", timeout=20) == "9\n10"


def test_several_starts_share_a_log(busybox: Store) -> None:
    busybox.ok("run", "--name", "one", "busybox", "echo", "again")
    busybox.ok("start", "-a", "one")
    assert busybox.ok("logs", "one") == "again\nagain"


def test_never_started(busybox: Store) -> None:
    busybox.ok("create", "--name", "one", "busybox", "true")
    assert busybox.ok("logs", "one") == ""
    done = busybox("logs", "two")
    assert done.returncode != 0
    assert "No such container: two" in done.stderr


def test_log_driver_none(busybox: Store) -> None:
    busybox.ok("run", "--log-driver", "none", "--name", "one", "busybox", "echo", "unseen")
    done = busybox("logs", "one")
    assert (done.returncode, done.stdout) == (1, "")
    assert "its log driver is none" in done.stderr
    assert not os.path.exists(busybox.ok("inspect", "-f", "{{.LogPath}}", "one") or "/no")


def test_terminal_is_logged(busybox: Store) -> None:
    busybox.ok("run", "-t", "--name", "one", "busybox", "echo", "shown")
    assert busybox("logs", "one", text=False).stdout == b"shown\r\n"


# -- drivers, and several containers


def test_json_file_is_the_default_and_dockers(busybox: Store) -> None:
    busybox.ok("run", "--name", "one", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert busybox.ok("inspect", "-f", "{{.HostConfig.LogConfig.Type}}", "one") == "json-file"
    path = busybox.ok("inspect", "-f", "{{.LogPath}}", "one")
    records = [json.loads(line) for line in Path(path).read_text().splitlines()]
    assert sorted((one["stream"], one["log"]) for one in records) == [
        ("stderr", "err\n"),
        ("stdout", "out\n"),
    ]


@pytest.mark.parametrize("driver", ["json-file", "k8s-file"])
def test_rotated_while_it_is_followed(busybox: Store, driver: str) -> None:
    options = ["--log-driver", driver, "--log-opt", "max-size=20k", "--log-opt", "max-file=1000"]
    options += ["--log-opt", "compress=true"]
    script = "read x; seq 1 20000; sleep 1"
    writer = busybox.start("run", "-i", "--name", "one", *options, "busybox", "sh", "-c", script)
    deadline = time.monotonic() + 20
    while busybox.ok("ps", "-q") == "":
        assert time.monotonic() < deadline
    follower = busybox.start("logs", "-f", "one")
    assert writer.stdin
    writer.stdin.write("x\n")
    writer.stdin.flush()
    expected = [str(number) for number in range(1, 20001)]
    assert follower.communicate(timeout=60)[0].split() == expected
    writer.communicate(timeout=20)
    assert busybox.ok("logs", "one").split() == expected
    assert busybox.ok("logs", "--tail", "12345", "one").split() == expected[-12345:]


def test_the_last_line_of_what_is_rotated_all_the_time(busybox: Store) -> None:
    options = ["--log-opt", "max-size=2k", "--log-opt", "max-file=3"]
    script = "i=0; while :; do i=$((i + 1)); echo line $i; done"
    name = busybox.ok("run", "-d", *options, "busybox", "sh", "-c", script).strip()
    log = Path(busybox.ok("inspect", "-f", "{{.LogPath}}", name).strip())
    deadline = time.monotonic() + 20
    while len([*log.parent.glob("log.*")]) < 2:
        assert time.monotonic() < deadline
    for _ in range(10):
        assert "line" in busybox.ok("logs", "--tail", "1", name)
    busybox.ok("rm", "-f", "-t", "0", name)


def test_options_that_make_no_sense(busybox: Store) -> None:
    for options, words in (
        (["--log-opt", "colour=red"], "unknown log opt 'colour'"),
        (["--log-opt", "max-file=3"], "max-file needs a max-size"),
        (["--log-opt", "max-file=x", "--log-opt", "max-size=1m"], "no number of files"),
        (["--log-driver", "none", "--log-opt", "max-size=1m"], "unknown log opt 'max-size'"),
        (["--log-driver", "syslog"], "unknown driver 'syslog'"),
        (["-t", "--log-driver", "passthrough"], "passthrough is for the foreground"),
    ):
        done = busybox("run", "--rm", *options, "busybox", "true")
        assert done.returncode == 125
        assert words in done.stderr


def test_passthrough(busybox: Store) -> None:
    """The container has our own descriptors: nobody stands in between."""
    script = "cat; readlink /proc/self/fd/1; echo err >&2; exit 3"
    line = ["run", "--log-driver", "passthrough", "--name", "one", "busybox", "sh", "-c", script]
    with open(f"{busybox.directory}/out", "wb") as out:
        done = busybox(*line, input="in", stdout=out, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (3, "err\n")
    assert Path(f"{busybox.directory}/out").read_text().startswith("in")
    assert "its log driver is passthrough" in busybox("logs", "one").stderr


def test_several_merged_in_time(busybox: Store) -> None:
    script = "for i in 1 2 3; do echo $0 $i; sleep 0.4; done"
    busybox.ok("run", "-d", "--name", "a", "busybox", "sh", "-c", script, "a")
    time.sleep(0.2)
    busybox.ok(
        "run", "-d", "--name", "b", "--log-driver", "k8s-file", "busybox", "sh", "-c", script, "b"
    )
    followed = busybox.ok("logs", "-f", "--names", "a", "b", timeout=30).splitlines()
    assert sorted(followed) == sorted(f"{name} {name} {n}" for name in "ab" for n in (1, 2, 3))
    # Without names, ids stand before them.
    merged = [line[13:] for line in busybox.ok("logs", "a", "b").splitlines()]
    stamps = [line[13:] for line in busybox.ok("logs", "-t", "a", "b").splitlines()]
    assert [line.split(" ", 1)[1] for line in stamps] == merged
    assert stamps == sorted(stamps)
    assert [line for line in merged if line[0] == "a"] == ["a 1", "a 2", "a 3"]
    colored = busybox.ok("logs", "--color", "--names", "--tail", "1", "a", "b")
    assert "\x1b[37ma\x1b[0m a 3" in colored
    assert "\x1b[31mb\x1b[0m b 3" in colored
    assert busybox.ok("logs", "--latest", "--tail", "1") == "b 3"


def test_follow_goes_on_over_restarts(busybox: Store) -> None:
    script = "echo run; sleep 0.2; exit 1"
    options = ["--restart", "on-failure:2", "--name", "one"]
    busybox.ok("run", "-d", *options, "busybox", "sh", "-c", script)
    assert busybox.ok("logs", "-f", "one", timeout=30).split() == ["run"] * 3


def test_follow_until(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sh", "-c", "echo a; sleep 1000")
    until = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    assert busybox.ok("logs", "-f", "--until", until, "one", timeout=30) == "a"
    busybox.ok("rm", "-f", "one")


JOURNAL = """
import os, socket, sys
os.makedirs("/run/systemd/journal", exist_ok=True)
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind("/run/systemd/journal/socket")
pid = os.fork()
if pid == 0:
    server.close()
    os.execv(sys.argv[1], sys.argv[1:])
server.settimeout(20)
left = {b"MESSAGE=end", b"MESSAGE=two"}
while left:
    data, fds, _, _ = socket.recv_fds(server, 1 << 20, 4)
    if fds:
        with open(fds[0], "rb") as file:
            file.seek(0)
            data = file.read()
    sys.stdout.buffer.write(b"%d %d\\n" % (len(data), len(fds)) + data[:300] + b"\\n")
    left -= {data[:11]}
os.waitpid(pid, 0)
"""


def test_journald(busybox: Store, in_user_mode: str) -> None:
    """The journal's protocol, with a socket of the test's own where the journal has its one."""
    script = "echo one; echo two >&2; head -c 40000 /dev/zero | tr '\\0' x; echo; echo end"
    command = [*busybox.command, "run", "--rm", "--name", "one", "--log-driver", "journald"]
    command += ["busybox", "sh", "-c", script]
    maps = ["--map-root-user", *(["--map-auto"] if in_user_mode == "mapped" else [])]
    server = [sys.executable, "-c", JOURNAL]
    mount = 'mount -t tmpfs none /run && mkdir -p "$XDG_RUNTIME_DIR" && exec "$@"'
    done = subprocess.run(
        ["unshare", *maps, "--mount", "sh", "-c", mount, "sh", *server, *command],
        env={**busybox.env, "ROOTLESS_ROOT": busybox.root},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert b"MESSAGE=one\nPRIORITY=6\n" in out
    assert b"MESSAGE=two\nPRIORITY=3\n" in out
    assert b"CONTAINER_NAME=one\n" in out
    assert b"IMAGE_NAME=busybox\n" in out
    assert b"xxxx" in out


def test_journald_that_is_not_there(busybox: Store) -> None:
    if os.path.exists("/run/systemd/journal/socket"):
        pytest.skip("there is a journal")
    done = busybox("run", "--rm", "--log-driver", "journald", "busybox", "true")
    assert done.returncode == 125
    assert "--log-driver journald: cannot reach" in done.stderr


def test_what_goes_with_each_line(busybox: Store) -> None:
    """docker's attrs, which no reader of ours takes for text."""
    told = ("--label", "a=1", "--label", "b=2", "-e", "AX=3", "-e", "B=4")
    options = ("--log-opt", "labels=a,nosuch", "--log-opt", "env-regex=^AX")
    tag = ("--log-opt", "tag={{.Name}} of {{.ImageName}}")
    busybox.ok(
        "run", "--name", "one", *told, *options, *tag, "busybox", "sh", "-c", "echo A; echo B"
    )
    path = busybox.ok("inspect", "-f", "{{.LogPath}}", "one")
    found = [json.loads(line) for line in Path(path).read_text().splitlines()]
    wanted = {"a": "1", "AX": "3", "tag": "one of busybox"}
    assert [(one["log"], one["attrs"]) for one in found] == [("A\n", wanted), ("B\n", wanted)]
    assert busybox.ok("logs", "one") == "A\nB"
