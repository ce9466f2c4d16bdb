"""The server: connections, a thread for each of a bounded number, and an orderly end.

Threads and not an event loop, because all that takes time here lets other threads run: hashing,
bcrypt, sendfile(2), fsync, which an event loop would need threads for anyway. A connection costs
one thread. Nobody has more than a share of them: what else he opens waits until one of his ends.
Where there are no more at all, the one that was idle for longest is closed for a new one, and if
none is idle, who has most loses one to who has none.
"""

from __future__ import annotations

import errno
import select
import signal
import socket
import threading
import time
from collections import Counter

from rootless.httpd.connection import serve_connection
from rootless.httpd.peers import Client
from rootless.httpd.stream import HEAD_TIME

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from rootless.httpd.service import Service

MOST = 200
SHARE = 64
"""Connections at once, and those of one peer."""

MOST_WAITING = 128
"""Connections that wait for others to end."""

GRACE = 5.0
"""Seconds that requests under way get when the server is to end."""

TICK = 10.0
"""Seconds between two chores, at least."""


class Server:
    """Serves on listening sockets, which it closes in the end; those of TCP with `tls`, if given.

    `chore` is called every few seconds, for what is to be let go of after a time.
    """

    def __init__(
        self,
        service: Service,
        listeners: Sequence[socket.socket],
        tls: ssl.SSLContext | None = None,
        chore: Callable[[], None] | None = None,
    ) -> None:
        self._service = service
        self._listeners = list(listeners)
        self._tls = tls
        self._chore = chore
        self._ending = False
        self._lock = threading.Lock()
        self._peers: dict[socket.socket, str] = {}
        """Whose the connections are that have a thread."""
        self._given: dict[socket.socket, str] = {}
        """The same of those that a service has taken over, while their threads last."""
        self._waiting: list[tuple[socket.socket, Client]] = []
        """Those that have no thread yet, the oldest first."""
        self._idle: dict[socket.socket, None] = {}
        """Connections between two requests, the one that is idle for longest first."""
        self._wake, self._woken = socket.socketpair()

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; a second one ends the process as usual.

        `ready` is called when a signal would end it as it should.
        """
        before = {n: signal.signal(n, self._stop) for n in (signal.SIGINT, signal.SIGTERM)}
        self._before = before
        try:
            self.serve(ready)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop` is called, in any thread."""
        try:
            ready()
            self._accept_all()
        finally:
            for listener in self._listeners:
                listener.close()
            self._end()
            self._wake.close()
            self._woken.close()

    def stop(self) -> None:
        """Let `serve` end, from another thread or a signal's handler. It may have ended already."""
        self._ending = True
        try:
            self._wake.send(b"x")
        except OSError:
            pass  # it has

    def _stop(self, number: int, _: object) -> None:
        signal.signal(number, self._before[signal.Signals(number)])
        self.stop()

    def _accept_all(self) -> None:
        poll = select.poll()
        for listener in self._listeners:
            listener.setblocking(False)  # whoever was ready may be gone again
            poll.register(listener, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        looked = time.monotonic()
        while not self._ending:
            ready = {fd for fd, _ in poll.poll(TICK * 1000)}
            if self._chore is not None and time.monotonic() - looked >= TICK:
                self._chore()
                looked = time.monotonic()
            for listener in self._listeners:
                if listener.fileno() in ready and not self._ending:
                    self._accept(listener)

    def _accept(self, listener: socket.socket) -> None:
        """Take a connection; it is served when there is a thread for it."""
        try:
            connection, _ = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                with self._lock:
                    self._close_idlest()
                time.sleep(0.05)  # it stays ready: without a pause this would spin
            return  # or it was gone again
        try:
            client = Client(connection)
        except OSError:
            connection.close()
            return
        with self._lock:
            self._waiting.append((connection, client))
            if len(self._waiting) > MOST_WAITING:
                self._give_up()
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        """Begin with those that wait, as far as threads and shares go: first who has least."""
        while True:
            with self._lock:
                if not self._waiting or not self._has_room():
                    return
                connection, client = self._waiting.pop(0)
                self._peers[connection] = client.peer
            thread = threading.Thread(target=self._serve, args=(connection, client), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads
                self._let_go(connection)

    def _has_room(self) -> bool:
        """Put first of those that wait whose peer has least; whether he may begin; with the lock.

        If not, one is closed that is in his way, and the end of its thread leads here again.
        """
        counts = Counter([*self._peers.values(), *self._given.values()])
        self._waiting.sort(key=lambda one: counts[one[1].peer])
        peer = self._waiting[0][1].peer
        if counts[peer] >= SHARE:
            self._close_idlest(peer)
            return False
        if counts.total() < MOST:
            return True
        if not self._close_idlest() and not counts[peer]:
            self._close_one_of(counts.most_common(1)[0][0])
        return False

    def _give_up(self) -> None:
        """Close the oldest of those that wait, of whom most of them are; with the lock."""
        most = Counter(client.peer for _, client in self._waiting).most_common(1)[0][0]
        at = next(at for at, (_, client) in enumerate(self._waiting) if client.peer == most)
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
            ours = self._given.pop(connection, None) is None
        if ours:
            connection.close()
        if not self._ending:
            self._serve_waiting()

    def _end(self) -> None:
        """Close what is idle, and give the others some time."""
        deadline = time.monotonic() + GRACE
        with self._lock:
            for connection, _ in self._waiting:
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

    def _serve(self, connection: socket.socket, client: Client) -> None:
        sock = connection
        try:
            if self._tls is not None and connection.family != socket.AF_UNIX:
                sock = tls = self._wrapped(self._tls, connection)
                self._shake_hands(tls)
            serve_connection(sock, self._service, client, self)
        except OSError:
            pass  # there is no TLS to be had with it
        finally:
            self._let_go(sock)

    def _wrapped(self, tls: ssl.SSLContext, connection: socket.socket) -> ssl.SSLSocket:
        """A connection under TLS, of which nothing was said yet. Raises OSError."""
        with self._lock:  # the old object loses its descriptor, by which others would close it
            sock = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._peers[sock] = self._peers.pop(connection)
            return sock

    def _shake_hands(self, sock: ssl.SSLSocket) -> None:
        """Begin TLS; until that is done, closing the connection harms nobody. Raises OSError."""
        sock.settimeout(HEAD_TIME)
        self.rests(sock)
        try:
            sock.do_handshake()
        finally:
            kept = self.goes_on(sock)
        if not kept:
            raise ConnectionAbortedError

    def rests(self, connection: socket.socket) -> None:
        """A connection is between two requests: see connection.Keeper, as for the next three."""
        with self._lock:
            self._idle[connection] = None

    def goes_on(self, connection: socket.socket) -> bool:
        """A request has begun. False where the connection was closed before."""
        with self._lock:
            kept = connection in self._idle
            self._idle.pop(connection, None)
            return kept

    def needs(self, connection: socket.socket) -> bool:
        """Whether the end is near, or somebody waits whom this connection is in the way of."""
        with self._lock:
            full = len(self._peers) + len(self._given) >= MOST
            peer = self._peers[connection]
            return self._ending or any(full or client.peer == peer for _, client in self._waiting)

    def gives_away(self, connection: socket.socket) -> None:
        """A connection is a service's: while its thread lasts it counts, but it is not shut."""
        with self._lock:
            self._given[connection] = self._peers.pop(connection)


def _shut(connection: socket.socket) -> None:
    """Make whoever waits on a connection find its end."""
    try:
        # That of ssl would also take TLS away from whoever is in the middle of it.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # it is gone
