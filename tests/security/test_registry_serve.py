"""`registry serve` without passwords on a shared machine: what a neighbour may do, and what not.

He is a guest: he may read, and what he pushes has names of its own. The owner has the password
that is printed at the start.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.httpd import stream
from rootless.httpd.errors import Gone
from rootless.httpd.peers import peer_of
from rootless.httpd.request import Body
from rootless.oci import platform
from tests.oci.archives import digest, layer
from tests.registry.conftest import start as start
from tests.registry.serving_help import INDEX, MANIFEST, blobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Store
    from tests.registry.serving_help import Registry

pytestmark = pytest.mark.once

OFFLINE = ("run", "--rm", "--network", "none", "--pull", "never")


@contextlib.contextmanager
def as_guest(registry: Registry) -> Iterator[Registry]:
    """Ask as somebody who does not know the password."""
    owner, registry.owner = registry.owner, {}
    try:
        yield registry
    finally:
        registry.owner = owner


def try_push(registry: Registry, name: str, tag: str, document: bytes) -> int:
    """Push a manifest as a guest; the status."""
    kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    with as_guest(registry):
        return registry("PUT", f"{name}/manifests/{tag}", document, kind).status


@pytest.fixture
def filled(busybox: Store, start: Callable[..., Registry]) -> Registry:
    """A registry over a store with localhost/tools:1, which was loaded, and docker.io's busybox."""
    busybox.ok("tag", "busybox", "localhost/tools:1")
    busybox.ok("tag", "busybox", "docker.io/library/box:1")
    return start()


def an_index(*manifests: tuple[str, int]) -> bytes:
    """An index of manifests, digest and size, of which the first is for this machine."""
    machines = [platform.host().architecture, *["other"] * len(manifests)]
    entries = [
        {
            "mediaType": MANIFEST,
            "digest": one,
            "size": size,
            "platform": {"os": "linux", "architecture": machine},
        }
        for (one, size), machine in zip(manifests, machines, strict=False)
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


# -- names


def test_a_neighbour_puts_nothing_in_the_place_of_an_image(filled: Registry) -> None:
    """His code ran at the owner's next `run -v /home/me:/data tools:1`."""
    cli = filled.store
    listing = ("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
    before = cli.ok(*listing).splitlines()
    with as_guest(filled):
        evil = filled.image("evil", "1", layer({"evil": b"x"}))
        document = filled("GET", "evil/manifests/1").body
    for name in ("tools", "box", "library/box", "docker.io/library/box"):
        for reference in ("1", "2", "latest", evil):
            assert try_push(filled, name, reference, document) == 401, (name, reference)
        with as_guest(filled):
            for body in (b"", b"data"):
                path = f"{name}/blobs/uploads/" + (f"?digest={digest(body)}" if body else "")
                assert filled("POST", path, body).status == 401
            assert filled("POST", f"{name}/blobs/uploads/?mount={evil}").status == 401
    after = cli.ok(*listing).splitlines()
    assert [line for line in after if "evil" not in line] == before
    assert cli.ok(*OFFLINE, "tools:1", "echo", "mine") == "mine"
    with as_guest(filled):
        assert filled("HEAD", "tools/manifests/2").status == 404


def test_a_neighbour_deletes_nothing_that_was_not_pushed(filled: Registry) -> None:
    found = filled("HEAD", "tools/manifests/1").headers["Docker-Content-Digest"]
    manifest = filled("GET", "tools/manifests/1").json
    parts = [manifest["config"]["digest"], *(one["digest"] for one in manifest["layers"])]
    with as_guest(filled):
        for name in ("tools", "box", "library/box"):
            for reference in ("1", found):
                assert filled("DELETE", f"{name}/manifests/{reference}").status == 401
        for name in ("tools", "guests/own"):
            for blob in (found, *parts):
                assert filled("DELETE", f"{name}/blobs/{blob}").status == 401
        assert filled("DELETE", f"guests/own/manifests/{found}").status == 404
    assert filled.store.ok(*OFFLINE, "tools:1", "echo", "mine") == "mine"
    assert filled.store.ok("system", "check") == ""


def test_what_a_guest_pushes_has_a_name_that_nothing_leads_to(filled: Registry) -> None:
    cli = filled.store
    with as_guest(filled):
        for name in (
            "apps/x",
            "x",
            "library/x",
            "docker.io/library/x",
            "localhost/x",
            "a.example/x",
        ):
            pushed = filled.image(name, "latest", layer({"x": name.encode()}))
            got = filled("HEAD", f"{name}/manifests/latest")
            assert got.headers["Docker-Content-Digest"] == pushed
            assert cli.ok("inspect", "--format", "{{.Id}}", f"pushed.localhost/{name}") != ""
    for name in ("x", "apps/x", "library/x", "localhost/x", "docker.io/library/x", "a.example/x"):
        assert cli("inspect", "--type", "image", name).returncode != 0, name
        assert "No such image" in cli(*OFFLINE, name, "true").stderr, name
    listed = cli.ok("images", "--format", "{{.Repository}}").splitlines()
    assert sum(name.startswith("pushed.localhost/") for name in listed) == 6


def test_a_guest_works_on_what_is_his(filled: Registry) -> None:
    """Push, pull, push again and delete: what a registry without passwords is for."""
    with as_guest(filled):
        for content in (b"1", b"2"):
            pushed = filled.image("mine", "1", layer({"x": content}))
            got = filled("HEAD", "mine/manifests/1").headers["Docker-Content-Digest"]
            assert got == pushed
        assert filled("GET", "mine/tags/list").json["tags"] == ["1"]
        assert filled("DELETE", "mine/manifests/1").status == 202
        assert filled("DELETE", f"mine/manifests/{pushed}").status == 202
        assert filled("GET", "mine/manifests/1").status == 404


def test_a_repository_that_becomes_the_owners(filled: Registry) -> None:
    """What a guest left there is not shown among what is the owner's, under no tag."""
    with as_guest(filled):
        theirs = filled.image("later", "latest", layer({"x": b"theirs"}))
        document = filled("GET", f"later/manifests/{theirs}").body
    own = filled.image("later", "1", layer({"x": b"mine"}))
    for asked in (contextlib.nullcontext(), as_guest(filled)):
        with asked:
            assert filled("GET", "later/tags/list").json["tags"] == ["1"]
            assert filled("HEAD", "later/manifests/latest").status == 404
            assert filled("HEAD", f"later/manifests/{theirs}").status == 404
            assert filled("HEAD", f"later/manifests/{own}").status == 200
    assert try_push(filled, "later", "latest", document) == 401
    assert "localhost/later" in filled.store.ok("images")


def test_an_image_without_a_name_stays_though_a_guest_pushes_and_deletes_it(
    filled: Registry,
) -> None:
    own = filled.image("tools", "", layer({"x": b"unnamed"}))
    filled.image("tools", "9", layer({"x": b"unnamed"}))
    filled.store.ok("untag", "localhost/tools:9")
    with as_guest(filled):
        assert filled.image("copy", "1", layer({"x": b"unnamed"})) == own
        assert filled("DELETE", f"copy/manifests/{own}").status == 202
    assert filled("HEAD", f"tools/manifests/{own}").status == 200
    assert "<none>" in filled.store.ok("images", "-a")


def test_an_image_stays_though_a_guest_deletes_another_manifest_of_it(filled: Registry) -> None:
    """With an annotation more a manifest has another digest, and the image the same id."""
    filled.image("alone", "1", layer({"x": b"mine"}))
    document = json.dumps({**filled("GET", "alone/manifests/1").json, "annotations": {"x": "y"}})
    other = digest(document.encode())
    assert try_push(filled, "copy", other, document.encode()) == 201
    with as_guest(filled):
        assert filled("DELETE", f"copy/manifests/{other}").status == 202
        assert filled("HEAD", f"copy/manifests/{other}").status == 404
    assert filled("HEAD", "alone/manifests/1").status == 200
    assert filled.store.ok("image", "exists", "localhost/alone:1") == ""
    assert filled.store.ok("system", "check") == ""


def test_an_image_stays_though_a_guest_deletes_the_index_that_it_was_pulled_by(
    cli: Store, start: Callable[..., Registry], tmp_path: Path
) -> None:
    first = start("--storage", str(tmp_path / "registry"))
    child = first.image("many", "", layer({"x": b"mine"}))
    size = len(first("GET", f"many/manifests/{child}").body)
    assert first.manifest("many", "1", json.loads(an_index((child, size)))).status == 201
    name = f"{first.address}/many:1"
    cli.ok("pull", "--tls-verify=false", name)
    second = start()
    document = second("GET", "many/manifests/1").body
    with as_guest(second):
        kind = {"Content-Type": INDEX}
        assert second("PUT", "copy/manifests/1", document, kind).status == 201
        assert second("DELETE", f"copy/manifests/{digest(document)}").status == 202
    assert second("HEAD", "many/manifests/1").status == 200
    assert cli.ok("image", "exists", name) == ""
    assert cli.ok("system", "check") == ""


@pytest.mark.parametrize("storage", ["own", "directory"])
@pytest.mark.parametrize("junk", [b"no JSON", b"[]", b'{"layers": 5}', b'{"manifests": [{}]}'])
def test_the_owner_goes_on_to_delete_though_a_guest_pushes_indexes_of_junk(
    cli: Store, start: Callable[..., Registry], tmp_path: Path, storage: str, junk: bytes
) -> None:
    """What cannot be read might need anything, so that nothing was thrown away any more."""
    directory = storage == "directory"
    registry = start(*(("--storage", str(tmp_path / "registry")) if directory else ()))
    kept = f"{tmp_path}/registry" if directory else f"{cli.root}/images"
    with as_guest(registry):
        child = registry.image("theirs", "1", layer({"x": b"theirs"}))
        size = len(registry("GET", f"theirs/manifests/{child}").body)
        registry.blob("theirs", junk)
        nested = an_index((child, size), (digest(junk), len(junk)))
        registry.blob("theirs", nested)
        for second in (digest(junk), digest(nested), digest(b"not here yet")):
            document = json.loads(an_index((child, size), (second, 9)))
            assert registry.manifest("theirs", "2", document).status == 400
    own = registry.image("mine", "1", layer({"x": b"mine"}))
    assert registry("DELETE", f"mine/manifests/{own}").status == 202
    assert own not in blobs(kept)


def test_a_directory_keeps_what_guests_did_not_push(
    cli: Store, start: Callable[..., Registry]
) -> None:
    """--storage: tags from before, and those of whoever has the password."""
    registry = start("--storage", f"{cli.directory}/storage")
    own = registry.image("app", "1", layer({"x": b"mine"}))
    with as_guest(registry):
        evil = registry.image("evil", "1", layer({"x": b"evil"}))
        document = registry("GET", "evil/manifests/1").body
    for reference in ("1", "latest", evil):
        assert try_push(registry, "app", reference, document) == 401
    with as_guest(registry):
        for reference in ("1", own):
            assert registry("DELETE", f"app/manifests/{reference}").status == 401
        assert registry("DELETE", f"evil/blobs/{digest(layer({'x': b'mine'}))}").status == 401
        assert registry("DELETE", f"evil/manifests/{evil}").status == 202
        again = registry.image("evil", "1", layer({"x": b"evil"}))
    assert registry("HEAD", "app/manifests/1").headers["Docker-Content-Digest"] == own
    # Whose something is does not depend on the process.
    registry.stop()
    registry = start("--storage", f"{cli.directory}/storage")
    assert try_push(registry, "app", "1", document) == 401
    assert try_push(registry, "evil", "2", document) == 201
    registry.image("evil", "3", layer({"x": b"mine now"}))
    assert registry("GET", "evil/tags/list").json["tags"] == ["3"]
    assert registry("HEAD", f"evil/manifests/{again}").status == 404
    assert registry("DELETE", f"evil/manifests/{again}").status == 202


# -- the password


def test_it_is_said_at_the_start_and_is_another_each_time(
    cli: Store, start: Callable[..., Registry]
) -> None:
    first, second = start(), start("--storage", f"{cli.directory}/storage")
    assert "pushed.localhost/" in first.terms
    assert "nothing is yours" in second.terms
    assert len(first.token) == 32
    assert first.token != second.token
    assert first("GET", "/v2/").status == 200
    with as_guest(first):
        for header in (f"Bearer {second.token}", "Bearer", "Bearer x", "Basic !", "Basic bWU6eA=="):
            reply = first("GET", "/v2/_catalog", headers={"Authorization": header})
            assert (reply.status, reply.code) == (401, "UNAUTHORIZED"), header
        reply = first("GET", "/v2/")
        realm = f'Bearer realm="http://127.0.0.1:{first.port}/token"'
        assert reply.headers["WWW-Authenticate"].startswith(realm)
        assert first("GET", "/token").json["token"] == "guest"
        quoted = first("GET", "/v2/", headers={"Host": '127.0.0.1",x="'})
        assert "WWW-Authenticate" not in quoted.headers
    assert first.token not in first.errors()


@pytest.mark.needs("skopeo", "podman")
def test_clients_log_in_with_it(filled: Registry, busybox_image: str, tmp_path: Path) -> None:
    """podman, skopeo and rootless; without it they go on as guests."""
    cli, source = filled.store, f"oci:{busybox_image}:busybox:latest"
    auth = str(tmp_path / "auth.json")
    plain = ("--tls-verify=false", "--authfile", auth)
    line = ("login", *plain, "-u", "me", "--password-stdin", filled.address)
    # podman remembers below HOME where it ran first, and makes that directory anew.
    env = {**cli.env, "HOME": cli.directory}
    for program in (["skopeo"], ["podman"], cli.command):
        for password, code in ((filled.token, True), ("wrong", False)):
            Path(auth).unlink(missing_ok=True)
            done = subprocess.run(
                [*program, *line], input=password, env=env, capture_output=True, text=True
            )
            assert (done.returncode == 0) is code, done.stderr
    copy = ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", source]
    target = f"docker://{filled.address}/tools:2"
    denied = subprocess.run([*copy, target], capture_output=True, text=True)
    assert "belongs to the owner" in denied.stderr
    subprocess.run([*copy, "--dest-creds", f"me:{filled.token}", target], check=True)
    refused = cli("push", "-q", "localhost/tools:2", f"{filled.address}/tools:3")
    assert "belongs to the owner" in refused.stderr
    creds = ("--creds", f"me:{filled.token}")
    cli.ok("push", "-q", *creds, "localhost/tools:2", f"{filled.address}/tools:3")
    assert filled("GET", "tools/tags/list").json["tags"] == ["1", "2", "3"]
    # And as guests, with the same names for push and pull.
    subprocess.run([*copy, f"docker://{filled.address}/guest/app:1"], check=True)
    cli.ok("pull", "-q", f"{filled.address}/guest/app:1")
    assert "pushed.localhost/guest/app" in cli.ok("images")


# -- web pages


def test_a_foreign_host_is_refused(cli: Store, start: Callable[..., Registry]) -> None:
    """DNS rebinding: a page whose name leads to 127.0.0.1 read the names of private images."""
    registry = start()
    port = registry.port
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
    ):
        for path in ("/v2/_catalog", "/v2/", "/token", "/v2/x/tags/list"):
            reply = registry("GET", path, headers={"Host": host})
            assert (reply.status, reply.code) == (403, "DENIED"), host
    names = ("localhost", "LocalHost.", "127.0.0.1", "[::1]", "x.localhost", os.uname().nodename)
    for host in names:
        for name in (host, f"{host}:{port}"):
            assert registry("GET", "/v2/_catalog", headers={"Host": name}).status == 200, name
    twice = b"GET /v2/_catalog HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert registry.raw(twice).startswith(b"HTTP/1.1 400 ")


def test_what_a_browser_sends_for_a_page_is_refused(start: Callable[..., Registry]) -> None:
    registry = start()
    for name, value in (
        ("Origin", "http://localhost:8080"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Site", "same-origin"),
    ):
        reply = registry("GET", "/v2/_catalog", headers={name: value})
        assert (reply.status, reply.code) == (403, "DENIED"), value
    typed = registry("GET", "/v2/_catalog", headers={"Sec-Fetch-Site": "none"})
    assert typed.status == 200


@pytest.mark.needs("htpasswd")
def test_with_passwords_any_name_will_do(start: Callable[..., Registry], tmp_path: Path) -> None:
    """Behind a proxy it has names that this machine does not know; a page has no password."""
    users = str(tmp_path / "users")
    line = ["htpasswd", "-cbB", "-C", "5", users, "alice", "secret"]
    subprocess.run(line, check=True, capture_output=True)
    registry = start("--htpasswd", users)
    host = {"Host": "registry.example"}
    assert registry("GET", "/v2/_catalog", headers=host).status == 401
    basic = {**host, "Authorization": "Basic YWxpY2U6c2VjcmV0"}
    assert registry("GET", "/v2/_catalog", headers=basic).status == 200
    assert registry("GET", "/token", headers=basic).status == 404


# -- bodies that can be read in two ways

BAD_LENGTHS = ["+1", "-1", "1_0", "0x1", "1 1", "1,1", "\N{SUPERSCRIPT ONE}", "9" * 30, ""]


@pytest.mark.parametrize("length", BAD_LENGTHS)
def test_lengths_that_are_none(start: Callable[..., Registry], length: str) -> None:
    """Of bodies and of chunks: int() takes signs, underscores, and the digits of all scripts."""
    registry = start()
    location = registry("POST", "x/blobs/uploads/").location
    fields = (f"Content-Length: {length}", f"Transfer-Encoding: chunked\r\n\r\n{length}")
    for field in fields[1:] if length in ("0x1", "") else fields:
        head = f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n"
        answer = registry.raw((head + "\r\n" * (field is fields[0]) + "x" * 50).encode("latin-1"))
        assert answer.startswith(b"HTTP/1.1 400 "), field
        assert answer.count(b"HTTP/1.1 ") == 1


def test_two_lengths_and_no_end(start: Callable[..., Registry]) -> None:
    """Request smuggling, and trailers and headers that do not end."""
    registry = start()
    location = registry("POST", "x/blobs/uploads/").location
    head = f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\n"
    chunked = "Transfer-Encoding: chunked\r\n"
    for rest, status in (
        (f"{chunked}Content-Length: 3\r\n\r\n0\r\n\r\n", b"400"),
        (f"Content-Length: 3\r\n{chunked}\r\n0\r\n\r\n", b"400"),
        (f"{chunked}{chunked}\r\n0\r\n\r\n", b"400"),
        ("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", b"400"),
        ("Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", b"400"),
        (f"{chunked}\r\n0\r\n" + "A: b\r\n" * 10_000, b"400"),
        (f"{chunked}\r\n1;" + "x" * 100_000, b"400"),
        ("A: b\r\n" * 10_000, b"431"),
    ):
        answer = registry.raw((head + rest).encode(), wait=False)
        assert answer.startswith(b"HTTP/1.1 " + status), rest[:60]
        assert answer.count(b"HTTP/1.1 ") == 1


# -- shares

CROWD = """
import os, socket, sys
kind, port = sys.argv[1], int(sys.argv[2])
held = []
for number in range(300):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.settimeout(20)
    try:
        sock.sendall(b"POST /v2/x/blobs/uploads/ HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
        answer = sock.recv(4096).decode() if len(held) < 64 or kind == "begun" else ""
        if kind == "begun":
            sock.close()
            held += [number] if " 202 " in answer else []
            continue
        place = answer.partition("Location: ")[2].partition("\\r\\n")[0] or "/v2/x"
        head = f"PATCH {place} HTTP/1.1\\r\\nHost: localhost\\r\\n"
        sock.sendall(head.encode() + b"Content-Length: 1000000\\r\\n\\r\\nx")
    except OSError:
        pass
    held.append(sock)
print(len(held), flush=True)
sys.stdin.read()
"""


@pytest.mark.modes("mapped")
@pytest.mark.needs("ip", "nsenter", "unshare")
@pytest.mark.parametrize("kind", ["slow", "begun"])
def test_nobody_has_more_than_his_share(cli: Store, kind: str) -> None:
    """300 slow uploads of one user, or 300 that were only begun, locked all others out.

    Two users of loopback, in a user namespace and a network of their own.
    """
    from tests.registry.serving_help import Registry

    inner = f'ip link set lo up && exec {" ".join(cli.command)} "$@"'
    cli.command = ["unshare", "--user", "--map-root-user", "--map-auto", "--net"]
    cli.command += ["sh", "-c", inner, "rootless"]
    cli.env["ROOTLESS_IDENTITY"] = "single"
    registry = Registry(cli, "--storage", f"{cli.directory}/storage")
    here = ["nsenter", "--target", str(registry.process.pid), "--user", "--net"]
    line = [*here, "--setuid", "1", "--setgid", "1", sys.executable, "-c", CROWD]
    line += [kind, str(registry.port)]
    crowd = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert crowd.stdout is not None
        held = int(crowd.stdout.readline())
        assert held == (300 if kind == "slow" else 64)
        script = (
            "import http.client, sys\n"
            f"c = http.client.HTTPConnection('127.0.0.1', {registry.port}, timeout=30)\n"
            "c.request('POST', '/v2/y/blobs/uploads/')\n"
            "print(c.getresponse().status)\n"
        )
        asked = [*here, "--setuid", "0", "--setgid", "0", sys.executable, "-c", script]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
        assert done.stdout == "202\n", done.stderr
    finally:
        crowd.communicate()
        code = registry.stop()
    assert code == 0


def test_whom_a_connection_counts_for() -> None:
    """On this machine for the user whose socket it is, whatever address of loopback he takes."""
    for family, host, source in (
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "127.0.0.1", "127.9.9.9"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::ffff:127.0.0.1", "127.8.8.8"),
    ):
        with socket.socket(family) as listener:
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind((host, 0))
            listener.listen()
            there = (host.removeprefix("::ffff:"), listener.getsockname()[1])
            with socket.create_connection(there, source_address=(source, 0)):
                connection, _ = listener.accept()
                with connection:
                    assert peer_of(connection) == f"user {os.getuid()}", source


# -- a floor of speed


def test_a_client_that_takes_a_blob_slowly_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that reads a little now and then, and one that reads nothing."""
    monkeypatch.setattr(stream, "IDLE_TIME", 0.5)
    monkeypatch.setattr(stream, "SLOWEST", 64 << 20)
    big = tmp_path / "big"
    big.touch()
    os.truncate(big, 1 << 30)
    for sip in (0, 100_000):
        ours, theirs = socket.socketpair()
        over = threading.Event()
        drink = threading.Thread(target=sipping, args=(ours, sip, over))
        drink.start()
        try:
            with ours, theirs, open(big, "rb") as file:
                theirs.settimeout(30)
                with pytest.raises(Gone):
                    stream.Stream(theirs).send_file(file.fileno(), 0, 1 << 30)
                over.set()
        finally:
            over.set()
            drink.join()


def sipping(sock: socket.socket, size: int, over: threading.Event) -> None:
    """Read a little from a socket from time to time."""
    while not over.wait(0.05):
        with contextlib.suppress(OSError):
            if size:
                sock.recv(size)


def test_a_client_that_drips_the_length_of_a_chunk_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bytes that are none of the body count as little as none at all."""
    monkeypatch.setattr(stream, "IDLE_TIME", 0.3)
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.02):
            with contextlib.suppress(OSError):
                ours.send(b"0")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with ours, theirs:
            theirs.settimeout(30)
            body = Body(stream.Stream(theirs), 0, chunked=True, expected=False)
            with pytest.raises(Gone):
                body.read()
            over.set()
    finally:
        over.set()
        thread.join()
