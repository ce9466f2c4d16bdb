"""Files of the web: their content, the name in their URL, and when they were last changed."""

from __future__ import annotations

import os

from rootless.errors import UsageError

_UNNAMED = "__unnamed__"
"""The name of a file whose URL has none; BuildKit's."""


def is_url(text: str) -> bool:
    """Whether a source is a URL that is fetched."""
    return text.lower().startswith(("http://", "https://"))


def shown(url: str) -> str:
    """Return a URL fit for messages."""
    from rootless.oci.distribution import http

    return http.shown(url)


def name_of(url: str) -> str:
    """Return the name of a file: the end of the URL's path, without the query."""
    from urllib.parse import unquote, urlsplit

    name = unquote(urlsplit(url).path).rpartition("/")[2]
    return _UNNAMED if name in ("", ".", "..") or "/" in name or "\0" in name else name


def check_form(checksum: str) -> str:
    """Return the digits of a checksum. Raises UsageError where it is none of sha256."""
    kind, _, digits = checksum.lower().partition(":")
    if kind != "sha256" or len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise UsageError(f"invalid checksum {checksum!r:.120}", "write sha256: and 64 hex digits")
    return digits


def download(url: str, path: str, checksum: str = "") -> str:
    """Fetch a file to `path`, with mode 0600 and the server's time; return its sha256.

    Raises HttpError, UsageError where it has another checksum, OSError.
    """
    from hashlib import sha256

    from rootless.oci.distribution.http import Client

    wanted = check_form(checksum) if checksum else ""
    state = sha256()
    with Client().download(url) as (stream, _):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            while data := stream.read(1 << 20):
                state.update(data)
                file.write(data)
        _date(path, stream.headers.get("Last-Modified", ""))
    found = state.hexdigest()
    if wanted and found != wanted:
        raise UsageError(
            f"{shown(url)} has the checksum sha256:{found}, and not {checksum}",
            "see whether the file is the one that you want before you take its checksum",
        )
    return found


def _date(path: str, text: str) -> None:
    """Give a file the time that the server says it has."""
    from email.utils import parsedate_to_datetime

    try:
        moment = int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError):
        moment = 0  # without a time the same file would be another with each build
    os.utime(path, (moment, moment))
