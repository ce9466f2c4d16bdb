"""The server as a process: real clients, TLS, limits, its end; a process for each connection."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from echo import Echo

from rootless.httpd import server, tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Program

    Start = Callable[..., Program]


@pytest.fixture
def path(place: str) -> str:
    return f"{place}/sock"


def curl(*arguments: str, data: bytes = b"") -> bytes:
    """Run curl, which must succeed; what it printed."""
    done = subprocess.run(["curl", "-sS", *arguments], input=data, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dialled(path: str, *, timeout: float = 20) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    sock.connect(path)
    return sock


def exchange(sock: socket.socket, data: bytes, end: bytes) -> bytes:
    """Send something, and read until something comes."""
    sock.sendall(data)
    got = b""
    while not got.endswith(end):
        piece = sock.recv(1 << 16)
        assert piece, got
        got += piece
    return got


HELLO = b"GET /hello HTTP/1.1\r\n\r\n"
ATTACH = b"POST /attach HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


# -- clients


@pytest.mark.needs("curl")
def test_curl(program: Start, path: str) -> None:
    one = program("unix", path)
    assert one.line() == path
    there = ("--unix-socket", path)
    both = curl(*there, "http://d/hello", "http://d/who")
    assert both == f"hellouser {os.getuid()} {one.process.pid}".encode()
    data = os.urandom(3 << 20)
    assert curl(*there, "-T", "-", "-X", "POST", "http://d/echo", data=data) == data
    leave = ("-H", "Expect: 100-continue", "--data-binary", "@-")
    assert curl(*there, *leave, "http://d/whole", data=data[:1000]) == data[:1000]
    assert curl(*there, "-0", "--data-binary", "@-", "http://d/echo", data=b"old") == b"old"
    assert one.stop() == 0
    assert not os.path.exists(path)


@pytest.mark.needs("curl")
@pytest.mark.parametrize("asks", [True, False])
def test_curl_reads_what_comes_after_http(program: Start, path: str, asks: bool) -> None:
    program("unix", path).line()
    asked = ["-H", "Connection: Upgrade", "-H", "Upgrade: tcp"] if asks else []
    line = ["--unix-socket", path, "-i", *asked, "-X", "POST", "http://d/greet"]
    got = curl(*line)
    assert got.startswith(b"HTTP/1.1 101 UPGRADED\r\n" if asks else b"HTTP/1.1 200 OK\r\n")
    assert got.endswith(b"\r\n\r\nand no HTTP any more\n")


def test_a_web_client_attaches_over_tcp(program: Start) -> None:
    """http.client: the socket is its user's after the answer, and half of it may be closed."""
    port = int(program("tcp", "127.0.0.1").line())
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(client):
        asks = {"Connection": "Upgrade", "Upgrade": "tcp"}
        client.request("POST", "/attach", b"{}", asks)
        response = client.getresponse()
        assert response.status == 101
        assert exchange(client.sock, b"some ", b"SOME ") == b"SOME "
        client.sock.shutdown(socket.SHUT_WR)
        assert client.sock.recv(100) == b"5 bytes"
        assert client.sock.recv(100) == b""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_client_that_goes_is_told_to_the_service(program: Start, host: str) -> None:
    one = program("tcp", host)
    port = int(one.line())
    with socket.create_connection((host, port), timeout=20) as sock:
        exchange(sock, b"GET /events HTTP/1.1\r\n\r\n", b"begin\n\r\n")
    begun = time.monotonic()
    assert one.line() == "events gone"
    assert time.monotonic() - begun < 10


# -- limits


@pytest.mark.parametrize("sooner", [True, False])
def test_a_connection_that_is_idle_makes_room(program: Start, path: str, sooner: bool) -> None:
    """Be it idle when another comes, or only later."""
    program("unix", path, "2", "64").line()
    first, second = dialled(path), dialled(path)
    with first, second:
        for one in (first, second):
            exchange(one, b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\n", b"\r\n\r\n")
        if sooner:
            exchange(second, b"x", b"0\r\n\r\n")
            time.sleep(0.1)
        with dialled(path) as third:
            third.sendall(HELLO)
            if not sooner:
                time.sleep(0.1)
                exchange(second, b"x", b"0\r\n\r\n")
            assert exchange(third, b"", b"hello").startswith(b"HTTP/1.1 200 ")
            assert second.recv(1) == b""
            exchange(first, b"x", b"0\r\n\r\n")


@pytest.mark.parametrize("limits", [("1", "64"), ("64", "1")])
def test_a_client_is_told_that_its_place_is_wanted(
    program: Start, path: str, limits: tuple[str, str]
) -> None:
    program("unix", path, *limits).line()
    with dialled(path) as first:
        exchange(first, HELLO, b"hello")
        first.sendall(b"POST /whole HTTP/1.1\r\nContent-Length: 4\r\n\r\n")
        time.sleep(0.1)  # it is read before another comes, or it would count as idle
        with dialled(path) as second:
            second.sendall(HELLO)
            time.sleep(0.1)
            assert b"\r\nConnection: close\r\n" in exchange(first, b"body", b"body")
            first.close()
            assert b"Connection: close" not in exchange(second, b"", b"hello")


def test_what_is_taken_over_counts_and_is_nobodys_to_close(program: Start, path: str) -> None:
    program("unix", path, "2", "64").line()
    taken = [dialled(path) for _ in range(2)]
    with taken[0], taken[1], contextlib.ExitStack() as stack:
        for one in taken:
            exchange(one, ATTACH, b"\r\n\r\n")
        third = stack.enter_context(dialled(path, timeout=0.5))
        third.sendall(HELLO)
        with pytest.raises(TimeoutError):
            third.recv(1)
        for one in taken:
            assert exchange(one, b"alive", b"ALIVE") == b"ALIVE"
        taken[0].close()
        third.settimeout(20)
        assert third.recv(100).startswith(b"HTTP/1.1 200 ")
        assert exchange(taken[1], b"alive", b"ALIVE") == b"ALIVE"


def test_what_is_taken_over_may_go_elsewhere(program: Start, path: str) -> None:
    """The service gives the socket to another thread, and is done: nobody closes or counts it."""
    one = program("unix", path, "1", "64")
    one.line()
    with dialled(path) as taken:
        exchange(taken, b"POST /handed HTTP/1.1\r\n\r\n", b"\r\n\r\n")
        with dialled(path) as second:
            exchange(second, HELLO, b"hello")
        assert one.line() == "unix POST /handed 200"
        assert exchange(taken, b"alive", b"ALIVE") == b"ALIVE"


def test_what_is_taken_over_does_not_delay_the_end(program: Start, path: str) -> None:
    one = program("unix", path)
    one.line()
    with dialled(path) as taken, dialled(path) as idle:
        exchange(taken, ATTACH, b"\r\n\r\n")
        exchange(idle, HELLO, b"hello")
        begun = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - begun < 4


# -- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1, and its key."""
    crt, key = f"{tmp_path}/crt", f"{tmp_path}/key"
    line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    line += ["-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    line += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", crt, "-keyout", key]
    subprocess.run(line, check=True, capture_output=True, timeout=60)
    return crt, key


@pytest.fixture
def secure(program: Start, certificate: tuple[str, str]) -> Iterator[tuple[int, ssl.SSLContext]]:
    """The port of a server with TLS, and what trusts it."""
    one = program("tls", *certificate)
    yield int(one.line()), ssl.create_default_context(cafile=certificate[0])
    assert one.stop() == 0


@contextlib.contextmanager
def encrypted(secure: tuple[int, ssl.SSLContext]) -> Iterator[ssl.SSLSocket]:
    port, trusting = secure
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as sock,
        trusting.wrap_socket(sock, server_hostname="127.0.0.1") as done,
    ):
        yield done


@pytest.mark.needs("openssl", "curl")
def test_tls(
    program: Start, certificate: tuple[str, str], secure: tuple[int, ssl.SSLContext]
) -> None:
    port, _ = secure
    url = f"https://127.0.0.1:{port}"
    assert curl("--cacert", certificate[0], f"{url}/hello", f"{url}/hello") == b"hellohello"
    data = os.urandom(1 << 20)
    there = ("--cacert", certificate[0], "-T", "-", "-X", "POST")
    assert curl(*there, f"{url}/echo", data=data) == data
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        plain.sendall(HELLO)
        with contextlib.suppress(ConnectionResetError):
            assert b"hello" not in plain.recv(1000)
    with encrypted(secure) as sock:
        path = certificate[0]
        asked = f"GET /file?path={path} HTTP/1.1\r\nConnection: close\r\n\r\n".encode()
        assert exchange(sock, asked, b"-----END CERTIFICATE-----\n")


@pytest.mark.needs("openssl")
def test_tls_is_taken_over(secure: tuple[int, ssl.SSLContext]) -> None:
    with encrypted(secure) as sock:
        assert exchange(sock, ATTACH + b"early ", b"EARLY ").startswith(b"HTTP/1.1 101 ")
        assert exchange(sock, b"late", b"LATE") == b"LATE"


@pytest.mark.needs("openssl")
def test_a_client_of_tls_ends_only_its_sending(secure: tuple[int, ssl.SSLContext]) -> None:
    """By close_notify, after which it still reads (RFC 8446, 6.1)."""
    port, trusting = secure
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    inside = trusting.wrap_bio(coming, going, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:

        def moved(step: Callable[..., Any], *args: object) -> Any:
            """The result of a step, once what it needs has come and what it made is sent."""
            while True:
                try:
                    return step(*args)
                except ssl.SSLWantReadError:
                    sock.sendall(going.read())
                    coming.write(sock.recv(1 << 16))
                finally:
                    sock.sendall(going.read())

        moved(inside.do_handshake)
        moved(inside.write, b"POST /attach HTTP/1.1\r\n\r\nearly")
        got = b""
        while not got.endswith(b"EARLY"):
            got += moved(inside.read, 1000)
        with contextlib.suppress(ssl.SSLWantReadError):
            inside.unwrap()
        sock.sendall(going.read())
        assert moved(inside.read, 1000) == b"5 bytes"


@pytest.mark.needs("openssl")
def test_a_client_of_tls_that_goes(program: Start, certificate: tuple[str, str]) -> None:
    one = program("tls", *certificate)
    trusting = ssl.create_default_context(cafile=certificate[0])
    with encrypted((int(one.line()), trusting)) as sock:
        exchange(sock, b"GET /events HTTP/1.1\r\n\r\n", b"begin\n\r\n")
    assert one.line() == "events gone"


@pytest.mark.needs("openssl")
def test_a_handshake_that_does_not_come_is_in_nobodys_way(
    program: Start, certificate: tuple[str, str]
) -> None:
    """Who says nothing holds up neither others, though all places are taken, nor the end."""
    one = program("tls", *certificate)
    port = int(one.line())
    trusting = ssl.create_default_context(cafile=certificate[0])
    with contextlib.ExitStack() as opened:
        for _ in range(server.SHARE):
            opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        begun = time.monotonic()
        with encrypted((port, trusting)) as sock:
            exchange(sock, HELLO, b"hello")
        assert time.monotonic() - begun < 5
        begun = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - begun < 4


def test_an_end_that_is_asked_for_twice() -> None:
    one = server.Server(Echo(print), [])
    one.stop()
    one.serve()
    one.stop()


@pytest.mark.needs("openssl")
def test_certificates_that_are_of_no_use(certificate: tuple[str, str], tmp_path: Path) -> None:
    crt, key = certificate
    with pytest.raises(FileNotFoundError) as missing:
        tls.context(f"{tmp_path}/none")
    assert missing.value.filename == f"{tmp_path}/none"
    with pytest.raises(ValueError, match="no certificate in it, or no key"):
        tls.context(crt)
    locked = f"{tmp_path}/locked"
    line = ["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", key, "-out", locked]
    subprocess.run(line, check=True, capture_output=True, timeout=60)
    with pytest.raises(ValueError, match="its key is encrypted"):
        tls.context(crt, locked)


# -- a process for each connection


def test_a_process_for_each_connection(program: Start, path: str) -> None:
    """No thread, no server: `serve_connection` is all that a front end of another kind needs."""
    one = program("fork", path)
    assert one.line() == path
    found = []
    for _ in range(2):
        with dialled(path) as sock:
            client = http.client.HTTPConnection("d")
            client.sock = sock
            for _ in range(2):
                client.request("GET", "/who")
                found.append(client.getresponse().read().decode())
    assert found[0] == found[1] != found[2] == found[3]
    assert f"user {os.getuid()} {one.process.pid}" not in found
    for data in (b"", b"GET /he", HELLO, ATTACH) * 5:
        with dialled(path) as sock:
            sock.sendall(data)
    with dialled(path) as sock:
        exchange(sock, ATTACH, b"\r\n\r\n")
        assert exchange(sock, b"alive", b"ALIVE") == b"ALIVE"
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b"5 bytes"
