"""A host and a guest with our stack between them, all inside a user namespace of the test's own.

    unshare --map-root-user --net python lab.py SETTINGS RESOLV.CONF GUEST-COMMAND...

The host is the network namespace in which this runs: lo has the addresses 192.0.2.1 and
2001:db8::1 as well, so that there is something outside to talk to, and every port may be bound.
SETTINGS are those of --network private, or "-". The exit code is the guest's command's; when it
has ended, what is left in the stack is printed to stderr as JSON.
"""

from __future__ import annotations

import _socket
import json
import os
import resource
import socket
import sys
import time

from rootless.linux import files, namespaces, rtnetlink
from rootless.linux.loop import Loop
from rootless.netstack import addresses, dns
from rootless.netstack.stack import Stack
from rootless.runtime.networks import private

HOST4 = "192.0.2.1"
HOST6 = "2001:db8::1"


def main(options: str, resolv_conf: str, command: list[str]) -> int:
    """Be the host; return the guest's exit code."""
    settings = addresses.parse("" if options == "-" else options)
    rtnetlink.apply(
        [
            rtnetlink.link_up(1),
            rtnetlink.address(1, addresses.pack(HOST4), 32),
            rtnetlink.address(1, addresses.pack(HOST6), 128),
        ]
    )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        namespaces.unshare(namespaces.CLONE_NEWNET)
        rtnetlink.apply([rtnetlink.link_up(1)])
        socket.send_fds(theirs, [b"tap"], [private.make(settings)])
        theirs.recv(1)  # until somebody takes the frames
        os.execvp(command[0], command)
    fd = socket.recv_fds(ours, 3, 1)[1][0]
    files.allow_many()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loop = Loop()
    stack = Stack(loop, fd, settings, dns.Servers(resolv_conf))
    ours.send(b".")
    ended: list[int] = []
    loop.watch(os.pidfd_open(pid), 1, ended.append)
    while not ended:
        loop.turn(None)
    before = time.monotonic()
    stack.close()
    left = {
        "connections": sum(len(guest.tcp.connections) for guest in stack.guests),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "lingered": time.monotonic() - before,
        "grown": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory,
    }
    print(json.dumps(left), file=sys.stderr)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    _socket.setdefaulttimeout(None)
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
