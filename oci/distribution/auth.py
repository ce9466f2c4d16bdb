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
from rootless.oci.distribution.brief import encoded, scheme_of
from rootless.oci.distribution.http import shown
from rootless.oci.distribution.refusals import refusal
from rootless.oci.errors import RegistryError, Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

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
        offered = challenges(challenge)
        kinds = [kind for kind, _ in offered]
        bearer = [found for kind, found in offered if kind == "bearer" and found.get("realm")]
        with self._lock:
            if self.header(scopes) != sent:
                return  # another thread was challenged, too, and has got it meanwhile
            if bearer:
                self._headers[scopes] = f"Bearer {self._token(bearer[0], scopes, tls=tls)}"
            elif "basic" in kinds:
                if self.credentials is None:
                    raise Unauthorized("it wants a user name and a password")
                if sent:
                    raise Rejected("it does not take the password")
                self._headers[""] = self.credentials.basic
            else:
                raise self._not_understood(kinds)

    def _not_understood(self, kinds: list[str]) -> RegistryError:
        """Return the error for a registry that wants to know who we are in ways of its own."""
        if not kinds or "bearer" in kinds:
            return Unauthorized("it says nowhere how it wants to know")
        asked = ", ".join(kind.title() for kind in kinds)
        message = f"{self._host} asks who you are in a way that is not known here: {asked[:100]}"
        return RegistryError(message, "Basic and Bearer are")

    def _token(self, fields: dict[str, str], scopes: str, *, tls: bool) -> str:
        realm = fields["realm"]
        try:
            scheme = scheme_of(realm)
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
        credentials = self.credentials
        if credentials is not None and credentials.token:
            words = dict(query) | {"scope": " ".join(v for k, v in query if k == "scope")}
            words |= {"grant_type": "refresh_token", "refresh_token": credentials.token}
            body = encoded([*words.items(), ("client_id", _CLIENT)]).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._client.request(realm, kind, method="POST", body=body, secret=True)
        headers = {"Accept": "application/json"}
        if credentials is not None:
            headers["Authorization"] = credentials.basic
        url = f"{realm}{'&' if '?' in realm else '?'}{encoded(query)}"
        return self._client.request(url, headers)


def challenges(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return kind and parameters of each challenge (RFC 9110, 11.6.1), both by names in lower case.

    Of one header, or of several that were joined by commas, which is the same thing.
    """
    found: list[tuple[str, dict[str, str]]] = []
    for item in filter(None, _split(text)):
        before, equals, value = item.partition("=")
        kind, _, name = before.strip().partition(" ")
        if name or not equals:  # with a space before it, or alone: a new challenge begins
            found.append((kind.lower(), {}))
        else:
            name = kind
        if equals and found:
            found[-1][1].setdefault(name.strip().lower(), _unquoted(value.strip()))
    return found


def _split(text: str) -> Iterator[str]:
    """Yield what stands between commas, those within quotation marks left out."""
    start, quoted, escaped = 0, False, False
    for at, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == "\\" and quoted:
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            yield text[start:at].strip()
            start = at + 1
    yield text[start:].strip()


def _unquoted(text: str) -> str:
    """Return the value of a parameter, a token or a quoted string (RFC 9110, 5.6.4)."""
    if text[:1] != '"':
        return text
    if len(text) < 2 or text[-1] != '"':
        return ""
    parts = text[1:-1].split("\\\\")
    return "\\".join(part.replace("\\", "") for part in parts)


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
