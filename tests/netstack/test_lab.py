"""Real clients and servers on both sides of the stack, in namespaces of the test's own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.netstack.conftest import Lab

pytestmark = pytest.mark.once

HOSTS = {4: "192.0.2.1", 6: "2001:db8::1"}
URLS = {4: "http://192.0.2.1:8000", 6: "http://[2001:db8::1]:8000"}

SERVE = f"{sys.executable} -u -m http.server -b :: 8000 2>/dev/null"

NAMES = f"""{sys.executable} -u -c '
import socket, struct, threading
def answer(question):
    head = question[:2] + b"\\x85\\0" + question[4:6] + b"\\0\\1\\0\\0\\0\\0"
    end = question.index(b"\\0", 12) + 5
    return head + question[12:end] + b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4\\xc6\\x33\\x64\\7"
def tcp():
    server = socket.create_server(("127.0.0.53", 53))
    while True:
        peer, _ = server.accept()
        data = answer(peer.recv(1000)[2:])
        peer.sendall(struct.pack(">H", len(data)) + data)
        peer.close()
threading.Thread(target=tcp, daemon=True).start()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.53", 53))
print("ready")
while True:
    data, peer = udp.recvfrom(1000)
    udp.sendto(answer(data), peer)
'"""

ECHO = f"""{sys.executable} -u -c '
import socket, threading
def serve(peer):
    while data := peer.recv(65536):
        peer.sendall(data)
    peer.close()
server = socket.create_server(("", 8007), backlog=1024)
print("ready")
while True:
    peer, _ = server.accept()
    threading.Thread(target=serve, args=(peer,), daemon=True).start()
'"""


@pytest.mark.needs("curl")
@pytest.mark.parametrize("version", [4, 6])
def test_a_large_file_each_way(lab: Lab, version: int) -> None:
    """Byte for byte, down by curl and up by curl to ncat."""
    (lab.directory / "file").write_bytes(bytes(range(256)) * (4096 * 64))
    done = lab(f"curl -sS {URLS[version]}/file | cmp - file && echo same", host=SERVE)
    assert (done.stdout, done.stderr) == ("same\n", "")
    assert lab.left["connections"] == 0


@pytest.mark.needs("ncat")
@pytest.mark.parametrize("version", [4, 6])
def test_upload_that_outlives_its_sender(lab: Lab, version: int) -> None:
    """The guest's program is gone, its last bytes are in the kernel: they arrive all the same."""
    (lab.directory / "file").write_bytes(bytes(range(256)) * (4096 * 16))
    server = f"echo ready; exec ncat -{version} -l 8000 > got"
    done = lab(f"ncat --send-only {HOSTS[version]} 8000 < file", host=server, awaited=True)
    assert done.returncode == 0, done.stderr
    assert (lab.directory / "got").read_bytes() == (lab.directory / "file").read_bytes()


GIGABYTE = f"""{sys.executable} -c '
import hashlib, random, sys
source, digest = random.Random(7), hashlib.sha256()
for _ in range(1024):
    block = source.randbytes(1 << 20)
    digest.update(block)
    sys.stdout.buffer.write(block)
open("sent", "w").write(digest.hexdigest())
'"""


@pytest.mark.soak
@pytest.mark.needs("ncat")
def test_a_gigabyte_down(lab: Lab) -> None:
    server = f"echo ready; {GIGABYTE} | ncat --send-only -l 8000"
    client = f"ncat --recv-only {HOSTS[4]} 8000 | sha256sum"
    done = lab(client, host=server, timeout=300, awaited=True)
    assert done.stdout.split()[0] == (lab.directory / "sent").read_text()


@pytest.mark.soak
@pytest.mark.needs("ncat")
def test_a_gigabyte_up(lab: Lab) -> None:
    server = "echo ready; ncat --recv-only -l 8000 | sha256sum > got.new; mv got.new got"
    client = f"{GIGABYTE} | ncat --send-only {HOSTS[4]} 8000"
    waited = f"{client}; until [ -e got ]; do sleep 0.1; done"
    done = lab(waited, host=server, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (lab.directory / "got").read_text().split()[0] == (lab.directory / "sent").read_text()


@pytest.mark.needs("iperf3")
@pytest.mark.parametrize("arguments", ["", "-R", "-P 8", "-P 8 -R", "-u -b 50M", "-u -b 50M -R"])
@pytest.mark.parametrize("version", [4, 6])
def test_iperf(lab: Lab, version: int, arguments: str) -> None:
    line = f"iperf3 -J -t 1 -c {HOSTS[version]} {arguments}"
    done = lab(line, host="iperf3 -s --forceflush 2>&1")
    result = json.loads(done.stdout)
    assert "error" not in result, result["error"]
    end = result["end"].get("sum_received") or result["end"]["sum"]
    assert end["bytes"] > 1 << 20
    assert lab.left["connections"] == 0


@pytest.mark.needs("curl")
def test_refused_at_once(lab: Lab) -> None:
    done = lab(
        "time -p curl -sS -m 20 http://192.0.2.1:9; time -p curl -sS -m 20 http://203.0.113.1"
    )
    assert done.stderr.count("Couldn't connect to server") == 2, done.stderr
    seconds = [float(line.split()[1]) for line in done.stderr.splitlines() if "real" in line]
    assert max(seconds) < 5


@pytest.mark.needs("dig")
@pytest.mark.parametrize("how", ["", "+tcp"])
@pytest.mark.parametrize("gateway", ["10.0.2.2", "fd00::2"])
def test_names(lab: Lab, how: str, gateway: str) -> None:
    """By way of a stub on the host's loopback, as systemd-resolved has one."""
    line = f"dig +short {how} +tries=1 +time=5 @{gateway} example.com"
    done = lab(line, host=NAMES, names="nameserver 127.0.0.53\n")
    assert done.stdout == "198.51.100.7\n", done.stdout + done.stderr


SILENT = f"""{sys.executable} -u -c '
import socket, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.54", 53))
tcp = socket.create_server(("127.0.0.54", 53), backlog=0)
full = [socket.socket() for _ in range(4)]
for sock in full:
    sock.setblocking(False)
    sock.connect_ex(("127.0.0.54", 53))
time.sleep(100)
'"""


@pytest.mark.needs("dig")
@pytest.mark.parametrize("how", ["", "+tcp"])
def test_the_next_name_server(lab: Lab, how: str) -> None:
    """The first says nothing at all, the second is not there; each time anew."""
    servers = "".join(f"nameserver 127.0.0.{last}\n" for last in (54, 55, 53))
    line = f"dig +short {how} +tries=1 +time=8 @10.0.2.2 example.com"
    done = lab(f"{line} && {line}", host=f"{SILENT} & {NAMES}", names=servers)
    assert done.stdout == "198.51.100.7\n198.51.100.7\n", done.stdout + done.stderr


@pytest.mark.needs("ping")
@pytest.mark.parametrize("target", ["10.0.2.2", "fd00::2", "192.0.2.1", "2001:db8::1"])
def test_ping(lab: Lab, target: str) -> None:
    allowed = "echo 0 0 > /proc/sys/net/ipv4/ping_group_range; echo ready; sleep 100"
    done = lab(f"ping -c 2 -i 0.2 -W 5 {target}", host=allowed)
    assert " 0% packet loss" in done.stdout, done.stdout + done.stderr


OPENER = f"""{sys.executable} -c '
import socket, sys
kind, count = sys.argv[1], int(sys.argv[2])
address = ("192.0.2.1", 8007)
def use(sock, number):
    word = b"%d\\n" % number
    sock.sendall(word)
    assert sock.recv(100) == word
if kind == "sequence":
    for number in range(count):
        with socket.create_connection(address, timeout=30) as sock:
            use(sock, number)
else:
    socks = [socket.create_connection(address, timeout=30) for _ in range(count)]
    for number, sock in enumerate(socks):
        use(sock, number)
    for sock in socks:
        sock.close()
print("all answered")
' """


@pytest.mark.parametrize(("kind", "count"), [("sequence", 2000), ("once", 1000)])
def test_many_connections(lab: Lab, kind: str, count: int) -> None:
    line = f"ulimit -n 4096 2>/dev/null; {OPENER} {kind} {count}"
    done = lab(line, host=f"ulimit -n 4096 2>/dev/null; {ECHO}", timeout=120)
    assert done.stdout == "all answered\n", done.stderr
    assert lab.left["connections"] == 0
    assert lab.left["descriptors"] < 20


@pytest.mark.soak
def test_ten_thousand_connections(lab: Lab) -> None:
    done = lab(f"{OPENER} sequence 10000", host=ECHO, timeout=300)
    assert done.stdout == "all answered\n", done.stderr
    assert lab.left["descriptors"] < 20


@pytest.mark.needs("curl")
def test_a_guest_that_does_not_read(lab: Lab) -> None:
    """One connection that stands still does not hold up another."""
    (lab.directory / "big").write_bytes(bytes(64 << 20))
    (lab.directory / "small").write_text("quick")
    stalled = f"""{sys.executable} -c '
import socket, time
sock = socket.create_connection(("192.0.2.1", 8000))
sock.sendall(b"GET /big HTTP/1.0\\r\\n\\r\\n")
time.sleep(60)' & """
    line = f"{stalled} sleep 1; curl -sS -m 10 {URLS[4]}/small"
    done = lab(line, host=SERVE)
    assert done.stdout == "quick", done.stderr


@pytest.mark.needs("curl")
def test_a_small_mtu(lab: Lab) -> None:
    (lab.directory / "file").write_bytes(bytes(range(256)) * 4096 * 4)
    shown = "ip -o link show eth0 | grep -o 'mtu [0-9]*'"
    line = f"{shown}; curl -sS {URLS[4]}/file | cmp - file && echo same"
    done = lab(line, host=SERVE, options="mtu=1400,cidr=172.31.0.0/24")
    assert done.stdout == "mtu 1400\nsame\n", done.stderr


def test_without_ipv6(lab: Lab) -> None:
    done = lab("ip -6 addr show dev eth0 scope global; ip -4 route", options="ipv6=off")
    assert "fd00" not in done.stdout
    assert "default via 10.0.2.2" in done.stdout


SEGMENTS = f"""{sys.executable} -u -c '
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("192.0.2.1", 8009))
print("ready")
sizes = []
while sum(sizes) < 20000:
    data, peer = sock.recvfrom(65535)
    sizes.append(len(data))
sock.setsockopt(17, 103, 1000)
sock.sendto(bytes(15000), peer)
sock.setsockopt(17, 103, 0)
sock.sendto(repr(sizes).encode(), peer)
'"""

SEND_SEGMENTS = f"""{sys.executable} -c '
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(20)
sock.setsockopt(17, 103, 1000)
sock.sendto(bytes(20000), ("192.0.2.1", 8009))
sizes = []
while sum(sizes) < 15000:
    sizes.append(len(sock.recv(65535)))
print(sock.recv(65535).decode() == repr([1000] * 20), sizes == [1000] * 15)
'"""


def test_datagrams_in_one_frame(lab: Lab) -> None:
    """UDP_SEGMENT (udp(7)) on both sides: many datagrams of one size cross the link at once."""
    done = lab(SEND_SEGMENTS, host=SEGMENTS)
    assert done.stdout == "True True\n", done.stdout + done.stderr


def test_datagrams_in_one_frame_over_a_narrow_link(lab: Lab) -> None:
    """They are larger than the host's link: each goes by itself, in fragments."""
    larger = SEND_SEGMENTS.replace("103, 1000", "103, 2000").replace("[1000] * 20", "[2000] * 10")
    done = lab(larger, host=f"ip link set lo mtu 1500; {SEGMENTS}")
    assert done.stdout == "True True\n", done.stdout + done.stderr


@pytest.mark.needs("ping")
def test_the_mtu_of_the_path(lab: Lab) -> None:
    """The host's link is narrower than ours: ping is told so, and then sends fragments."""
    narrow = "ip link set lo mtu 1500; echo 0 0 > /proc/sys/net/ipv4/ping_group_range"
    line = "ping -c 3 -i 0.2 -W 5 -s 3000 192.0.2.1; ping -c 1 -W 2 -M do -s 3000 192.0.2.1"
    done = lab(line, host=f"{narrow}; echo ready; sleep 100")
    assert "Frag needed and DF set (mtu = 1500)" in done.stdout, done.stdout + done.stderr
    assert "3 packets transmitted, 2 received" in done.stdout, done.stdout + done.stderr
    assert "message too long, mtu=1500" in done.stdout + done.stderr
