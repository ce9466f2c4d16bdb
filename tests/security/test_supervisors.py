"""S18: hostile frames to a supervisor, supervisors that stand still, strings that end too early."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from rootless import Engine
from rootless.containers.creation.image_settings import Settings
from rootless.containers.request import bind, request
from rootless.errors import Error
from rootless.oci.errors import ImageError
from rootless.runtime.supervision import streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

pytestmark = pytest.mark.once

BODY = json.dumps({"add": [], "remove": []}).encode()
PORT = {"fd": 0, "ip": "0.0.0.0", "host": 8000, "container": 80, "protocol": "tcp"}


def ports(**wish: object) -> bytes:
    return streams.frame(streams.PORTS, json.dumps({"add": [], "remove": [], **wish}).encode())


HOSTILE = {
    "no JSON": streams.frame(streams.PORTS, b"}{"),
    "no object": streams.frame(streams.PORTS, b"[]"),
    "deep": streams.frame(streams.PORTS, b"[" * 100000),
    "nothing in it": streams.frame(streams.PORTS, b"{}"),
    "no list": ports(add=7),
    "no pair": ports(remove=[1]),
    "no number": ports(remove=[["x", "tcp"]]),
    "without its socket": ports(add=[PORT]),
    "no UTF-8": streams.frame(streams.PORTS, b'{"add": "\xff\xfe'),
    "unknown": streams.frame(99, b""),
    "unknown, then attach": streams.frame(99, b"") + streams.frame(streams.ATTACH, b""),
    "ports, then attach": streams.frame(streams.PORTS, b"") + streams.frame(streams.ATTACH, b""),
    "check, twice": streams.frame(streams.CHECK, b"") * 2,
    "attach, twice": streams.frame(streams.ATTACH, b"x" * 1000) * 2,
    "a size of no size": streams.frame(streams.ATTACH, b"") + streams.frame(streams.RESIZE, b"x"),
    "a size": streams.frame(streams.ATTACH, b"") + streams.frame(streams.RESIZE, b"\xff" * 4),
    "endless": struct.pack(">BxxxI", streams.PORTS, 0xFFFFFFFF) + bytes(1 << 21),
    "half": struct.pack(">BxxxI", streams.PORTS, 100) + b"{",
    "noise": random.Random(7).randbytes(100000),
}


def directory(store: Store) -> str:
    """That of the only container."""
    (number,) = (name for name in os.listdir(f"{store.root}/containers") if len(name) == 64)
    return f"{store.root}/containers/{number}"


@contextlib.contextmanager
def connected(store: Store) -> Iterator[socket.socket]:
    """A stream to the supervisor of the only container, as any process of the user may open one."""
    place = os.open(directory(store), os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(f"/proc/self/fd/{place}/attach")
            stream.settimeout(20)
            yield stream
    finally:
        os.close(place)


def supervisor(store: Store) -> int:
    with open(f"{directory(store)}/state.json") as file:
        return int(json.load(file)["supervisor"])


def say(store: Store, data: bytes, passed: list[int]) -> None:
    """Send it, and wait until the supervisor hangs up or has had its time."""
    with connected(store) as stream:
        stream.settimeout(0.3)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(passed)}i", *passed))]
        with contextlib.suppress(OSError):
            sent = stream.sendmsg([data], rights if passed else [])
            stream.sendall(data[sent:])
            while stream.recv(65536):
                pass


@pytest.mark.parametrize("options", [[], ["--network", "none"], ["-t"]])
def test_hostile_frames(busybox: Store, options: list[str]) -> None:
    """No bytes on its socket end the container, open a port, or stay in memory."""
    busybox.ok("run", "-d", *options, "--name", "one", "busybox", "sleep", "1000")
    pid = supervisor(busybox)
    files = len(os.listdir(f"/proc/{pid}/fd"))
    reader, writer = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as server:
        for data in HOSTILE.values():
            for passed in ([], [reader], [server.fileno()] * 2):
                say(busybox, data, passed)
        for protocol in ("udp", "sctp", 7):
            say(busybox, ports(add=[{**PORT, "protocol": protocol}]), [server.fileno()])
        for number in (0, 70000, "80", None):
            say(busybox, ports(add=[{**PORT, "container": number}]), [server.fileno()])
        many = streams.frame(streams.ATTACH, b"")
        say(busybox, many, [reader] * 200)
    for end in (reader, writer):
        os.close(end)
    assert busybox.ok("inspect", "--format", "{{.State.Status}}", "one") == "running"
    assert busybox.ok("port", "one") == ""
    assert supervisor(busybox) == pid
    assert busybox.ok("exec", "one", "echo", "here") == "here"
    assert len(os.listdir(f"/proc/{pid}/fd")) <= files + 1
    with open(f"/proc/{pid}/status") as file:
        (peak,) = (int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    assert peak < 64 << 10


def test_many_that_say_nothing(busybox: Store) -> None:
    """Some are let in and wait, the others are not, and who comes after them gets on."""
    busybox.ok("run", "-d", "--name", "one", "-p", "127.0.0.1::80", "busybox", "sleep", "1000")
    with contextlib.ExitStack() as opened:
        for _ in range(100):
            opened.enter_context(connected(busybox))
        assert busybox.ok("exec", "one", "echo", "here") == "here"
        assert len(os.listdir(f"/proc/{supervisor(busybox)}/fd")) < 100
    busybox.ok("update", "--publish-add", "127.0.0.1::81", "one")


@pytest.mark.parametrize(
    "command",
    [
        ["healthcheck", "run", "one"],
        ["update", "--publish-add", "127.0.0.1::81", "one"],
        ["attach", "one"],
        ["stop", "-t", "0", "one"],
        ["restart", "-t", "0", "one"],
    ],
)
def test_a_supervisor_that_stands_still(busybox: Store, command: list[str]) -> None:
    """Each command says so, and what to do; and afterwards all is as it was."""
    check = ["--health-cmd", "true", "--health-interval", "1h"]
    busybox.ok("run", "-d", "--name", "one", *check, "busybox", "sleep", "1000")
    pid = supervisor(busybox)
    os.kill(pid, signal.SIGSTOP)
    try:
        done = busybox(*command, timeout=60)
        assert done.returncode in (1, 125), done.stderr
        assert "the supervisor of container one is stopped" in done.stderr
        assert f"kill -CONT {pid}" in done.stderr
    finally:
        os.kill(pid, signal.SIGCONT)
    busybox.ok("rm", "-f", "one")


def test_nobody_says_that_it_has_ended(busybox: Store) -> None:
    """Who waits for the end of a container is told why he would wait for ever."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    pid = supervisor(busybox)
    waiting = busybox.start("wait", "one")
    os.kill(pid, signal.SIGSTOP)
    try:
        done = busybox("kill", "one", timeout=60)
        assert done.returncode == 1
        assert "the supervisor of container one is stopped" in done.stderr
        _, errors = waiting.communicate(timeout=100)
        assert "the supervisor of container one is stopped" in errors
    finally:
        os.kill(pid, signal.SIGCONT)
    assert busybox.ok("wait", "one") == "137"


def test_stopped_while_it_is_asked(busybox: Store) -> None:
    """It gets the question, and then stands still: the wait ends with a word."""
    check = ["--health-cmd", "sleep 5", "--health-interval", "1h"]
    busybox.ok("run", "-d", "--name", "one", *check, "busybox", "sleep", "1000")
    pid = supervisor(busybox)
    asking = busybox.start("healthcheck", "run", "one")
    while not any(b"probe" in line for line in children(pid)):
        assert asking.poll() is None
    os.kill(pid, signal.SIGSTOP)
    try:
        _, errors = asking.communicate(timeout=60)
        assert "the supervisor of container one is stopped" in errors
    finally:
        os.kill(pid, signal.SIGCONT)


def children(pid: int) -> list[bytes]:
    """The command lines of a process's children."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        numbers = file.read().split()
    lines = []
    for number in numbers:
        with contextlib.suppress(OSError), open(f"/proc/{number}/cmdline", "rb") as file:
            lines.append(file.read())
    return lines


FULL_DISK = """
mount -t tmpfs -o size=20m none $1 && export ROOTLESS_ROOT=$1/root && shift && image=$1 && shift
cd /; "$@" load -q -i $image >/dev/null || exit 91
health="--health-cmd true --health-interval 2s"
"$@" run -d --name one $health busybox sleep 1000 >/dev/null || exit 92
dd if=/dev/zero of=$ROOTLESS_ROOT/../fill bs=64k 2>/dev/null
sleep 5; "$@" inspect -f '{{.State.Health.Status}}' one
rm $ROOTLESS_ROOT/../fill
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    "$@" inspect -f '{{.State.Health.Status}}' one | grep -q ^healthy && break; sleep 1
done
"$@" inspect -f '{{.State.Health.Status}}' one
"$@" rm -f one >/dev/null
script='trap "exit 3" TERM; echo up; while :; do sleep 0.1; done'
"$@" run -d --name two busybox sh -c "$script" >/dev/null
until "$@" logs two | grep -q up; do :; done
dd if=/dev/zero of=$ROOTLESS_ROOT/../fill bs=64k 2>/dev/null
"$@" kill -s TERM two >/dev/null
"$@" wait two
"$@" rm two >/dev/null
"""


def test_health_on_a_full_disk(
    cli: Store, busybox_image: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is written down where the status before was, and so is the exit code."""
    disk = str(tmp_path_factory.mktemp("disk"))
    script = ["sh", "-c", FULL_DISK, "-", disk, busybox_image, *cli.command]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", *script],
        env=cli.env,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["healthy", "healthy", "3"]


@pytest.mark.parametrize("wrong", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("WorkingDir", lambda text: "/" + text),
        ("User", lambda text: text),
        ("Env", lambda text: ["A=" + text]),
        ("Cmd", lambda text: [text]),
        ("Entrypoint", lambda text: ["sh", text]),
        ("Volumes", lambda text: {"/" + text: {}}),
        ("ExposedPorts", lambda text: {text: {}}),
        ("StopSignal", lambda text: text),
        ("Healthcheck", lambda text: {"Test": ["CMD", text]}),
    ],
)
def test_strings_of_an_image_that_no_process_can_have(wrong: str, key: str, shape: object) -> None:
    """The error names the image and what of it is wrong."""
    assert callable(shape)
    with pytest.raises(ImageError, match=f"image bad: its {key} holds a NUL byte"):
        Settings({"config": {key: shape(wrong)}}, "bad")


@pytest.mark.parametrize(
    "asked",
    [
        {"workdir": "/a\0b"},
        {"user": "a\0b"},
        {"environment": [["A", "\0"]]},
        {"labels": {"a": "\0"}},
        {"entrypoint": ["a\0b"]},
        {"hostname": "a\0b"},
        {"mounts": [{**bind("/etc", "/a"), "destination": "/a\0b"}]},
        {"name": "a\0b"},
        {"annotations": {"a": "\0"}},
        {"hosts": [["1.2.3.4", "a\0"]]},
        {"healthcheck": {"Test": ["CMD", "a\0"]}},
        {"sysctls": {"net.a\0": "1"}},
        {"environment": [["A", "\ud800"]]},
    ],
)
def test_fields_that_no_process_can_have(
    busybox: Store, rootless_root: str, asked: dict[str, Any]
) -> None:
    """A library's caller can say what no command line can."""
    engine = Engine()
    with pytest.raises(Error, match="NUL"):
        engine.create(request("busybox", ["true"], **asked))
    with pytest.raises(Error, match="NUL"):
        engine.create(request("busybox", ["a\0b"]))
    assert busybox.ok("ps", "-aq") == ""
