"""HTTP/1.1 as a registry needs it (RFC 9112): bounded heads, bodies in pieces, files sent.

Of http.server only the idea is left. Its heads may be megabytes long, its time limit is for each
read, so that a byte a minute holds a thread for days, and it knows no chunked bodies, which docker
and skopeo send. What could be read in two ways (RFC 9112, 11.2: request smuggling) is refused,
and so are requests that a web page makes (`Origin`, Sec-Fetch-Site of Fetch Metadata): a page open
in the user's browser can reach this machine's loopback too.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import time
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from rootless.registry.refusal import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_HEAD = 16 << 10
MAX_FIELDS = 100
MAX_LINE = 256
"""Bytes of the line before a chunk, and of each trailer after the last."""

HEAD_TIME = 15.0
"""Seconds for a whole head, once its first byte is there."""

IDLE_TIME = 60.0
"""Seconds that a connection may be silent: between requests, and in the middle of one."""

SLOWEST = 1 << 10
"""Bytes a second below which a body is given up, judged over IDLE_TIME."""

PIECE = 256 << 10
MAX_SENT = 4 << 20
"""Bytes of a file that are sent between two looks at the pace."""

MAX_DRAINED = 8 << 20
"""Bytes of an unwanted body that are read so that the answer arrives; longer ones end it."""

ONCE = ("content-length", "transfer-encoding", "authorization", "host")
"""Fields of which a second one would make a request mean two things."""

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Gone(Exception):
    """The client closed the connection, or was too slow: nobody hears an answer."""


class Stream:
    """The bytes of a connection, with a buffer for what was read too far."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._buffer = bytearray()
        self._pace: Pace | None = None
        """That of a body which is read."""

    def _fill(self) -> None:
        try:
            data = self.socket.recv(PIECE)
        except OSError as error:  # TimeoutError and ssl.SSLError are some
            raise Gone from error
        if not data:
            raise Gone
        self._buffer += data
        if self._pace is not None:
            self._pace.judge(len(data))

    def begin_body(self) -> None:
        """From here on the client is to keep to a pace."""
        self._pace = Pace()

    def read(self, size: int) -> bytes:
        """At least one and at most `size` bytes. Raises Gone at the end."""
        if not self._buffer:
            self._fill()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def line(self) -> bytes:
        """A line without its end. Raises Refusal for one above MAX_LINE."""
        while (end := self._buffer.find(b"\r\n", 0, MAX_LINE)) < 0:
            if len(self._buffer) >= MAX_LINE:
                raise bad_request("a line of a chunked body is too long")
            self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def wait(self) -> None:
        """Wait for the first byte of a request. Raises Gone."""
        self._pace = None
        if not self._buffer:
            self.socket.settimeout(IDLE_TIME)
            self._fill()

    def head(self) -> bytes:
        """The head of a request, without the empty line. Raises Gone, Refusal for a long one."""
        deadline = time.monotonic() + HEAD_TIME
        if self._buffer and not self._buffer[:1].isalpha():
            # Clients try TLS first, and go on without it only when they are answered.
            raise bad_request("this is no HTTP: TLS is not spoken here")
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise Refusal(431, "UNSUPPORTED", "the head of the request is too long")
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            self._fill()
        if end > MAX_HEAD:
            raise Refusal(431, "UNSUPPORTED", "the head of the request is too long")
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self.socket.settimeout(IDLE_TIME)
        return head

    def send(self, *pieces: bytes) -> None:
        """Send all. Raises Gone."""
        try:
            self.socket.sendall(b"".join(pieces))
        except OSError as error:
            raise Gone from error

    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file: by sendfile(2), or piece by piece through TLS. Raises Gone."""
        pace = Pace()
        some = self._send_copied if isinstance(self.socket, ssl.SSLSocket) else self._send_some
        while count:
            try:
                sent = some(fd, offset, count)
            except BlockingIOError:
                sent = 0  # somebody else has filled the buffer; there is room again soon
            except OSError as error:
                raise Gone from error
            pace.judge(sent)
            offset, count = offset + sent, count - sent

    def _send_some(self, fd: int, offset: int, count: int) -> int:
        """Send what there is room for; the bytes. Raises Gone for a client that takes none."""
        room = select.poll()
        room.register(self.socket, select.POLLOUT)
        if not room.poll(IDLE_TIME * 1000):
            raise Gone
        sent = os.sendfile(self.socket.fileno(), fd, offset, min(count, MAX_SENT))
        if not sent:
            raise Gone  # the file was cut short
        return sent

    def _send_copied(self, fd: int, offset: int, count: int) -> int:
        data = os.pread(fd, min(count, PIECE), offset)
        if not data:
            raise Gone
        self.socket.sendall(data)
        return len(data)

    def linger(self) -> None:
        """Close so that the last answer arrives, though the client may still be sending.

        Closing with unread bytes would reset the connection and destroy the answer on its way.
        """
        deadline = time.monotonic() + 2
        left = MAX_DRAINED
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            while left > 0 and (rest := deadline - time.monotonic()) > 0:
                self.socket.settimeout(rest)
                data = self.socket.recv(PIECE)
                if not data:
                    break
                left -= len(data)


class Pace:
    """How fast a client sends or takes a body: one that holds a connection by a byte now and then
    is given up."""

    def __init__(self) -> None:
        self._since, self._seen = time.monotonic(), 0

    def judge(self, count: int) -> None:
        """Count bytes that were just moved. Raises Gone where they were too few for too long."""
        now = time.monotonic()
        self._seen += count
        if now - self._since < IDLE_TIME:
            return
        if self._seen < SLOWEST * (now - self._since):
            raise Gone
        self._since, self._seen = now, 0


class Body:
    """The body of a request, read once, from its beginning to its end."""

    def __init__(self, stream: Stream, length: int, *, chunked: bool, expected: bool) -> None:
        self._stream = stream
        self.length = -1 if chunked else length
        """Its length as the client said, -1 where it will see."""
        self._left = 0 if chunked else length
        self._chunks = chunked
        """Whether further chunks come after what is left of this one."""
        self._first = True
        self._expected = expected
        """Whether the client waits for leave to send it (RFC 9110, 10.1.1)."""
        stream.begin_body()

    @property
    def finished(self) -> bool:
        """Whether all of it was read."""
        return not (self._left or self._chunks)

    @property
    def promised(self) -> bool:
        """Whether the client waits with it, so that nothing of it is on its way."""
        return self._expected

    def read(self) -> bytes:
        """Some bytes, empty at the end. Raises Gone, Refusal for chunks that are none."""
        if self._expected and not self.finished:
            self._expected = False
            self._stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self._left and self._chunks:
            self._next_chunk()
        if not self._left:
            return b""
        data = self._stream.read(min(self._left, PIECE))
        self._left -= len(data)
        return data

    def whole(self, limit: int) -> bytes:
        """All of it. Raises Refusal 413 where that is more than `limit` bytes."""
        pieces, size = [], 0
        if self.length > limit:
            raise too_large(limit)
        while data := self.read():
            size += len(data)
            if size > limit:
                raise too_large(limit)
            pieces.append(data)
        return b"".join(pieces)

    def _next_chunk(self) -> None:
        if not self._first and self._stream.line():
            raise bad_request("a chunk is longer than it says")
        self._first = False
        digits = self._stream.line().partition(b";")[0].strip()
        if not 0 < len(digits) <= 15 or not all(c in b"0123456789abcdefABCDEF" for c in digits):
            raise bad_request("malformed length of a chunk")
        self._left = int(digits, 16)
        if not self._left:
            for _ in range(MAX_FIELDS):
                if not self._stream.line():
                    break
            else:
                raise bad_request("too many trailers")
            self._chunks = False


class Request:
    """A request: its head taken apart, its body still to be read."""

    def __init__(self, stream: Stream, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not words[1].isascii():
            raise bad_request("this is no request of HTTP/1.1")
        self.method, self.target = words[0], words[1]
        self.headers = _fields(lines[1:])
        if "origin" in self.headers or self.headers.get("sec-fetch-site", "none") != "none":
            raise Refusal(403, "DENIED", "this registry is not for web pages")
        try:
            parts = urlsplit(self.target)
            self.path = unquote(parts.path, errors="strict")
            self.query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=20))
        except ValueError:  # UnicodeDecodeError is one
            raise bad_request("malformed request target") from None
        http_1_0 = words[2] == "HTTP/1.0"
        connection = self.headers.get("connection", "").lower()
        self.keep = "close" not in connection and not http_1_0
        """Whether the connection is for further requests."""
        self.body = self._body(stream, http_1_0=http_1_0)

    def _body(self, stream: Stream, *, http_1_0: bool) -> Body:
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        if coding is not None and (coding.lower() != "chunked" or length is not None or http_1_0):
            raise bad_request("the body's length cannot be known")
        if length is not None and not _is_number(length):
            raise bad_request("malformed Content-Length")
        expected = self.headers.get("expect", "").lower() == "100-continue" and not http_1_0
        return Body(stream, int(length or 0), chunked=coding is not None, expected=expected)


class Answer:
    """A response. Its body may be `count` bytes of `file`, a descriptor that `send` closes."""

    def __init__(
        self,
        status: int,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        *,
        file: int = -1,
        offset: int = 0,
        count: int = 0,
    ) -> None:
        self.status = status
        self.headers = headers or {}
        self.body = body
        self._file, self._offset = file, offset
        self.length = count if file >= 0 else len(body)

    def send(self, stream: Stream, *, head_only: bool, keep: bool) -> None:
        """Send it. Raises Gone."""
        try:
            head = self._head(keep=keep)
            if head_only or self._file < 0:
                stream.send(head, b"" if head_only else self.body)
                return
            stream.send(head)
            stream.send_file(self._file, self._offset, self.length)
        finally:
            self.close()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _head(self, *, keep: bool) -> bytes:
        fields = {
            "Date": formatdate(usegmt=True),
            "Docker-Distribution-Api-Version": "registry/2.0",
            # Nobody shall take what a stranger pushed for a page.
            "X-Content-Type-Options": "nosniff",
            **self.headers,
        }
        if self.status != 204:
            fields["Content-Length"] = str(self.length)
        if not keep:
            fields["Connection"] = "close"
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {_clean(value)}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def bad_request(why: str) -> Refusal:
    """What is not HTTP as it should be."""
    return Refusal(400, "UNSUPPORTED", why)


def too_large(limit: int) -> Refusal:
    """A document above its limit (distribution-spec, "Pushing Manifests": 413)."""
    return Refusal(413, "SIZE_INVALID", f"more than {limit} bytes are not taken")


def _clean(value: str) -> str:
    """A header's value: what a manifest says of itself must not become a header of its own."""
    return "".join(c for c in value if c.isascii() and c.isprintable())


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _fields(lines: Iterable[str]) -> dict[str, str]:
    """Header fields, names in lower case. Raises Refusal for what could be read in two ways."""
    fields: dict[str, str] = {}
    for count, line in enumerate(lines):
        name, colon, value = line.partition(":")
        name = name.lower()
        if count >= MAX_FIELDS or not colon or not name or not _TOKEN.issuperset(name):
            raise bad_request("malformed header")
        if any((c < " " and c != "\t") or c == "\x7f" for c in value):
            raise bad_request("a header with control characters")
        if name in fields and name in ONCE:
            raise bad_request(f"two headers {name}")
        fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
    return fields
