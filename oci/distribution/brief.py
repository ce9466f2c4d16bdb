"""Short HTTP exchanges over plain sockets: a HEAD, a POST, a PUT of a document, and its answer.

A push that finds all its blobs in the registry consists of a few of them, and takes less time than
urllib3 and http.client take to be imported. What is more than that, transfers, proxies and
unusual URLs, is urllib3's (`http`); so is every decision: this module sends one request to one
host and returns one answer, whole.
"""

from __future__ import annotations

import _socket
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

CONNECT = 15
_ASKED = os.environ.get("ROOTLESS_REGISTRY_TIMEOUT", "")
ANSWER = int(_ASKED) if _ASKED.isascii() and _ASKED.isdigit() and 0 < len(_ASKED) < 6 else 60
"""Seconds without a byte after which a connection or an answer is given up."""

LONGEST = (4 << 20) + 1
"""Bytes of an answer that are read; one more than any document may have."""

_HEAD = 64 << 10
_CHUNK = 1 << 16
MOST_HEADS = 100
"""Provisional answers before one, and trailers behind one."""

# A TLS 1.2 ClientHello (RFC 5246, 7.4.1.2): whoever speaks TLS answers it with a handshake or an
# alert. The number of its extension "supported groups" (RFC 8422, 5.1.1) is that of a line feed,
# so that whoever speaks HTTP sees a line, and answers in words.
_SUITES = bytes.fromhex("0010 c02b c02f c02c c030 009c 009d 002f 0035")
_GROUPS = bytes.fromhex("000a 000a 0008 001d 0017 0018 0019")
_HELLO = b"\x03\x03" + bytes(32) + b"\x00" + _SUITES + b"\x01\x00\x00\x0e" + _GROUPS
HELLO = bytes.fromhex("16 0301 00") + bytes((len(_HELLO) + 4,))
HELLO += bytes.fromhex("01 0000") + bytes((len(_HELLO),)) + _HELLO


_UNRESERVED = frozenset(b"-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""What stands for itself in a query (RFC 3986, 2.3)."""


class Unanswered(OSError):
    """The connection ended before the first byte of an answer."""


class Unreachable(OSError):
    """There is no connection to be had."""


class Garbled(OSError):
    """What came is no HTTP/1 answer."""


class Answer:
    """An answer that is here as a whole: what `http.Response` needs of urllib3's."""

    def __init__(self, status: int, headers: Fields, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    def read(self, size: int, *, decode_content: bool = False) -> bytes:
        """At most `size` bytes of the body."""
        data, self._body = self._body[:size], self._body[size:]
        return data

    def close(self) -> None:
        """Nothing is open."""


class Fields:
    """Header fields, found by names in any case."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def add(self, name: str, value: str) -> None:
        """Take a field; several of one name are joined (RFC 9110, 5.3)."""
        name = name.lower()
        known = self._fields.get(name)
        self._fields[name] = value if known is None else f"{known}, {value}"

    def get(self, name: str, default: str = "") -> str:
        """The value of a field."""
        return self._fields.get(name.lower(), default)


class Target:
    """What a request is for: a URL without anything unusual in it."""

    __slots__ = ("host", "netloc", "path", "port", "scheme")

    def __init__(self, scheme: str, netloc: str, path: str) -> None:
        self.scheme = scheme
        self.netloc = netloc
        self.path = path
        """With the query."""
        self.host, port = split_host(netloc)
        self.port = int(port or (443 if scheme == "https" else 80))


def target_of(url: str) -> Target | None:
    """Return what a URL is for, None where `urllib.parse` has to look at it.

    That is imported for odd ones only: it takes 5 ms, with re.
    """
    scheme, _, rest = url.partition("://")
    netloc, slash, path = rest.partition("/")
    usual = scheme in ("http", "https") and slash and netloc and not set(netloc) & set("@?#\\")
    if not usual or not url.isascii() or not url.isprintable() or set(url) & set(' #"<>\\^`{|}'):
        return None
    host, port = split_host(netloc)
    if not host or netloc.startswith("[") != ("]" in netloc):
        return None
    if port and not (port.isdecimal() and len(port) < 6 and int(port) < 65536):
        return None
    return Target(scheme, netloc, f"/{path}")


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in small letters. Raises ValueError for what is none."""
    target = target_of(url)
    if target is not None:
        return target.scheme
    from urllib.parse import urlsplit

    return urlsplit(url).scheme


def encoded(query: list[tuple[str, str]]) -> str:
    """Return the query of a URL, or what a form sends (application/x-www-form-urlencoded)."""
    return "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in query)


def _quoted(text: str) -> str:
    plain = [chr(one) if one in _UNRESERVED else f"%{one:02X}" for one in text.encode()]
    return "".join(plain).replace("%20", "+")


def split_host(netloc: str) -> tuple[str, str]:
    """Return host and port ("" without one) of HOST[:PORT]; an IPv6 address is in brackets."""
    if netloc.startswith("["):
        host, _, rest = netloc[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = netloc.partition(":")
    return host, port


def number(text: str) -> int:
    """Return what decimal digits say, -1 for anything else and for more than 18 of them.

    int() takes signs, underscores, spaces and the digits of all scripts as well, and raises for
    thousands of digits.
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else -1


def chunk_size(line: bytes) -> int:
    """Return the length of a chunk as the line before it says (RFC 9112, 7.1), -1 for none."""
    digits = line.partition(b";")[0].strip()
    if not 0 < len(digits) <= 15 or digits.strip(b"0123456789abcdefABCDEF"):
        return -1
    return int(digits, 16)


def check_framing(coding: str, length: str) -> None:
    """Refuse an answer whose end is not certain (RFC 9112, 6.3). Raises Garbled.

    The arguments are its Transfer-Encoding and Content-Length, "" for none.
    """
    if coding and (coding.lower() != "chunked" or length):
        raise Garbled("the length of its body can be read in two ways")
    if length and number(length) < 0:
        raise Garbled("its Content-Length is no number")


class Connections:
    """Connections that are kept for the next exchange. May be used by several threads at once."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str], list[_socket.socket | ssl.SSLSocket]] = {}

    def __del__(self) -> None:
        for idle in self._idle.values():
            for connection in idle:
                connection.close()

    def exchange(
        self,
        method: str,
        target: Target,
        headers: dict[str, str],
        body: bytes,
        context: ssl.SSLContext | None,
    ) -> Answer:
        """Send a request and return the answer. Raises OSError, of which ssl.SSLError is one.

        `context` is what TLS is set up with, for an https URL.
        """
        request = _request(method, target, headers, body)
        idle = self._idle.setdefault((target.scheme, target.netloc), [])
        while idle:
            try:
                connection = idle.pop()
            except IndexError:
                break  # another thread was faster
            try:
                return self._over(connection, idle, method, request)
            except (Unanswered, ConnectionError):
                continue  # it was ended by the other side while it was not used
        return self._over(_connect(target, context), idle, method, request)

    @staticmethod
    def _over(
        connection: _socket.socket | ssl.SSLSocket,
        idle: list[_socket.socket | ssl.SSLSocket],
        method: str,
        request: bytes,
    ) -> Answer:
        try:
            connection.sendall(request)
            answer, reusable = _Reader(connection).answer(method)
        except BaseException:
            connection.close()
            raise
        if reusable:
            idle.append(connection)
        else:
            connection.close()
        return answer


def speaks_tls(host: str, port: int) -> bool | None:
    """Whether a server answers in TLS, None where it does not answer so that one can tell.

    Asked before TLS is tried with a registry that may speak plain HTTP: to load OpenSSL and its
    certificates only to hear that nobody wants them takes longer than a whole push.
    """
    try:
        connection = _open(host, port)
    except OSError:
        return None
    try:
        connection.sendall(HELLO)
        data = connection.recv(5)
    except OSError:
        return None
    finally:
        connection.close()
    if data[:1] in (b"\x15", b"\x16"):
        return True
    return False if data == b"HTTP/" else None


def _request(method: str, target: Target, headers: dict[str, str], body: bytes) -> bytes:
    fields = {"Host": target.netloc, "User-Agent": "rootless", "Accept-Encoding": "identity"}
    fields |= headers
    if body or method != "HEAD":
        fields["Content-Length"] = str(len(body))
    lines = [f"{key}: {value}" for key, value in fields.items()]
    head = "\r\n".join([f"{method} {target.path} HTTP/1.1", *lines, "", ""])
    return head.encode("ascii") + body


def _connect(target: Target, context: ssl.SSLContext | None) -> _socket.socket | ssl.SSLSocket:
    connection = _open(target.host, target.port)
    connection.settimeout(ANSWER)
    if context is None:
        return connection
    import socket

    whole = socket.socket(fileno=connection.detach())
    whole.settimeout(ANSWER)
    try:
        return context.wrap_socket(whole, server_hostname=target.host)
    except ValueError as error:  # a name such as ".x", which a registry may lead to
        whole.close()
        raise Unreachable(str(error)) from error
    except BaseException:
        whole.close()
        raise


def _open(host: str, port: int) -> _socket.socket:
    """Connect to the first address of a host that answers."""
    error: OSError = Unreachable(f"no address of {host}")
    try:
        # As bytes: a str would be taken for an internationalised name, by a module of 4 ms.
        found = _socket.getaddrinfo(host.encode("ascii"), port, 0, _socket.SOCK_STREAM)
    except (OSError, UnicodeError) as failed:
        raise Unreachable(getattr(failed, "strerror", None) or str(failed)) from failed
    for family, kind, protocol, _, address in found:
        try:
            connection = _socket.socket(family, kind, protocol)
        except OSError as failed:
            error = failed
            continue
        try:
            connection.settimeout(CONNECT)
            connection.connect(address)
            connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as failed:
            error = failed
            connection.close()
            continue
        except BaseException:
            connection.close()
            raise
        return connection
    if isinstance(error, TimeoutError):
        raise error
    raise Unreachable(error.strerror or str(error)) from error


class _Reader:
    """Reads one answer (RFC 9112)."""

    def __init__(self, connection: _socket.socket | ssl.SSLSocket) -> None:
        self._connection = connection
        self._data = bytearray()  # whose beginning is taken off without moving the rest

    def answer(self, method: str) -> tuple[Answer, bool]:
        """Return the answer, and whether the connection can be used again."""
        for _ in range(MOST_HEADS):
            status, version, headers = self._head()
            if not 100 <= status < 200:
                break
        else:
            raise Garbled("it sends provisional answers without end")
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        known = True
        if method == "HEAD" or status in (204, 304):
            body = b""
        else:
            check_framing(coding, length)
            body, known = self._body(length, chunked=bool(coding))
        last = headers.get("connection").lower() == "close" or version != "HTTP/1.1"
        return Answer(status, headers, body), known and not last and not self._data

    def _body(self, length: str, *, chunked: bool) -> tuple[bytes, bool]:
        """Return a body, and whether it was read to its end."""
        if chunked:
            return self._chunks()
        if length:
            body = self._exactly(min(number(length), LONGEST))
            return body, len(body) == number(length)
        while len(self._data) < LONGEST and self._more():
            pass
        return bytes(self._data[:LONGEST]), False

    def _take(self, size: int) -> bytes:
        """Take what has come already, at most `size` bytes of it."""
        data = bytes(self._data[:size])
        del self._data[:size]
        return data

    def _more(self) -> bool:
        data = self._connection.recv(_CHUNK)
        self._data += data
        return bool(data)

    def _head(self) -> tuple[int, str, Fields]:
        while (end := self._data.find(b"\r\n\r\n")) < 0:
            if len(self._data) > _HEAD:
                raise Garbled("its header is too long")
            if not self._more():
                if not self._data:
                    raise Unanswered("the server closed the connection without an answer")
                raise Garbled("its header breaks off")
        first, *lines = self._take(end + 4)[:end].decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdecimal()):
            raise Garbled("the answer is not HTTP/1")
        headers = Fields()
        for line in lines:
            name, _, value = line.partition(":")
            headers.add(name.strip(), value.strip())
        return int(code), version, headers

    def _exactly(self, size: int) -> bytes:
        pieces = [self._take(size)]
        have = len(pieces[0])
        while have < size:
            data = self._connection.recv(min(size - have, _CHUNK))
            if not data:
                raise Garbled("the answer breaks off")
            pieces.append(data)
            have += len(data)
        return b"".join(pieces)

    def _line(self) -> bytes:
        while (end := self._data.find(b"\r\n")) < 0:
            if len(self._data) > _HEAD or not self._more():
                raise Garbled("the answer breaks off")
        return self._take(end + 2)[:end]

    def _chunks(self) -> tuple[bytes, bool]:
        """Return a body in chunks (RFC 9112, 7.1), and whether it was read to its end."""
        pieces: list[bytes] = []
        total = 0
        while True:
            size = chunk_size(self._line())
            if size < 0:
                raise Garbled("a chunk has no length")
            if not size:
                break
            pieces.append(self._exactly(min(size, LONGEST - total)))
            total += len(pieces[-1])
            if total >= LONGEST:
                return b"".join(pieces), False
            if self._line():
                raise Garbled("a chunk is longer than it says")
        trailers = iter(self._line, b"")
        return b"".join(pieces), all(count < MOST_HEADS for count, _ in enumerate(trailers))
