"""How a git server lets a build in: by a secret of BuildKit's names, or by what its URL says.

    GIT_AUTH_TOKEN, GIT_AUTH_TOKEN.HOST     a token, as the password of x-access-token
    GIT_AUTH_HEADER, GIT_AUTH_HEADER.HOST   what the header Authorization is to say

That of the server's own name counts first, and of the two the header. It goes to git through its
environment, which others cannot read as they can its command line; and it is no part of any key.
"""

from __future__ import annotations

from binascii import b2a_base64

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER, TOKEN = "GIT_AUTH_HEADER", "GIT_AUTH_TOKEN"

_WHOLE = ("https://github.com/", "https://www.github.com/")
"""Servers whose token is one for all that is there, so that submodules come along, as BuildKit has
it; elsewhere it is for the repository alone."""


def header_of(url: str, secrets: Mapping[str, bytes]) -> str:
    """Return what Authorization is to say to the server of a URL; "" for nothing.

    Raises UsageError for a secret of several lines.
    """
    if not url.lower().startswith(("http://", "https://")):
        return ""
    from urllib.parse import urlsplit

    host = urlsplit(url).netloc.rpartition("@")[2]
    for name in (f"{HEADER}.{host}", f"{TOKEN}.{host}", HEADER, TOKEN):
        if name in secrets:
            value = secrets[name].decode("utf-8", "surrogateescape").strip()
            if not value.isprintable():
                raise UsageError(f"the secret {name!r:.200} is not one line of text")
            return value if name.startswith(HEADER) else _basic("x-access-token", value)
    return ""


def parted(url: str) -> tuple[str, str]:
    """Return a URL without its user and password, and what Authorization says in their place."""
    scheme, mark, rest = url.partition("://")
    if scheme.lower() not in ("http", "https") or not mark:
        return url, ""
    place, slash, path = rest.partition("/")
    who, _, host = place.rpartition("@")
    user, colon, password = who.partition(":")
    if not colon:
        return url, ""
    from urllib.parse import unquote

    return f"{scheme}://{host}{slash}{path}", _basic(unquote(user), unquote(password))


def variables(url: str, header: str, there: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that have git say it, besides what those that are `there` have it do."""
    if not header:
        return {}
    scope = next((one for one in _WHOLE if url.startswith(one)), url)
    text = there.get("GIT_CONFIG_COUNT", "")
    number = int(text) if text.isascii() and text.isdecimal() else 0
    return {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": f"http.{scope}.extraHeader",
        f"GIT_CONFIG_VALUE_{number}": f"Authorization: {header}",
    }


def _basic(user: str, password: str) -> str:
    data = f"{user}:{password}".encode("utf-8", "surrogateescape")
    return f"basic {b2a_base64(data, newline=False).decode()}"
