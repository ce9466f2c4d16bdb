"""Containers on a network of their own: the real command, real programs on both sides."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.netstack import addresses
from tests import ports
from tests.containers.leavings import assert_nothing_left, supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

pytestmark = [pytest.mark.needs("/dev/net/tun"), pytest.mark.once]

GUEST, GATEWAY = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
LOOPBACK = ["--network", "private:host-loopback=on"]
WEB = "mkdir /w; echo served > /w/index.html; exec httpd -f -p {port} -h /w"


@pytest.fixture
def port() -> Iterator[int]:
    """A port of the loopback on which "hello" is said to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def serve() -> None:
            try:
                while True:
                    peer, _ = server.accept()
                    peer.sendall(b"hello\n")
                    peer.close()
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def get(address: str) -> str:
    """Fetch a page, from a server that may just be starting."""
    deadline = time.monotonic() + 15
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
                return str(answer.read().decode().strip())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.mark.each
def test_what_is_there(busybox: Store) -> None:
    said = busybox.ok("run", "--rm", "busybox", "sh", "-c", "ip addr show eth0; ip route")
    assert "inet 10.0.2.100/24" in said
    assert "inet6 fd00::100/64" in said
    assert "mtu 65520" in said
    assert "default via 10.0.2.2 dev eth0" in said


PING = """
import socket, sys
version6 = ":" in sys.argv[1]
family, protocol = (socket.AF_INET6, 58) if version6 else (socket.AF_INET, 1)
sock = socket.socket(family, socket.SOCK_DGRAM, protocol)
sock.settimeout(20)
sock.sendto(bytes([128 if version6 else 8]) + bytes(7) + b"echo", (sys.argv[1], 0))
print(sock.recv(100)[8:].decode())
"""


@pytest.mark.parametrize("gateway", ["10.0.2.2", "fd00::2"])
@pytest.mark.each
def test_root_may_ping(busybox: Store, gateway: str) -> None:
    """Without CAP_NET_RAW, by a ping socket: icmp(7)."""
    assert busybox.ok("run", "--rm", "host", "python3", "-c", PING, gateway) == "echo"


@pytest.mark.modes("mapped")
def test_who_may_ping_is_a_matter_of_taste(busybox: Store) -> None:
    name = "net.ipv4.ping_group_range"
    look = ["busybox", "cat", "/proc/sys/" + name.replace(".", "/")]
    assert busybox.ok("run", "--rm", *look).split() == ["0", "0"]
    assert busybox.ok("run", "--rm", "--network", "none", *look).split() == ["0", "0"]
    nobody = ["--sysctl", f"{name}=1 0"]
    assert busybox.ok("run", "--rm", *nobody, *look).split() != ["0", "0"]


def test_a_link_address_and_the_images_name_servers(busybox: Store) -> None:
    script = "cat /sys/class/net/eth0/address; cat /etc/resolv.conf; " + WEB.format(port=80)
    options = ["--mac-address", "92:d0:c6:0a:29:33", "--dns", "none", "-p", "127.0.0.1::80"]
    busybox.ok("run", "-d", "--name", "web", *options, "busybox", "sh", "-c", script)
    assert get(busybox.ok("port", "web", "80")) == "served"
    done = busybox("logs", "web")
    assert done.stdout == "92:d0:c6:0a:29:33\n"
    assert "resolv.conf" in done.stderr  # there is none in the image
    busybox.ok("rm", "-f", "web")


def test_settings(busybox: Store) -> None:
    network = ["--network", "private:cidr=172.30.0.0/16,mtu=1500,ipv6=off"]
    said = busybox.ok("run", "--rm", *network, "busybox", "ip", "addr", "show", "eth0")
    assert "inet 172.30.0.100/16" in said
    assert "mtu 1500" in said
    assert "inet6" not in said


def test_the_hosts_loopback_by_wish_alone(busybox: Store, port: int) -> None:
    line = ["busybox", "nc", "host.containers.internal", str(port)]
    assert busybox.ok("run", "--rm", *LOOPBACK, *line) == "hello"
    for target in ("host.containers.internal", "127.0.0.1"):
        done = busybox("run", "--rm", "busybox", "nc", "-w", "5", target, str(port), timeout=30)
        assert done.returncode == 1
        assert done.stdout == ""


def test_the_host_by_its_name(busybox: Store) -> None:
    """What listens on all addresses of the host is there, without a wish, as by podman."""
    own = addresses.of_host()
    if not own or own.startswith("10.0.2."):
        pytest.skip("this machine has no address of its own that means something inside")
    with socket.create_server(("", 0)) as server:
        server.settimeout(30)
        line = ["run", "-d", "--add-host", "up:host-gateway", "busybox", "sh", "-c"]
        port = server.getsockname()[1]
        busybox.ok(*line, f"nc host.containers.internal {port}; nc up {port}")
        for _ in range(2):
            peer, _ = server.accept()
            peer.close()


@pytest.mark.each
def test_published(busybox: Store) -> None:
    """Over both versions, seen by ps, port and inspect; and gone with the container."""
    script = WEB.format(port=80)
    busybox.ok("run", "-d", "--name", "web", "-p", "80", "busybox", "sh", "-c", script)
    address = busybox.ok("port", "web", "80").splitlines()[0]
    number = address.rpartition(":")[2]
    assert get(f"127.0.0.1:{number}") == "served"
    assert get(f"[::1]:{number}") == "served"
    listed = busybox.ok("ps", "--format", "{{.Ports}}")
    assert listed == f"0.0.0.0:{number}->80/tcp, [::]:{number}->80/tcp"
    assert busybox.ok("ps", "-q", "--filter", f"publish={number}")
    shown = json.loads(busybox.ok("inspect", "web"))[0]["NetworkSettings"]
    assert shown["Ports"]["80/tcp"][0] == {"HostIp": "0.0.0.0", "HostPort": number}
    assert shown["IPAddress"] == "10.0.2.100"
    time.sleep(1.5)  # it has made itself small meanwhile
    assert get(f"127.0.0.1:{number}") == "served"
    done = busybox("run", "--rm", "-p", f"{number}:80", "busybox", "true")
    assert done.returncode == 125
    assert "port is already allocated" in done.stderr
    busybox.ok("rm", "-f", "web")
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", int(number))) == errno.ECONNREFUSED


def test_ports_are_free_at_once(shared: Store) -> None:
    """Whoever has waited for a container's end can have its ports; a supervisor kept them once."""
    for again in ("run", "start"):
        for _ in range(10):
            [number] = ports.free()
            publish = ["-p", f"127.0.0.1:{number}:80", "-p", f"127.0.0.1:{number}:80/udp"]
            shared.ok("run", "-d", "--name", "first", *publish, "busybox", "sleep", "100")
            if again == "run":
                shared.ok("rm", "-f", "first")
                shared.ok("run", "-d", "--name", "first", *publish, "busybox", "sleep", "100")
            else:
                shared.ok("stop", "-t", "0", "first")
                shared.ok("start", "first")
            shared.ok("rm", "-f", "first")
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", number))


def test_the_peers_address(busybox: Store) -> None:
    """A peer that is not on the loopback is seen as who he is; here that is the host itself."""
    command = ["ip", "-4", "route", "get", "203.0.113.1"]
    route = subprocess.run(command, capture_output=True, text=True).stdout
    own = route.partition(" src ")[2].split(" ")[0]
    if not own:
        pytest.skip("this machine has no address but the loopback's")
    line = ["run", "-d", "--name", "one", "-p", "90", "host", "python3", "-u"]
    busybox.ok(*line, "-m", "http.server", "--directory", "/usr/share/doc", "90")
    number = busybox.ok("port", "one", "90").splitlines()[0].rpartition(":")[2]
    get(f"{own}:{number}")
    get(f"127.0.0.1:{number}")
    seen = [line.split(" ")[0] for line in busybox("logs", "one").stderr.splitlines()]
    assert {own, "10.0.2.2"} == set(seen)


ECHO = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 53))
while True:
    data, peer = sock.recvfrom(65535)
    sock.sendto(data, peer)
"""


SLOW = """
import socket, time
server = socket.create_server(("", 90), backlog=1)
print("ready")
time.sleep(1)
while True:
    peer, _ = server.accept()
    peer.sendall(b"hello")
    peer.close()
"""


def test_more_clients_than_a_server_has_room_for(busybox: Store) -> None:
    """They are asked for again until it has taken all, and it speaks to each."""
    line = ["run", "-d", "--name", "one", "-p", "90", "host", "python3", "-u"]
    busybox.ok(*line, "-c", SLOW)
    number = int(busybox.ok("port", "one", "90").splitlines()[0].rpartition(":")[2])
    deadline = time.monotonic() + 20
    while busybox.ok("logs", "one") != "ready":
        assert time.monotonic() < deadline
    clients = [socket.create_connection(("127.0.0.1", number), timeout=50) for _ in range(8)]
    for client in clients:
        with client:
            assert client.recv(10) == b"hello"


ECHOES = """
import resource, selectors, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500))
server = socket.create_server(("", 90), backlog=512)
loop = selectors.DefaultSelector()
loop.register(server, selectors.EVENT_READ)
print("ready")
while True:
    for key, _ in loop.select():
        if key.fileobj is server:
            loop.register(server.accept()[0], selectors.EVENT_READ)
        elif data := key.fileobj.recv(100):
            key.fileobj.sendall(data)
        else:
            loop.unregister(key.fileobj)
            key.fileobj.close()
"""


def test_more_connections_than_files(busybox: Store) -> None:
    """The supervisor takes as many as it may have, and hands its own limit on to nobody."""
    limited = ["sh", "-c", 'ulimit -Sn 100; exec "$@"', "sh", *busybox.command]
    line = ["run", "-d", "--name", "one", "-p", "90"]
    check = ["--health-cmd", "ulimit -Sn", "--health-interval", "1s"]
    command = [*limited, *line, *check, "host", "python3", "-u", "-c", ECHOES]
    subprocess.run(command, check=True, env=busybox.env, capture_output=True, timeout=30)
    number = int(busybox.ok("port", "one", "90").splitlines()[0].rpartition(":")[2])
    deadline = time.monotonic() + 20
    while busybox.ok("logs", "one") != "ready":
        assert time.monotonic() < deadline
    clients = [socket.create_connection(("127.0.0.1", number), timeout=30) for _ in range(150)]
    for client in clients:
        client.sendall(b"hello")
    assert [client.recv(10) for client in clients] == [b"hello"] * len(clients)
    seen = {}
    while len(seen) < 2:  # at least one that began after the connections
        health = json.loads(busybox.ok("inspect", "one"))[0]["State"]["Health"]
        seen.update({entry["Start"]: entry["Output"].strip() for entry in health["Log"]})
        assert time.monotonic() < deadline
    assert set(seen.values()) == {"100"}
    for client in clients:
        client.close()


def test_udp_is_published(busybox: Store) -> None:
    line = ["run", "-d", "--name", "one", "-p", "53/udp", "host", "python3", "-c", ECHO]
    busybox.ok(*line)
    number = int(busybox.ok("port", "one", "53/udp").splitlines()[0].rpartition(":")[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.3)
        deadline = time.monotonic() + 15
        while True:
            sock.sendto(b"ping", ("127.0.0.1", number))
            try:
                assert sock.recv(100) == b"ping"
                break
            except (TimeoutError, ConnectionRefusedError):
                assert time.monotonic() < deadline


REGISTRY = """
version: 0.1
storage: {filesystem: {rootdirectory: /tmp/registry}}
http: {addr: ":5000"}
"""


@pytest.mark.needs("docker-registry", "skopeo")
def test_a_registry(busybox: Store, busybox_archive: str, tmp_path: Path) -> None:
    """A real server in a container; a real client pushes to its port and pulls."""
    (tmp_path / "config.yml").write_text(REGISTRY)
    line = ["run", "-d", "--name", "registry", "-p", "127.0.0.1::5000"]
    line += ["-v", f"{tmp_path}:/settings", "host", "docker-registry", "serve"]
    busybox.ok(*line, "/settings/config.yml")
    address = busybox.ok("port", "registry", "5000")
    get(f"{address}/v2")
    copy = ["skopeo", "copy", "-q", "--insecure-policy", f"--tmpdir={tmp_path}"]
    plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    there, back = f"docker://{address}/busybox:1", f"oci:{tmp_path}/back"
    for source, target in ((f"docker-archive:{busybox_archive}", there), (there, back)):
        subprocess.run([*copy, *plain, source, target], check=True, env=busybox.env, timeout=60)
    busybox.ok("load", "--input", str(tmp_path / "back"))
    podman = {"ROOTLESS_DIALECT": "podman"}  # which prints the id
    name = f"{address}/busybox:1"
    pulled = busybox.ok("pull", "-q", "--tls-verify=false", name, env=podman)
    assert busybox.ok("run", "--rm", pulled, "echo", "works") == "works"


@pytest.mark.parametrize("network", ["host", "none"])
def test_nothing_to_publish(busybox: Store, network: str) -> None:
    """Said, and no error: so do docker and podman."""
    done = busybox("run", "--rm", "-p", "80:80", "--network", network, "busybox", "true")
    assert done.returncode == 0
    assert done.stderr == f"Warning: -p does nothing with --network {network}\n"


def test_ports_outlive_a_restart(busybox: Store) -> None:
    """The policy starts it again: the port is open all the time, the number stays."""
    script = WEB.format(port=80)
    line = ["run", "-d", "--name", "web", "--restart", "always", "-p", "80", "busybox"]
    busybox.ok(*line, "sh", "-c", script)
    number = busybox.ok("port", "web", "80").splitlines()[0].rpartition(":")[2]
    assert get(f"127.0.0.1:{number}") == "served"
    pid = busybox.ok("ps", "--format", "{{.Pid}}")
    subprocess.run(["kill", "-9", pid], check=True)
    deadline = time.monotonic() + 10
    while busybox.ok("ps", "--format", "{{.Pid}}") in (pid, "", "0"):
        assert time.monotonic() < deadline
    assert busybox.ok("port", "web", "80").splitlines()[0].endswith(f":{number}")
    assert get(f"127.0.0.1:{number}") == "served"


def test_a_supervisor_is_small_again(busybox: Store, port: int) -> None:
    """The stack is loaded for the first packet; what it holds is bounded and goes."""
    busybox.ok("run", "-d", "--name", "one", *LOOPBACK, "busybox", "sleep", "1000")
    assert busybox.ok("exec", "one", "nc", "10.0.2.2", str(port)) == "hello"
    pid = supervisor(busybox)
    assert len(list(Path(f"/proc/{pid}/fd").iterdir())) < 25
    busybox.ok("rm", "-f", "one")
    assert_nothing_left(busybox)


def test_no_descriptor_of_ours_inside(busybox: Store) -> None:
    said = busybox.ok("run", "--rm", "-p", "80", "busybox", "ls", "-l", "/proc/self/fd")
    assert "tun" not in said
    assert "socket" not in said


def test_without_tun(busybox: Store) -> None:
    """Where there is no device the container starts without a network and says so, unless asked."""
    hide = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    script = 'mount --bind /dev/null /dev/net/tun; exec "$@"'
    command = [*hide, script, "sh", *busybox.command]
    line = ["run", "--rm", "busybox", "ip", "-o", "link"]
    done = subprocess.run([*command, *line], env=busybox.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Warning: network: none, /dev/net/tun:" in done.stderr
    assert "eth0" not in done.stdout
    asked = ["run", "--rm", "--network", "private", "busybox", "true"]
    done = subprocess.run([*command, *asked], env=busybox.env, capture_output=True, text=True)
    assert done.returncode == 125
    assert "cannot make a private network" in done.stderr


def test_ports_change_while_it_runs(busybox: Store) -> None:
    script = WEB.format(port=80)
    busybox.ok("run", "-d", "--name", "web", "busybox", "sh", "-c", script)
    assert busybox.ok("port", "web") == ""
    busybox.ok("update", "--publish-add", "127.0.0.1::80", "web")
    address = busybox.ok("port", "web", "80")
    assert get(address) == "served"
    time.sleep(1.5)  # it has made itself small: it holds the port all the same
    assert get(address) == "served"
    done = busybox("update", "--publish-add", f"{address}:81", "web")
    assert done.returncode == 1
    assert "port is already allocated" in done.stderr
    done = busybox("update", "--publish-rm", "99", "web")
    assert "does not publish 99/tcp" in done.stderr
    done = busybox("update", "--publish-add", "x", "web")
    assert "--publish-add x: 'x' is no port" in done.stderr
    busybox.ok("update", "--publish-rm", "80", "web")
    host, _, number = address.rpartition(":")
    with socket.socket() as sock:
        assert sock.connect_ex((host, int(number))) == errno.ECONNREFUSED
    busybox.ok("update", "--publish-add", "127.0.0.1::80/tcp", "web")
    busybox.ok("restart", "-t", "0", "web")
    assert get(busybox.ok("port", "web", "80")) == "served"
    busybox.ok("stop", "-t", "0", "web")
    busybox.ok("update", "--publish-rm", "80", "web")
    busybox.ok("start", "web")
    assert busybox.ok("port", "web") == ""


@pytest.mark.each
def test_the_network_of_another_container(busybox: Store) -> None:
    script = WEB.format(port=80)
    busybox.ok("run", "-d", "--name", "web", "-h", "box", "busybox", "sh", "-c", script)
    line = ["run", "--rm", "--network", "container:web", "busybox", "sh", "-c"]
    fetch = "for i in 1 2 3 4 5; do wget -q -O - http://127.0.0.1/ && break; sleep 0.2; done"
    assert busybox.ok(*line, fetch) == "served"
    assert "nameserver 10.0.2.2" in busybox.ok(*line, "cat /etc/resolv.conf")
    busybox.ok("create", "--name", "late", "--network", "container:web", "busybox", "true")
    busybox.ok("stop", "-t", "0", "web")
    done = busybox("start", "late")
    assert done.returncode == 1
    assert "cannot join the network of container web: it is not running" in done.stderr
    done = busybox("run", "--network", "container:nosuch", "busybox", "true")
    assert "No such container: nosuch" in done.stderr


def test_a_link(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "web", "busybox", "sh", "-c", WEB.format(port=80))
    line = ["run", "--rm", "--link", "web:www", "busybox", "sh", "-c"]
    done = busybox(*line, "true")
    assert (done.returncode, "use its network: --network container:web" in done.stderr) == (
        125,
        True,
    )
    line.insert(1, "--network=container:web")
    fetch = "for i in 1 2 3 4 5; do wget -q -O - http://www/ && break; sleep 0.2; done"
    assert busybox.ok(*line, f"{fetch}; echo $WWW_NAME") == "served\n/www"
    busybox.ok("rm", "-f", "web")


@pytest.mark.each
def test_a_network_namespace_by_path(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    pid = busybox.ok("ps", "--format", "{{.Pid}}")
    network = ["--network", f"ns:/proc/{pid}/ns/net"]
    assert "10.0.2.100" in busybox.ok("run", "--rm", *network, "busybox", "ip", "addr")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nonexistent", "No such file or directory"),
        ("/etc/passwd", "it is none"),
        ("/proc/self/ns/mnt", "it is another kind of namespace"),
    ],
)
@pytest.mark.each
def test_no_network_namespace(busybox: Store, path: str, reason: str) -> None:
    done = busybox("run", "--rm", "--network", f"ns:{path}", "busybox", "true")
    assert done.returncode == 125
    assert done.stderr == f"Error: cannot join the network namespace {path}: {reason}\n"


def test_stats(busybox: Store, port: int) -> None:
    """What crossed the link, in bytes and packets; and the rest of docker's columns."""
    busybox.ok("run", "-d", "--name", "one", *LOOPBACK, "busybox", "sleep", "1000")
    template = "{{.NetIO}}|{{.NetPackets}}|{{.PIDs}}|{{.MemUsage}}|{{.CPUPerc}}"
    look = ["stats", "--no-stream", "--format", template, "one"]
    before = busybox.ok(*look).split("|")
    assert busybox.ok("exec", "one", "nc", "10.0.2.2", str(port)) == "hello"
    after = busybox.ok(*look).split("|")
    packets = [[int(word) for word in said[1].split(" / ")] for said in (before, after)]
    assert packets[1][0] > packets[0][0]
    assert packets[1][1] > packets[0][1]
    assert after[0] != before[0]
    assert after[2] == "1"
    assert "B / " in after[3]
    assert after[4].endswith("%")
    columns = busybox.ok("stats", "--no-stream").splitlines()[0]
    assert columns.split()[-5:] == ["NET", "I/O", "BLOCK", "I/O", "PIDS"]
    assert "PACKETS" in busybox.ok("stats", "--no-stream", "--format", "table {{.NetPackets}}")


def test_capture(busybox: Store, port: int, tmp_path: Path) -> None:
    """A pcap file with the frames of a connection, read here byte for byte."""
    busybox.ok("run", "-d", "--name", "one", *LOOPBACK, "busybox", "sleep", "1000")
    path = tmp_path / "one.pcap"
    capture = busybox.start("network", "capture", "one", str(path))
    deadline = time.monotonic() + 20
    while not (path.exists() and path.stat().st_size >= 24):
        assert capture.poll() is None, capture.communicate()
        assert time.monotonic() < deadline
    assert busybox.ok("exec", "one", "nc", "10.0.2.2", str(port)) == "hello"
    time.sleep(0.3)
    capture.send_signal(signal.SIGINT)
    _, said = capture.communicate(timeout=20)
    assert capture.returncode == 0, said
    data = path.read_bytes()
    assert struct.unpack_from("=IHHiIII", data) == (0xA1B23C4D, 2, 4, 0, 0, 1 << 18, 1)
    at, frames = 24, []
    while at < len(data):
        _, _, length, original = struct.unpack_from("=IIII", data, at)
        assert length == original
        frames.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    assert said == f"{len(frames)} frames\n"
    assert any(frame.endswith(b"hello\n") for frame in frames)
    assert {frame[:6] for frame in frames} >= {GUEST, GATEWAY}


def test_capture_to_a_pipe(busybox: Store) -> None:
    """Until the container's end, or until the reader has seen enough."""
    for reads_on in (True, False):
        busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
        with subprocess.Popen(
            [*busybox.command, "network", "capture", "one", "-"],
            env=busybox.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="latin-1",
        ) as capture:
            assert capture.stdout is not None
            assert len(capture.stdout.read(24)) == 24
            if not reads_on:
                capture.stdout.close()
                busybox("exec", "one", "nc", "-w", "1", "10.0.2.2", "9")
            busybox.ok("rm", "-f", "one")
            assert capture.wait(20) == 0
            assert capture.stderr is not None
            assert capture.stderr.read().partition(" ")[2] == ("frames\n" if reads_on else "")


def test_capture_of_a_link_that_goes_down(busybox: Store, tmp_path: Path) -> None:
    """It may come up again."""
    busybox.ok("run", "-d", "--name", "one", "--cap-add", "NET_ADMIN", "busybox", "sleep", "1000")
    path = tmp_path / "one.pcap"
    capture = busybox.start("network", "capture", "one", str(path))
    deadline = time.monotonic() + 20
    while not (path.exists() and path.stat().st_size >= 24):
        assert time.monotonic() < deadline
    for way in ("down", "up"):
        busybox.ok("exec", "one", "ip", "link", "set", "eth0", way)
    busybox("exec", "one", "nc", "-w", "5", "10.0.2.2", "9")
    busybox.ok("rm", "-f", "one")
    _, said = capture.communicate(timeout=20)
    assert capture.returncode == 0, said
    assert path.stat().st_size > 24


def test_capture_of_nothing(busybox: Store) -> None:
    busybox.ok("create", "--name", "one", "busybox", "true")
    assert "is not running" in busybox("network", "capture", "one", "-").stderr
    busybox.ok("run", "-d", "--name", "two", "--network", "none", "busybox", "sleep", "1000")
    assert "has no private network" in busybox("network", "capture", "two", "-").stderr


def test_sockets_of_the_service_manager(busybox: Store) -> None:
    """sd_listen_fds(3): what is bound already is used for -p, and is not the container's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]

        def hand_over() -> None:
            os.dup2(server.fileno(), 3)

        launch = 'LISTEN_PID=$$ exec "$@"'
        script = "env | grep LISTEN; " + WEB.format(port=80)
        line = ["run", "-d", "--name", "web", "-p", f"127.0.0.1:{number}:80", "busybox"]
        done = subprocess.run(
            ["sh", "-c", launch, "sh", *busybox.command, *line, "sh", "-c", script],
            env={**busybox.env, "LISTEN_FDS": "1"},
            preexec_fn=hand_over,
            pass_fds=[3],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert get(f"127.0.0.1:{number}") == "served"
    assert busybox.ok("logs", "web") == ""
    assert busybox.ok("port", "web", "80") == f"127.0.0.1:{number}"
