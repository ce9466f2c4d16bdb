"""Ports of this machine for what a test publishes."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

LOWEST, HIGHEST = 20000, 32767
"""Below the ports that the kernel gives to clients (ip_local_port_range, ip(7)): one of those is
soon the near end of another test's connection, and then nobody can bind it."""


def free(count: int = 1) -> list[int]:
    """Return so many ports on which nobody listens, by either version of IP."""
    found: list[int] = []
    for port in random.sample(range(LOWEST, HIGHEST + 1), 100 + count):
        if len(found) < count and _is_free(port):
            found.append(port)
    assert len(found) == count, "hardly any port of this machine is free"
    return found


def _is_free(port: int) -> bool:
    with ExitStack() as stack:
        for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
            sock = stack.enter_context(socket.socket(family))
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind((address, port))
            except OSError:
                return False
    return True
