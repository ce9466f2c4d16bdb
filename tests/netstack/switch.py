"""A host and two guests on one link, as a network with a name has them: see lab.py.

    unshare --map-root-user --net --pid --fork python switch.py HOST FIRST SECOND

Each argument is a shell command. The link is a bridge in a namespace of its own, to which the stack
comes by a TAP device and each guest by a veth pair. The host is the namespace in which this runs:
port 8080 of its loopback is published, for port 8000 of the second guest. A guest leaves the stack
when its command has ended. The exit code is that of the first command that failed. In the end, what
each guest has sent under an address of others, and whether all of it is forgotten, is printed to
stderr.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from rootless.linux import namespaces, rtnetlink, tun
from rootless.linux.loop import Loop
from rootless.netstack import addresses, dns
from rootless.netstack.ports import Listener
from rootless.netstack.stack import Stack

HOST4 = "192.0.2.1"
MEMBERS: list[addresses.Member] = [
    {"guest": "10.0.2.6", "guest6": "fd00::6", "mac": "02:00:00:00:00:0a"},
    {"guest": "10.0.2.7", "guest6": "fd00::7", "mac": "02:00:00:00:00:0b"},
]


def ip(*words: str) -> None:
    """Run ip(8)."""
    subprocess.run(["ip", *words], check=True)


def new_namespace() -> None:
    """Leave the network namespace for a new one."""
    namespaces.unshare(namespaces.CLONE_NEWNET)
    rtnetlink.apply([rtnetlink.link_up(1)])


def fork_guest(number: int, member: addresses.Member, command: str) -> int:
    """Fork a guest, in the namespace of the switch; return its pid."""
    there, arrived = os.pipe()
    go, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        new_namespace()
        os.write(arrived, b".")
        os.read(go, 1)
        ip("link", "set", f"inside{number}", "name", "eth0", "address", member["mac"], "up")
        ip("addr", "add", f"{member['guest']}/24", "dev", "eth0")
        ip("addr", "add", f"{member['guest6']}/64", "dev", "eth0", "nodad")
        ip("route", "add", "default", "via", "10.0.2.2")
        ip("route", "add", "default", "via", "fd00::2")
        os.execvp("sh", ["sh", "-c", command])
    os.read(there, 1)
    ip("link", "add", f"port{number}", "type", "veth", "peer", "name", f"inside{number}")
    ip("link", "set", f"inside{number}", "netns", str(pid))
    ip("link", "set", f"port{number}", "master", "switch", "up")
    os.write(ready, b".")
    return pid


def be_switch(sock: socket.socket, commands: list[str]) -> None:
    """Make the bridge and its guests; say who has ended and how. Never returns."""
    new_namespace()
    tap = tun.open_tap("tap")
    ip("link", "add", "switch", "type", "bridge")
    ip("link", "set", "tap", "master", "switch", "up")
    ip("link", "set", "switch", "up")
    socket.send_fds(sock, [b"tap"], [tap])
    sock.recv(1)  # until somebody takes the frames
    both = list(enumerate(zip(MEMBERS, commands, strict=True)))
    pids = {fork_guest(number, *one): number for number, one in both}
    while pids:
        pid, status = os.wait()
        sock.send(bytes([pids.pop(pid), os.waitstatus_to_exitcode(status)]))
    os._exit(0)


def main(host: str, commands: list[str]) -> int:
    """Be the host."""
    rtnetlink.apply([rtnetlink.link_up(1), rtnetlink.address(1, addresses.pack(HOST4), 32)])
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        be_switch(theirs, commands)
    fd = socket.recv_fds(ours, 3, 1)[1][0]
    loop = Loop()
    settings: addresses.Settings = {**addresses.parse("mtu=1500"), "guest": "", "guest6": ""}
    stack = Stack(loop, fd, settings, dns.Servers("/dev/null"))
    guests = [stack.add_guest(member) for member in MEMBERS]
    published = socket.create_server(("127.0.0.1", 8080))
    Listener(
        loop,
        {
            "fd": published.detach(),
            "ip": "127.0.0.1",
            "host": 8080,
            "container": 8000,
            "protocol": "tcp",
            "guest": MEMBERS[1]["guest"],
        },
        lambda: stack,
    )
    ours.send(b".")
    client = subprocess.Popen(["sh", "-c", host])
    codes: list[int] = []

    def on_end(_events: int) -> None:
        number, code = ours.recv(2)
        codes.append(code)
        stack.remove_guest(MEMBERS[number]["guest"])

    loop.watch(ours.fileno(), 1, on_end)
    while len(codes) < len(MEMBERS) or client.poll() is None:
        loop.turn(100)
    stack.close()
    codes.append(client.returncode)
    print([(guest.strangers, guest.is_idle) for guest in guests], file=sys.stderr)
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
