"""How a registry is convinced: challenges, basic authentication, bearer tokens.

Who asks without an Authorization header gets 401 and a challenge (RFC 9110, 11.6.1): Basic wants
user and password; Bearer says where tokens are given, to anybody or for credentials (the token
authentication of the distribution project; with an identity token the POST of OAuth 2, RFC 6749,
6). A token is good for some actions in some repositories for a while: each set of scopes has its
own, and the next 401 brings a new one.
"""

from __future__ import annotations

import threading

from rootless.oci import jsonio
from rootless.oci.distribution.http import shown
from rootless.oci.distribution.refusals import refusal
from rootless.oci.errors import RegistryError, Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.oci.distribution.credentials import Credentials
    from rootless.oci.distribution.http import Client, Response

MAX_TOKEN = 1 << 20

_CLIENT = "rootless"
"""Our name where OAuth 2 wants one (client_id)."""


class Rejected(Unauthorized):
    """The registry does not know who we say that we are."""


class Authority:
    """What we may say to one registry. May be used by several threads at once."""

    def __init__(self, client: Client, host: str, credentials: Credentials | None) -> None:
        self._client = client
        self._host = host
        self.credentials = credentials
        self._headers: dict[str, str] = {}
        """Scopes -> value of the Authorization header."""
        self._lock = threading.Lock()

    def header(self, scopes: str) -> dict[str, str]:
        """Return the headers that go with a request for `scopes` (space between)."""
        value = self._headers.get(scopes) or self._headers.get("")
        return {"Authorization": value} if value else {}

    def answer(self, challenge: str, scopes: str, sent: dict[str, str], *, tls: bool) -> None:
        """Get what the challenge wants, for the next request. Raises Unauthorized, RegistryError.

        `sent` is the `header` that was not enough; `tls` is whether the registry itself speaks
        TLS: then its secrets never go without.
        """
        kind, _, rest = challenge.partition(" ")
        fields = _fields(rest)
        with self._lock:
            if self.header(scopes) != sent:
                return  # another thread was challenged, too, and has got it meanwhile
            if kind.lower() == "basic":
                if self.credentials is None:
                    raise Unauthorized("it wants a user name and a password")
                if sent:
                    raise Rejected("it does not take the password")
                self._headers[""] = self.credentials.basic
            elif kind.lower() == "bearer" and fields.get("realm"):
                self._headers[scopes] = f"Bearer {self._token(fields, scopes, tls=tls)}"
            else:
                raise Unauthorized("it asks for an unknown kind of authentication")

    def _token(self, fields: dict[str, str], scopes: str, *, tls: bool) -> str:
        from urllib.parse import urlsplit

        realm = fields["realm"]
        try:
            scheme = urlsplit(realm).scheme
        except ValueError as error:
            raise RegistryError(f"{self._host} gives its tokens at no URL: {error}") from error
        if scheme != "https" and (tls or scheme != "http"):
            raise RegistryError(f"{self._host} gives its tokens at a place without TLS")
        query = [(key, fields[key]) for key in ("service",) if key in fields]
        asked = scopes.split()
        named = fields.get("scope", "").split() or asked[:1]  # it knows best how to name us
        query += [("scope", scope) for scope in (*named, *asked[1:])]
        with self._ask(realm, query) as response:
            if response.status == 401 and self.credentials is not None:
                raise Rejected("it does not take the password")
            if response.status in (400, 401, 403):
                raise Unauthorized("it gives no token for that")
            if response.status != 200:
                known = self.credentials is not None
                raise refusal(response, shown(realm), self._host, known=known)
            return _token(response.body(MAX_TOKEN), realm)

    def _ask(self, realm: str, query: list[tuple[str, str]]) -> Response:
        from urllib.parse import urlencode

        credentials = self.credentials
        if credentials is not None and credentials.token:
            words = dict(query) | {"scope": " ".join(v for k, v in query if k == "scope")}
            words |= {"grant_type": "refresh_token", "refresh_token": credentials.token}
            body = urlencode(words | {"client_id": _CLIENT}).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._client.request(realm, kind, method="POST", body=body, secret=True)
        headers = {} if credentials is None else {"Authorization": credentials.basic}
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        return self._client.request(url, headers)


def _fields(text: str) -> dict[str, str]:
    """The fields of a challenge: key="value" with commas between."""
    from urllib.request import parse_http_list, parse_keqv_list

    try:
        return parse_keqv_list(parse_http_list(text))
    except (ValueError, IndexError):
        return {}


def _token(data: bytes, realm: str) -> str:
    try:
        answer = jsonio.loads(data)
        token = answer.get("token") or answer.get("access_token")
    except (ValueError, AttributeError):
        token = None
    # A token goes into a header: a line break in it would be a header of the server's choice.
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise RegistryError(f"{shown(realm)} answered without a token")
    return token
