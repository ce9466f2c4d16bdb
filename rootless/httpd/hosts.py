"""The names that a server without passwords answers to.

A web page can have its own name lead to 127.0.0.1 (DNS rebinding), and is then, for the browser,
of the same origin as what listens there: it may read all answers. The one thing that it cannot
choose is the Host header, which has the page's name. Where there are passwords, or TLS, this is
not needed: the page has neither the password nor a certificate for its name.
"""

from __future__ import annotations

import ipaddress
import socket

ALWAYS = ("localhost", "host.containers.internal", "host.docker.internal")
"""Names of this machine that no name server of the Internet gives to another (RFC 6761, 9476)."""

MAX_FILE = 1 << 20


class Hosts:
    """This machine's names: those above, its own, those of /etc/hosts, and all addresses."""

    def __init__(self, listen: str) -> None:
        """`listen` is what the user has called the address himself."""
        own = socket.gethostname().lower()
        self._names = {*ALWAYS, own, f"{own.partition('.')[0]}.local", listen.lower()}

    def include(self, host: str) -> bool:
        """Whether a Host header means this machine. Clients that send none are no browsers."""
        name = name_of(host)
        if not name or _is_address(name) or name.endswith(".localhost"):
            return True
        return name in self._names or name in _told()


def name_of(host: str) -> str:
    """The name or address in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _told() -> set[str]:
    """The names in /etc/hosts, which only root writes (hosts(5))."""
    try:
        with open("/etc/hosts", encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_FILE).splitlines()
    except OSError:
        return set()
    return {word.lower() for line in lines for word in line.partition("#")[0].split()[1:]}
