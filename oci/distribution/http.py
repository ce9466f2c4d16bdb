"""HTTP as registries need it: redirects that keep secrets at home, retries, bounded answers.

Over urllib3, which is imported with the first request that needs it: short ones go by `brief`. The
errors of both become an `HttpError` here and nowhere else. Redirects are followed by hand: an
Authorization header goes to the origin it was meant for and to no other, and https never becomes
http.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

from rootless.oci.distribution import brief
from rootless.oci.errors import HttpError, RegistryUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias

    import urllib3

    from rootless.oci.distribution.certificates import Certificates

    Headers = dict[str, str]
    Body: TypeAlias = bytes | Callable[[], Iterable[bytes]]
    """What is sent: bytes, or a function that begins to read them anew at each attempt."""

MAX_REDIRECTS = 5
MAX_ERROR = 64 << 10
TEMPORARY = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Status codes after which the same request may succeed."""

NO_TLS = frozenset(("wrong version number", "packet length too long", "record layer failure"))
"""What OpenSSL of any version says where something else than TLS is spoken."""

REDIRECTS = frozenset((301, 302, 303, 307, 308))
LONGEST_PAUSE = 30.0
"""Seconds of a server's Retry-After; if it wants more, there is no further attempt."""


class Response:
    """An answer whose body is read piece by piece. To be closed."""

    def __init__(self, raw: urllib3.BaseHTTPResponse | brief.Answer, url: str) -> None:
        self._raw = raw
        self.url = url
        self.status = raw.status
        self.headers: brief.Fields | urllib3.HTTPHeaderDict = raw.headers

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes of the body, empty at its end. Raises HttpError."""
        if isinstance(self._raw, brief.Answer):
            return self._raw.read(size)
        import urllib3

        try:
            return self._raw.read(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise HttpError(
                f"reading {shown(self.url)} broke off: {_cause(error)}", temporary=True
            ) from error

    def body(self, limit: int) -> bytes:
        """The whole body. Raises HttpError where it is longer than `limit`."""
        pieces: list[bytes] = []
        size = 0
        while data := self.read(min(limit + 1, 1 << 20)):
            pieces.append(data)
            size += len(data)
            if size > limit:
                raise HttpError(f"the answer of {shown(self.url)} is longer than {limit} bytes")
        return b"".join(pieces)

    @property
    def length(self) -> int:
        """The length of the body as the server says, -1 where it does not."""
        return brief.number(self.headers.get("Content-Length", ""))

    def abort(self) -> None:
        """Make a `read` that waits in another thread fail at once, where urllib3 can (2.3)."""
        # RuntimeError: it has come to its end meanwhile, and given its connection back.
        with contextlib.suppress(AttributeError, ValueError, RuntimeError, OSError):
            self._raw.shutdown()  # type: ignore[union-attr, attr-defined, unused-ignore]

    def close(self) -> None:
        """Give the connection back, or end it where the body was not read to its end."""
        self._raw.close()

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client:
    """Sends requests; may be used by several threads at once."""

    attempts = 4
    pause = 0.5
    """Seconds before the second attempt; each further pause is twice as long."""

    def __init__(
        self,
        *,
        verify: bool = True,
        lenient: bool = False,
        certificates: Certificates | None = None,
    ) -> None:
        """`certificates` are those of one registry, beside the system's; not for other hosts.

        `lenient` takes any certificate of this machine itself, but not of where it leads to.
        """
        self._verify = verify
        self._lenient = lenient
        self._certificates = certificates
        self._pools: dict[tuple[str, bool, bool], urllib3.PoolManager] = {}
        self._brief = brief.Connections()
        self._contexts: dict[tuple[bool, bool], ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def request(
        self,
        url: str,
        headers: Headers | None = None,
        *,
        method: str = "GET",
        body: Body = b"",
        secret: bool = False,
    ) -> Response:
        """Return the answer behind all redirects, whatever its status; retry temporary faults.

        A body whose length is not among the headers is sent in chunks. One that is `secret` goes
        to no other place. Whoever sends Accept wants a document, which comes as a whole, 4 MiB of
        it at most. Raises HttpError without an answer.
        """
        # What PATCH adds is added twice by a second one: its caller knows where to go on.
        attempts = 1 if method == "PATCH" else self.attempts
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            try:
                response = self._follow(method, url, dict(headers or {}), body, secret)
            except HttpError as error:
                if last or not error.temporary:
                    raise
                self.wait(attempt)
                continue
            after = retry_after(response)
            if last or response.status not in TEMPORARY or after > LONGEST_PAUSE:
                return response
            response.close()
            self.wait(attempt, after)
        raise AssertionError("unreachable")

    @classmethod
    def wait(cls, attempt: int, after: float = -1) -> None:
        """Wait before the next attempt; at least `after` seconds, if that is not too long."""
        import random

        seconds = cls.pause * 2 ** (attempt - 1) * (1 + random.random() / 4)  # noqa: S311 - no secret
        time.sleep(max(seconds, min(after, LONGEST_PAUSE)))

    def _follow(
        self, method: str, url: str, headers: Headers, body: Body, secret: bool
    ) -> Response:
        for _ in range(MAX_REDIRECTS + 1):
            response = self._once(method, url, headers, body)
            target = response.headers.get("Location", "")
            if response.status not in REDIRECTS or not target:
                return response
            if response.status < 307 and method not in ("GET", "HEAD"):
                return response  # RFC 9110, 15.4: these may ask for another method
            response.close()
            target = joined(url, target)
            if origin_of(url) != origin_of(target):
                if secret:
                    where = f"{shown(url)} redirects to {shown(target)}"
                    raise HttpError(f"{where}, which is not to have the password")
                # A blob usually lies with a storage service: the registry's token is not for it.
                headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            url = target
        raise HttpError(f"{shown(url)}: more than {MAX_REDIRECTS} redirects")

    def _once(self, method: str, url: str, headers: Headers, body: Body) -> Response:
        short = method != "GET" or "Accept" in headers
        if short and not callable(body) and not _proxy(url):
            target = brief.target_of(url)
            if target is not None and all(map(_is_plain, headers.values())):
                return self._briefly(method, target, headers, body)
        import urllib3

        errors = urllib3.exceptions
        try:
            raw = self._pool(url).request(
                method,
                url,
                headers={"User-Agent": "rootless", "Accept-Encoding": "identity", **headers},
                body=body() if callable(body) else body or None,
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=brief.CONNECT, read=brief.ANSWER),
            )
        except errors.SSLError as error:
            raise _untrusted(url, error) from error
        except (errors.NewConnectionError, errors.LocationValueError) as error:
            raise _unreachable(url, _cause(error)) from error
        except (errors.HTTPError, OSError) as error:
            raise _broken(url, error) from error
        if method != "HEAD" and raw.status not in (204, 304):
            try:
                brief.check_framing(
                    raw.headers.get("Transfer-Encoding", ""), raw.headers.get("Content-Length", "")
                )
            except brief.Garbled as error:
                raw.close()
                raise HttpError(f"{shown(url)}: {error}") from error
        return Response(raw, url)

    def _briefly(
        self, method: str, target: brief.Target, headers: Headers, body: bytes
    ) -> Response:
        """Do without urllib3 what needs neither a stream nor a proxy."""
        url = f"{target.scheme}://{target.netloc}{target.path}"
        try:
            context = self._context(target.netloc) if target.scheme == "https" else None
            answer = self._brief.exchange(method, target, headers, body, context)
        except brief.Unreachable as error:
            raise _unreachable(url, str(error)) from error
        except brief.Garbled as error:
            raise HttpError(f"{shown(url)}: {error}", temporary=True) from error
        except OSError as error:
            if type(error).__module__ == "ssl":  # SSLError and those that are made of it
                raise _untrusted(url, error) from error
            raise _broken(url, error) from error
        return Response(answer, url)

    def _context(self, host: str) -> ssl.SSLContext:
        """Return what TLS to a host is set up with."""
        from rootless.oci.distribution.certificates import system_context

        own, verify = self._is_own(host), self._verifies(host)
        with self._lock:
            if (own, verify) not in self._contexts:
                make = self._certificates.context if own and self._certificates else system_context
                self._contexts[own, verify] = make(verify=verify)
            return self._contexts[own, verify]

    def _is_own(self, host: str) -> bool:
        return self._certificates is not None and host == self._certificates.host

    def _verifies(self, host: str) -> bool:
        return self._verify and not (self._lenient and is_loopback(host))

    def is_without_tls(self, host: str) -> bool:
        """Whether a registry was seen to speak plain HTTP, so that TLS need not be tried."""
        target = brief.target_of(f"https://{host}/")
        if target is None or _proxy(f"https://{host}/"):
            return False
        return brief.speaks_tls(target.host, target.port) is False

    def _pool(self, url: str) -> urllib3.PoolManager:
        from urllib.parse import urlsplit

        proxy, host = _proxy(url), urlsplit(url).netloc
        key = (proxy, self._is_own(host), self._verifies(host))
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._new_pool(proxy, own=key[1], verify=key[2])
            return self._pools[key]

    def _new_pool(self, proxy: str, *, own: bool, verify: bool) -> urllib3.PoolManager:
        """Return new connections; with `own` those that use the registry's certificates."""
        import ssl

        import urllib3

        options: dict[str, Any] = {"maxsize": 8}
        if own and self._certificates is not None:
            options["ssl_context"] = self._certificates.context(verify=verify)
        if not verify:
            if "ssl_context" not in options:
                # Without one urllib3 reads all authorities, 40 ms, to ask none of them.
                context = urllib3.util.ssl_.create_urllib3_context(cert_reqs=ssl.CERT_NONE)
                options["ssl_context"] = context
            options["cert_reqs"] = "CERT_NONE"
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        from rootless.oci.distribution.bounded import bound

        if proxy:
            return bound(urllib3.ProxyManager(proxy, **options))
        return bound(urllib3.PoolManager(**options))

    @contextlib.contextmanager
    def download(self, url: str) -> Iterator[tuple[Response, int]]:
        """The body of a file on the web, and its length or -1. Raises HttpError."""
        with self.request(url) as response:
            if response.status != 200:
                raise HttpError(f"cannot download {shown(url)}: status {response.status}")
            yield response, response.length


def retry_after(response: Response) -> float:
    """The seconds that a server wants us to wait (RFC 9110, 10.2.3), -1 where it does not say."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    if not text:
        return -1
    from email.utils import parsedate_to_datetime

    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0)
    except (ValueError, OverflowError):
        return -1


def joined(base: str, location: str) -> str:
    """Return the URL that a Location header means (RFC 9110, 10.2.2).

    Raises HttpError for none, and for one without TLS where there was some: what is sent there, a
    password among it, would be for everybody on the way.
    """
    if brief.target_of(location) is None:
        from urllib.parse import urljoin, urlsplit

        try:
            location = urljoin(base, location)
            urlsplit(location)
        except ValueError as error:
            raise HttpError(f"{shown(base)} names no URL to go on with: {error}") from error
    scheme = origin_of(location)[0]
    if scheme != "https" and not (scheme == "http" and origin_of(base)[0] == "http"):
        raise HttpError(
            f"{shown(base)} leads to {shown(location)}, which is not https",
            "a proxy before it has to say X-Forwarded-Proto: https",
        )
    return location


def origin_of(url: str) -> tuple[str, str]:
    """Scheme and host of a URL, with the port: who may be told the same secrets."""
    scheme, _, rest = url.partition("://")
    ends = [at for at in map(rest.find, "/?#") if at >= 0]
    return scheme.lower(), rest[: min(ends, default=len(rest))].lower()


def shown(url: str) -> str:
    """A URL fit for messages: user, password and query, where secrets are, left out."""
    target = brief.target_of(url)
    if target is not None:
        return f"{target.scheme}://{target.netloc}{target.path.partition('?')[0]}"
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def is_loopback(host: str) -> bool:
    """Whether a host, perhaps with a port, is this machine: docker lets those speak plain HTTP."""
    name = brief.split_host(host)[0].lower()
    return name in ("localhost", "::1") or name.startswith("127.")


def _proxy(url: str) -> str:
    """The proxy that the environment asks for, never for this machine itself, as in Go."""
    target = brief.target_of(url)
    if target is not None and is_loopback(target.netloc):
        return ""
    if not any(key.lower().endswith("_proxy") for key in os.environ):
        return ""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    if is_loopback(parts.netloc) or proxy_bypass(parts.hostname or ""):
        return ""
    return getproxies().get(parts.scheme, "")


def _is_plain(value: str) -> bool:
    """Whether the value of a header can be sent as it is."""
    return value.isascii() and value.isprintable()


def _unreachable(url: str, cause: str) -> RegistryUnreachable:
    hint = "check its name and its port, and the network"
    return RegistryUnreachable(f"cannot reach {shown(url)}: {cause}", hint, no_tls=True)


def _broken(url: str, error: BaseException) -> RegistryUnreachable:
    """Return the error for an exchange that has come to no end.

    Who takes a connection and says nothing for so long would not answer the next time.
    """
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        hint = "ROOTLESS_REGISTRY_TIMEOUT=SECONDS is how long an answer is waited for"
        return RegistryUnreachable(
            f"{shown(url)}: no answer within {brief.ANSWER} seconds", hint, no_tls=True
        )
    return RegistryUnreachable(f"{shown(url)}: {_cause(error)}", temporary=True, no_tls=True)


def _untrusted(url: str, error: BaseException) -> HttpError:
    """Return the error for a server with which no TLS is to be had."""
    cause = _cause(error).partition(" (_ssl.c:")[0]
    hint = "--tls-verify=false goes without a valid certificate"
    if cause in NO_TLS:
        cause, hint = "it speaks no TLS", "--tls-verify=false goes without"
    return HttpError(f"{shown(url)}: {cause}", hint, no_tls=True)


def _cause(error: BaseException) -> str:
    """The innermost reason, in words."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _cause(reason)
    if len(error.args) == 2 and isinstance(error.args[1], BaseException):  # urllib3's ProtocolError
        return _cause(error.args[1])
    text = str(getattr(error, "strerror", None) or error)
    # urllib3 begins with the connection, which the URL names already: only the kernel's words.
    cause = text.rpartition("[Errno ")[2].partition("] ")[2].removesuffix(")")
    return cause or text or type(error).__name__
