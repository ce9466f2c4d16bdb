"""Name service at the gateway: questions go to the host's servers (RFC 1035).

The messages pass as they are, so EDNS and answers of any size need nothing from us. A server that
is silent for a second, or not there, makes way for the next, and so does one that has failed or
refuses to answer, as for the C library; that none answers is an answer, too. /etc/resolv.conf is
read again when it has changed. Questions over TCP are connections like others (see `tcp`), to the
same servers.
"""

from __future__ import annotations

import _socket
import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rootless.linux.loop import Loop

PORT = 53
RESOLV_CONF = "/etc/resolv.conf"
PATIENCE = 1.0
"""Seconds until the next server is asked as well."""

ROUNDS = 2
"""How often each server is asked: a guest that still waits asks again."""

LAST_PATIENCE = 5.0
"""Seconds until all have had their time, after the last was asked; resolv.conf(5), RES_TIMEOUT."""

MAX_SERVERS = 3
"""resolv.conf(5), MAXNS."""

MAX_QUESTIONS = 256
"""Questions without an answer; one more, and the oldest is given up."""

_MIN_MESSAGE = 12

_TRUNCATED = 0x02
_NO_ANSWERS = frozenset((2, 4, 5))
"""SERVFAIL, NOTIMP and REFUSED (RFC 1035, 4.1.1): another server may know."""


class Servers:
    """The name servers of the host, as resolv.conf(5) has them now."""

    def __init__(self, path: str = RESOLV_CONF) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._servers: list[str] = []
        self.shortened = ""
        """The server whose answer was too long for UDP: it is the one to be asked by TCP."""

    def for_tcp(self) -> list[str]:
        """Return their addresses, the one that has the rest of an answer first."""
        return sorted(self.get(), key=lambda server: server != self.shortened)

    def get(self) -> list[str]:
        """Return their addresses, at most three, the local one where none is named."""
        try:
            status = os.stat(self._path)
            seen = (status.st_mtime_ns, status.st_ino, status.st_size)
            if seen != self._seen:
                with open(self._path, encoding="utf-8", errors="replace") as file:
                    self._servers = _read_servers(file.read(1 << 16))
                self._seen = seen
        except OSError:
            self._seen, self._servers = None, []
        return self._servers or ["127.0.0.1"]


class Given(Servers):
    """Name servers that somebody has chosen."""

    def __init__(self, servers: list[str]) -> None:
        super().__init__()
        self._servers = servers[:MAX_SERVERS]

    def get(self) -> list[str]:
        """See Servers."""
        return self._servers


def _read_servers(text: str) -> list[str]:
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                sockaddr(words[1], PORT)
            except OSError:
                continue
            found.append(words[1])
    return found[:MAX_SERVERS]


def sockaddr(host: str, port: int) -> tuple[Any, ...]:
    """Return the address of a socket for a numeric host, which may name an interface (%eth0).

    Raises OSError where it is none.
    """
    host, _, scope = host.partition("%")
    if ":" not in host:
        _socket.inet_pton(_socket.AF_INET, host)
        return host, port
    _socket.inet_pton(_socket.AF_INET6, host)
    return host, port, 0, _socket.if_nametoindex(scope) if scope else 0


class _Question:
    """One question, and the sockets on which an answer may come."""

    def __init__(self, key: bytes, message: bytes, servers: list[str]) -> None:
        self.key = key
        self.message = message
        self.servers = servers * ROUNDS
        self.socks: dict[_socket.socket, str] = {}
        """Those that were asked, and have not answered."""
        self.refusal = b""
        """What the first has said of those that have no answer."""
        self.timer = -1


class Forwarder:
    """Questions over UDP."""

    def __init__(self, loop: Loop, servers: Servers) -> None:
        self._loop = loop
        self._servers = servers
        self._questions: dict[bytes, _Question] = {}
        self.answer: Callable[[bytes, bytes], None] = lambda _key, _message: None
        """Sends an answer to the guest: (key of the question, message)."""

    @property
    def is_idle(self) -> bool:
        """Whether no answer is awaited."""
        return not self._questions

    def ask(self, key: bytes, message: bytes) -> None:
        """Take a question; `key` are the addresses and ports of its datagram."""
        if len(message) < _MIN_MESSAGE:
            return
        key += message[:2]
        if key in self._questions:
            return  # asked again: the answer is on its way, or another server was asked already
        while len(self._questions) >= MAX_QUESTIONS:
            self._end(next(iter(self._questions.values())))
        question = _Question(key, message, self._servers.get())
        self._questions[key] = question
        self._ask_next(question)

    def _ask_next(self, question: _Question) -> None:
        """Ask the next server that can be asked, and see that another follows."""
        self._loop.cancel(question.timer)
        while question.servers:
            if self._send(question, question.servers.pop(0)):
                break
        if not question.socks:
            self._fail(question)
            return
        patience = PATIENCE if question.servers else LAST_PATIENCE
        question.timer = self._loop.at(time.monotonic() + patience, lambda: self._on_time(question))

    def _on_time(self, question: _Question) -> None:
        if question.servers:
            self._ask_next(question)
        else:
            self._fail(question)

    def _fail(self, question: _Question) -> None:
        """Nobody answers: say so, where the guest would wait and ask again for half a minute."""
        self._end(question)
        self.answer(question.key[:-2], question.refusal or _failure(question.message))

    def _send(self, question: _Question, server: str) -> bool:
        try:
            address = sockaddr(server, PORT)
            family = _socket.AF_INET if len(address) == 2 else _socket.AF_INET6
            kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
            sock = _socket.socket(family, kind)
        except OSError:
            return False
        try:
            sock.connect(address)
            sock.send(question.message)
        except OSError:
            sock.close()
            return False
        question.socks[sock] = server
        self._loop.watch(sock.fileno(), select.POLLIN, lambda _events: self._read(question, sock))
        return True

    def _read(self, question: _Question, sock: _socket.socket) -> None:
        try:
            message = sock.recv(65535)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there
            self._leave(question, sock)
            self._ask_next(question)
            return
        if message[:2] != question.message[:2]:
            return
        if len(message) >= _MIN_MESSAGE and message[3] & 0x0F in _NO_ANSWERS:
            question.refusal = question.refusal or message
            server = self._leave(question, sock)
            question.servers = [one for one in question.servers if one != server]
            self._ask_next(question)
            return
        if message[2:3] and message[2] & _TRUNCATED:
            self._servers.shortened = question.socks[sock]
        self._end(question)
        self.answer(question.key[:-2], message)

    def _leave(self, question: _Question, sock: _socket.socket) -> str:
        """Expect nothing more of a server; return which it was."""
        self._loop.unwatch(sock.fileno())
        sock.close()
        return question.socks.pop(sock)

    def close(self) -> None:
        """Give all questions up."""
        for question in list(self._questions.values()):
            self._end(question)

    def _end(self, question: _Question) -> None:
        self._loop.cancel(question.timer)
        self._questions.pop(question.key, None)
        for sock in question.socks:
            self._loop.unwatch(sock.fileno())
            sock.close()


def _failure(message: bytes) -> bytes:
    """Return the answer "server failure" to a question (RFC 1035, 4.1.1)."""
    answer, recursion_available, server_failure = 0x80, 0x80, 2
    kept = message[2] & 0x79  # what is asked for, and whether recursion is
    return message[:2] + bytes([answer | kept, recursion_available | server_failure]) + message[4:]
