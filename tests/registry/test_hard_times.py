"""Hostile clients, crowds, kills, full disks, and removals that come in between."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import digest, layer
from images_help import leavings
from serving_help import Registry, blobs

from rootless.oci.blobs import Blob
from rootless.registry import uploads
from rootless.registry.refusal import Refusal
from rootless.registry.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store

pytestmark = pytest.mark.once


# -- requests that are none


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /v2/\r\n\r\n",
        b"GET  /v2/ HTTP/1.1\r\n\r\n",
        b"GET /v2/ HTTP/2.0\r\n\r\n",
        b"GET /v2/%ff HTTP/1.1\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nA b: c\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nA : c\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nA: b\nB: c\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"POST /v2/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /v2/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v2/ HTTP/1.1\r\nContent-Length: 0x10\r\n\r\n",
        b"POST /v2/ HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST /v2/ HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v2/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET /v2/?" + b"a&" * 2000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(served: Registry, data: bytes) -> None:
    """RFC 9112, 11.2: one answer, and the connection is closed."""
    answer = served.raw(data)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer


def test_a_client_that_tries_tls_is_answered_at_once(served: Registry) -> None:
    begun = time.monotonic()
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    assert served.raw(hello, wait=False).startswith(b"HTTP/1.1 400 ")
    assert time.monotonic() - begun < 10


def test_an_endless_head_is_refused(served: Registry) -> None:
    for data in (b"GET /" + b"x" * 100_000, b"GET /v2/ HTTP/1.1\r\nA: " + b"x" * 100_000):
        assert served.raw(data, wait=False).startswith(b"HTTP/1.1 431 ")


def test_web_pages_are_refused(served: Registry) -> None:
    reply = served("POST", "x/blobs/uploads/", headers={"Origin": "https://evil.example"})
    assert (reply.status, reply.code) == (403, "DENIED")


@pytest.mark.parametrize(
    "chunks", [b"5\r\nhello world\r\n0\r\n\r\n", b"zz\r\n", b"-5\r\n", b"f" * 300]
)
def test_chunks_that_are_none(served: Registry, chunks: bytes) -> None:
    location = served("POST", "chunks/blobs/uploads/").location
    head = f"PATCH {location} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert served.raw(head.encode() + chunks).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_is_longer_than_it_says(served: Registry) -> None:
    """The surplus is the next request, and none: it never gets into the blob."""
    data = os.urandom(1000)
    head = f"POST /v2/long/blobs/uploads/?digest={digest(data)} HTTP/1.1\r\nContent-Length: 1000"
    answer = served.raw(head.encode() + b"\r\n\r\n" + data + b"surplus\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert served("GET", f"long/blobs/{digest(data)}").body == data


def test_a_body_that_breaks_off_can_be_gone_on_with(served: Registry) -> None:
    data = os.urandom(200_000)
    location = served("POST", "broken/blobs/uploads/").location
    head = f"PATCH {location} HTTP/1.1\r\nContent-Length: {len(data)}\r\n\r\n"
    assert served.raw(head.encode() + data[:150_000]) == b""
    size = 0
    for _ in range(100):
        reply = served("GET", location)
        if reply.status == 204 and (size := int(reply.headers["Range"][2:]) + 1) == 150_000:
            break
        time.sleep(0.05)
    assert size == 150_000
    reply = served("PUT", f"{location}?digest={digest(data)}", data[size:])
    assert reply.status == 201
    assert served("GET", reply.location).body == data


def test_one_connection_for_many_requests(served: Registry) -> None:
    one = b"GET /v2/_catalog HTTP/1.1\r\nHost: localhost\r\n\r\n"
    unread = b"POST /v2/ HTTP/1.1\r\nContent-Length: 7\r\n\r\nGET /v2"
    last = b"GET /v2/_catalog HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = served.raw(one * 3 + unread + one + last, wait=False)
    codes = [line.split()[1] for line in answer.split(b"\n") if line.startswith(b"HTTP/1.1 ")]
    assert codes == [b"200"] * 3 + [b"405"] + [b"200"] * 2


def test_leave_to_send_is_given_before_the_body(served: Registry) -> None:
    data = os.urandom(1000)
    target = f"/v2/expect/blobs/uploads/?digest={digest(data)}"
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as sock:
        head = f"POST {target} HTTP/1.1\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
        sock.sendall(head.encode())
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(data)
        assert sock.recv(1000).startswith(b"HTTP/1.1 201 ")


def test_uploads_are_bounded_in_number_and_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST", 3)
    count = iter(range(100))
    all_ = Uploads(lambda: Blob(f"{tmp_path}/{next(count)}"))
    first, *_ = [all_.begin("x") for _ in range(3)]
    with pytest.raises(Refusal) as refused:
        all_.begin("x")
    assert refused.value.status == 429
    first.used -= uploads.SPARED + 1
    with all_.using("x", first.id), pytest.raises(Refusal):
        first.used -= uploads.SPARED + 1
        all_.begin("x")
    first.used -= uploads.SPARED + 1
    second = all_.begin("x")
    assert len(list(tmp_path.iterdir())) == 3, "the file of the idle one is still there"
    second.used -= uploads.LONGEST + 1
    all_.expire()
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(Refusal), all_.using("x", second.id):
        pass
    for upload in list(all_._open.values()):
        all_.end(upload)


# -- crowds


def test_fifty_clients_at_once(served: Registry) -> None:
    shared = layer({"shared": os.urandom(2 << 20)})

    def client(number: int) -> None:
        mine = layer({"mine": str(number).encode()})
        pushed = served.image(f"crowd/{number % 5}", str(number), shared, mine)
        got = served("GET", f"crowd/{number % 5}/manifests/{number}")
        assert digest(got.body) == pushed
        for one in (shared, mine):
            assert served("GET", f"crowd/{number % 5}/blobs/{digest(one)}").body == one

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        for done in [pool.submit(client, number) for number in range(50)]:
            done.result(50)
    tags = [served("GET", f"crowd/{one}/tags/list").json["tags"] for one in range(5)]
    assert sorted(int(tag) for some in tags for tag in some) == list(range(50))


def test_idle_connections_are_in_nobodys_way(own: Registry) -> None:
    idle = [socket.create_connection(("127.0.0.1", own.port), timeout=30) for _ in range(260)]
    try:
        assert own("GET", "/v2/").status == 200
    finally:
        for sock in idle:
            sock.close()
    assert own.stop() == 0


# -- ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(own: Registry, number: int) -> None:
    own("POST", "x/blobs/uploads/")
    with socket.create_connection(("127.0.0.1", own.port)):
        begun = time.monotonic()
        assert own.stop(number) == 0
        assert time.monotonic() - begun < 4
    assert leavings(own.store.root) == []


def test_a_download_under_way_is_finished_first(own: Registry) -> None:
    data = os.urandom(20 << 20)
    blob = own.blob("x", data)
    with socket.create_connection(("127.0.0.1", own.port), timeout=30) as sock:
        sock.sendall(f"GET /v2/x/blobs/{blob} HTTP/1.1\r\n\r\n".encode())
        got = sock.recv(1000)
        own.process.send_signal(signal.SIGTERM)
        while piece := sock.recv(1 << 20):
            got += piece
    assert got.endswith(data[-1000:])
    assert own.process.wait(20) == 0


@pytest.mark.parametrize("storage", [False, True])
def test_a_kill_in_the_middle_of_uploads(start: Callable[..., Registry], storage: bool) -> None:
    registry = start()
    if storage:
        path = f"{registry.store.directory}/storage"
        options = ["--storage", path]
    else:
        path, options = f"{registry.store.root}/images", []
    registry.stop()
    data = os.urandom(3 << 20)
    kept: dict[str, str] = {}
    for round_ in range(5):
        registry = start(*options)
        kept[str(round_)] = registry.image("kept", str(round_), layer({"n": str(round_).encode()}))
        location = registry("POST", "x/blobs/uploads/").location
        with socket.create_connection(("127.0.0.1", registry.port)) as sock:
            sock.sendall(
                f"PATCH {location} HTTP/1.1\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            )
            sock.sendall(data[: (round_ + 1) * 500_000])
            time.sleep(0.02 * round_)
            registry.stop(signal.SIGKILL)
        assert any(name.startswith(".work-") for name in os.listdir(path))
    registry = start(*options)
    for tag, pushed in kept.items():
        assert registry("HEAD", f"kept/manifests/{tag}").headers["Docker-Content-Digest"] == pushed
    assert registry("HEAD", f"x/blobs/{digest(data)}").status == 404
    registry.stop()
    assert [name for name in os.listdir(path) if name.startswith(".work-")] == []
    for blob in blobs(path):
        content = Path(path, "blobs/sha256", blob[7:]).read_bytes()
        assert digest(content) == blob


FULL = """
set -e
mount -t tmpfs -o size={size} none {root}
exec {command}
"""


@pytest.mark.parametrize("storage", [False, True])
def test_a_full_disk(cli: Store, storage: bool) -> None:
    os.mkdir(cli.root)
    options = f"--storage {cli.root}/storage" if storage else ""
    command = f"{' '.join(cli.command)} registry serve --listen 127.0.0.1:0 {options}"
    script = FULL.format(size="4m", root=cli.root, command=command)
    cli.command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    cli.env["ROOTLESS_IDENTITY"] = "single"
    registry = Registry(cli)
    try:
        kept = registry.image("kept", "1")
        data = os.urandom(6 << 20)
        reply = registry("POST", f"x/blobs/uploads/?digest={digest(data)}", data)
        assert reply.status == 507
        assert "disk is full" in reply.json["errors"][0]["message"]
        # What was sent in vain is gone, so that others can go on.
        for number in range(3):
            small = layer({"f": os.urandom(700_000)})
            pushed = registry.image("small", "1", small)
            assert registry("DELETE", f"small/manifests/{pushed}").status == 202, number
            registry("DELETE", f"small/blobs/{digest(small)}")
        assert registry("HEAD", "kept/manifests/1").headers["Docker-Content-Digest"] == kept
    finally:
        code = registry.stop()
    assert code == 0


# -- removal meanwhile


def test_a_download_survives_the_removal_of_its_image(own: Registry) -> None:
    big = layer({"big": os.urandom(30 << 20)})
    own.image("big", "1", big)
    with socket.create_connection(("127.0.0.1", own.port), timeout=30) as sock:
        sock.sendall(
            f"GET /v2/big/blobs/{digest(big)} HTTP/1.1\r\nConnection: close\r\n\r\n".encode()
        )
        got = bytearray(sock.recv(1000))
        own.store.ok("rmi", "localhost/big:1")
        assert digest(big) not in blobs(f"{own.store.root}/images")
        while piece := sock.recv(1 << 20):
            got += piece
    assert digest(bytes(got).partition(b"\r\n\r\n")[2]) == digest(big)


def test_a_push_survives_the_removal_of_what_it_was_told_is_here(own: Registry) -> None:
    shared, mine = layer({"shared": os.urandom(1000)}), layer({"mine": b"1"})
    own.image("first", "1", shared)
    assert own("HEAD", f"second/blobs/{digest(shared)}").status == 200
    own.store.ok("rmi", "localhost/first:1")
    assert digest(shared) not in blobs(f"{own.store.root}/images")
    own_image = own.image
    push = own.blob

    def only_mine(name: str, data: bytes) -> str:
        return digest(data) if data == shared else push(name, data)

    own.blob = only_mine  # type: ignore[method-assign]
    own_image("second", "1", shared, mine)
    assert own("GET", f"second/blobs/{digest(shared)}").body == shared
    assert own.store.ok("system", "check") == ""


def test_pushes_and_removals_side_by_side(own: Registry) -> None:
    """Whatever comes in between, an image that was pushed is whole, or the push has failed."""
    layers = [layer({"n": str(number).encode() * 5000}) for number in range(4)]
    over = threading.Event()

    def remove() -> None:
        while not over.is_set():
            own.store("rmi", "-f", "localhost/race:1")

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for number in range(30):
            own.image("race", "1", *layers[: 1 + number % 4])
    finally:
        over.set()
        thread.join()
    own.image("race", "1", *layers)
    done = subprocess.run(
        [*own.store.command, "system", "check"], env=own.store.env, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")
