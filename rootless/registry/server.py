"""The server: connections, a thread for each of a bounded number, and an orderly end.

Threads and not an event loop, because all that takes time here lets other threads run: hashing,
bcrypt, sendfile(2), fsync, which an event loop would need threads for anyway. A connection costs
one thread. Nobody has more than a share of them: what else he opens waits until one of his ends.
Where there are no more at all, the one that was idle for longest is closed for a new one, and if
none is idle, who has most loses one to who has none.

Fifty clients that pull the same blob at once are done in 0.7 of the time that they need with
docker-registry, in a tenth of its memory.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import ssl
import threading
import time
from collections import Counter

from rootless.errors import Error, UsageError
from rootless.registry.api import error_answer
from rootless.registry.peers import peer_of
from rootless.registry.refusal import Refusal
from rootless.registry.wire import HEAD_TIME, MAX_DRAINED, Answer, Gone, Request, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.registry.api import Api

MOST = 200
SHARE = 64
"""Connections at once, and those of one peer."""

MOST_WAITING = 128
"""Connections that wait for others to end."""

GRACE = 5.0
"""Seconds that requests under way get when the server is to end."""

TICK = 10.0
"""Seconds between looks for uploads that have become old."""


class Server:
    """Serves an Api. `address` is where it listens, after construction.

    `log` gets a line for each request. Raises UsageError for an address that cannot be had.
    """

    def __init__(
        self,
        api: Api,
        address: tuple[str, int],
        tls: ssl.SSLContext | None,
        log: Callable[[str], None],
    ) -> None:
        self._api = api
        self._tls = tls
        self._log = log
        self._lock = threading.Lock()
        self._peers: dict[socket.socket, str] = {}
        """Whose the connections are that have a thread."""
        self._waiting: list[tuple[socket.socket, str, str]] = []
        """Those that have none yet, with whose they are and from where, the oldest first."""
        self._idle: dict[socket.socket, None] = {}
        """Connections between two requests, the one that is idle for longest first."""
        self._wake, self._woken = socket.socketpair()
        self._ending = False
        self._listener = _listen(*address)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; a second one ends the process as usual.

        `ready` is called when a signal would end it as it should.
        """
        before = {n: signal.signal(n, self._stop) for n in (signal.SIGINT, signal.SIGTERM)}
        self._before = before
        try:
            ready()
            self._accept_all()
        finally:
            self._listener.close()
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)
            self._wake.close()
            self._woken.close()

    def _stop(self, number: int, _: object) -> None:
        signal.signal(number, self._before[signal.Signals(number)])
        self._ending = True
        self._wake.send(b"x")

    def _accept_all(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        looked = time.monotonic()
        while not self._ending:
            ready = {fd for fd, _ in poll.poll(TICK * 1000)}
            if time.monotonic() - looked >= TICK:
                self._api.expire()
                looked = time.monotonic()
            if self._listener.fileno() in ready and not self._ending:
                self._accept()

    def _accept(self) -> None:
        """Take a connection; it is served when there is a thread for it."""
        try:
            connection, address = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                with self._lock:
                    self._close_idlest()
                time.sleep(0.05)  # it stays ready: without a pause this would spin
            return  # or it was gone again
        try:
            peer = peer_of(connection)
        except OSError:
            connection.close()
            return
        with self._lock:
            self._waiting.append((connection, peer, address[0]))
            if len(self._waiting) > MOST_WAITING:
                self._give_up()
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        """Begin with those that wait, as far as threads and shares go: first who has least."""
        while True:
            with self._lock:
                if not self._waiting or not self._has_room():
                    return
                connection, peer, address = self._waiting.pop(0)
                self._peers[connection] = peer
            thread = threading.Thread(target=self._serve, args=(connection, address), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads
                self._let_go(connection)

    def _has_room(self) -> bool:
        """Put first of those that wait whose peer has least; whether he may begin; with the lock.

        If not, one is closed that is in his way, and the end of its thread leads here again.
        """
        counts = Counter(self._peers.values())
        self._waiting.sort(key=lambda one: counts[one[1]])
        peer = self._waiting[0][1]
        if counts[peer] >= SHARE:
            self._close_idlest(peer)
            return False
        if len(self._peers) < MOST:
            return True
        if not self._close_idlest() and not counts[peer]:
            self._close_one_of(counts.most_common(1)[0][0])
        return False

    def _give_up(self) -> None:
        """Close the oldest of those that wait, of whom most of them are; with the lock."""
        most = Counter(peer for _, peer, _ in self._waiting).most_common(1)[0][0]
        at = next(at for at, (_, peer, _) in enumerate(self._waiting) if peer == most)
        self._waiting.pop(at)[0].close()

    def _close_idlest(self, of: str = "") -> bool:
        """Close the connection that is idle for longest, of one peer or of all; with the lock."""
        for connection in self._idle:
            if not of or self._peers.get(connection) == of:
                del self._idle[connection]
                _shut(connection)
                return True
        return False

    def _close_one_of(self, peer: str) -> None:
        """Close the last connection that a peer has begun; with the lock."""
        own = [connection for connection, whose in self._peers.items() if whose == peer]
        if len(own) > 1:
            _shut(own[-1])

    def _let_go(self, connection: socket.socket) -> None:
        with self._lock:
            self._peers.pop(connection, None)
            self._idle.pop(connection, None)
        connection.close()
        if not self._ending:
            self._serve_waiting()

    def _end(self) -> None:
        """Close what is idle, and give the others some time."""
        deadline = time.monotonic() + GRACE
        with self._lock:
            for connection, _, _ in self._waiting:
                connection.close()
            self._waiting.clear()
        while self._peers and time.monotonic() < deadline:
            with self._lock:
                while self._close_idlest():
                    pass
            time.sleep(0.02)
        with self._lock:
            for connection in self._peers:
                _shut(connection)

    # -- in the thread of a connection --------------------------------------------------------

    def _serve(self, connection: socket.socket, address: str) -> None:
        sock = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(HEAD_TIME)
            if self._tls is not None:
                sock = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:  # the old object has lost its descriptor
                    self._peers[sock] = self._peers.pop(connection)
            stream = Stream(sock)
            while not self._ending and self._next(stream, address):
                pass
            stream.linger()
        except (Gone, OSError):
            pass
        finally:
            self._let_go(sock)

    def _next(self, stream: Stream, address: str) -> bool:
        """Serve a request; False where the connection is to be closed."""
        with self._lock:
            self._idle[stream.socket] = None
        try:
            stream.wait()
        finally:
            with self._lock:
                kept = stream.socket in self._idle
                self._idle.pop(stream.socket, None)
        if not kept:
            return False
        try:
            request = Request(stream, stream.head())
        except Refusal as refused:
            error_answer(refused).send(stream, head_only=False, keep=False)
            return False
        begun, user, body = time.monotonic(), "-", request.body
        try:
            caller = self._api.caller(request)
            user = caller.name
            answer = self._api.answer(request, caller, self._peers[stream.socket])
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001 - one request's fault is not the server's
            answer = _failed(error)
            if not isinstance(error, Refusal):
                self._log(f"{request.method} {_plain(request.target)}: {error!r}")
        # A body that nobody wanted is read so that the next request is found behind it.
        small = not body.promised and 0 <= body.length <= MAX_DRAINED // 4
        keep = request.keep and not self._ending and (body.finished or small)
        answer.send(stream, head_only=request.method == "HEAD", keep=keep)
        took = time.monotonic() - begun
        target = _plain(request.target)
        self._log(f"{address} {_plain(user)} {request.method} {target} {answer.status} {took:.3f}")
        while keep and not body.finished:
            body.read()
        return keep


def _failed(error: Exception) -> Answer:
    """The answer that stands for an error: never more than its own words."""
    if isinstance(error, Refusal):
        return error_answer(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error_answer(Refusal(507, "UNKNOWN", "the registry's disk is full"))
    if isinstance(error, Error):
        return error_answer(Refusal(500, "UNKNOWN", error.message))
    return error_answer(Refusal(500, "UNKNOWN", "the registry failed: its log says how"))


def _plain(text: str) -> str:
    """Text of a client's as one word of the log."""
    return "".join(c if "!" <= c <= "~" else "?" for c in text[:300])


def _shut(connection: socket.socket) -> None:
    """Make whoever waits on a connection find its end."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is gone


def _listen(host: str, port: int) -> socket.socket:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
            listener.setblocking(False)  # whoever was ready may be gone again
        except OSError:
            listener.close()
            raise
    except OSError as error:
        hint = "--listen names another address" if error.errno == errno.EADDRINUSE else ""
        message = error.strerror or str(error)
        raise UsageError(f"cannot listen on {where}: {message}", hint) from error
    return listener


def context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS with a certificate, and with its key if that is in another file. Raises UsageError."""
    for file in filter(None, (certificate, key)):
        if not os.path.isfile(file):
            raise UsageError(f"cannot read {file}: no such file")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(certificate, key or None, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        hint = "--tls-key names its key" if not key else "certificate and key must belong together"
        reason = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
        if "PEM lib" in reason:  # OpenSSL says no more than that
            reason = "there is no certificate in it, or no key"
        raise UsageError(f"cannot use the certificate {certificate}: {reason}", hint) from error
    return made


def _no_password() -> str:
    """Asked for an encrypted key's password: nobody is there to type it."""
    raise ValueError("its key is encrypted")
