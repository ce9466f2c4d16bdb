"""Requests: their heads taken apart, their bodies in pieces.

What could be read in two ways (RFC 9112, 11.2: request smuggling) is refused.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from rootless.httpd.errors import bad_request, too_large
from rootless.httpd.stream import MAX_DRAINED, PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.httpd.peers import Client
    from rootless.httpd.stream import Stream

MAX_FIELDS = 100
"""Fields of a head, and trailers of a chunked body."""

MAX_QUERY = 100
"""Parameters behind the question mark."""

MAX_UNWANTED = MAX_DRAINED // 4
"""Bytes of a body which nobody reads that do not end the connection."""

ONCE = ("content-length", "transfer-encoding", "authorization", "host")
"""Fields of which a second one would make a request mean two things."""

OWS = " \t"
"""What may be around a value (RFC 9110, 5.6.3): str.strip would take more, others take no more."""

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


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
    def small(self) -> bool:
        """Whether what is left of it, if anything, is on its way and little enough to `drain`."""
        return self.finished or (not self._expected and 0 <= self.length <= MAX_UNWANTED)

    def drain(self) -> None:
        """Read what nobody wanted, so that what comes after it is found. Raises Gone, Refusal."""
        while self.read():
            pass

    def invite(self) -> None:
        """Give leave to send it, if the client waits for that. Raises Gone."""
        if self._expected and not self.finished:
            self._expected = False
            self._stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def read(self) -> bytes:
        """Some bytes, empty at the end. Raises Gone, Refusal for chunks that are none."""
        self.invite()
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
        digits = self._stream.line().partition(b";")[0].strip(OWS.encode())
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

    def __init__(self, stream: Stream, head: bytes, client: Client) -> None:
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not _is_plain(words[1]):
            raise bad_request("this is no request of HTTP/1.1")
        self.method, self.target = words[0], words[1]
        if not _TOKEN.issuperset(self.method):
            raise bad_request("malformed method")
        self.client = client
        self.user = "-"
        """Who sent it, for a log: the service says so."""
        self.headers = _fields(lines[1:])
        """By names in lower case; one that came several times has its values after commas."""
        try:
            path, query = _split(self.target)
            self.path = unquote(path, errors="strict")
            self.query = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY))
        except ValueError:  # UnicodeDecodeError is one
            raise bad_request("malformed request target") from None
        self.http_1_0 = words[2] == "HTTP/1.0"
        connection = self.headers.get("connection", "").lower()
        self.keep = "close" not in connection and not self.http_1_0
        """Whether the connection is for further requests."""
        switches = "upgrade" in connection and not self.http_1_0
        self.upgrade = self.headers.get("upgrade", "").lower() if switches else ""
        """The protocols that the client would rather speak (RFC 9110, 7.8); "" for none."""
        self.body = self._body(stream)

    @property
    def from_web_page(self) -> bool:
        """Whether a page has a browser send it (`Origin`, or Sec-Fetch-Site of Fetch Metadata).

        A page that is open in the user's browser can reach this machine's loopback, too.
        """
        return "origin" in self.headers or self.headers.get("sec-fetch-site", "none") != "none"

    def _body(self, stream: Stream) -> Body:
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        unclear = length is not None or self.http_1_0
        if coding is not None and (coding.lower() != "chunked" or unclear):
            raise bad_request("the body's length cannot be known")
        if length is not None and not _is_number(length):
            raise bad_request("malformed Content-Length")
        asks = self.headers.get("expect", "").lower() == "100-continue" and not self.http_1_0
        return Body(stream, int(length or 0), chunked=coding is not None, expected=asks)


def _is_plain(text: str) -> bool:
    """Whether there is something, only what is printed, and no spaces."""
    return bool(text) and text.isascii() and text.isprintable()


def _split(target: str) -> tuple[str, str]:
    """Path and query of a target (RFC 9112, 3.2). Raises ValueError.

    `//a/b` is a path and not one on the host a, which is what it would be in a page's link: who
    lets requests through by their path, a proxy, must have seen the same one.
    """
    if target.startswith("/"):
        path, _, query = target.partition("#")[0].partition("?")
        return path, query
    parts = urlsplit(target)
    return parts.path, parts.query


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
        value = value.strip(OWS)
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields
