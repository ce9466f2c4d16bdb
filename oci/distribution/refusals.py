"""What a registry says when it does not do what it was asked, in one line for people.

The distribution-spec's "Error Codes", {"errors": [{"code": "...", "message": "..."}]}, and what
others answer: {"message": "..."}, or a line of text. Limits of requests are told by status 429,
with Retry-After (RFC 9110, 10.2.3) or, at docker.io, `ratelimit-remaining: 0;w=21600`.
"""

from __future__ import annotations

from rootless.oci import jsonio
from rootless.oci.distribution.http import MAX_ERROR, TEMPORARY, retry_after
from rootless.oci.errors import (
    HttpError,
    RegistryError,
    RegistryFailed,
    TooManyRequests,
    Unauthorized,
    one_line,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.oci.distribution.http import Response

LONGEST = 300
"""Characters of what a registry says that are shown."""


def refusal(
    response: Response, subject: str, host: str, *, known: bool, temporary: bool = False
) -> RegistryError:
    """Return the error for an answer of `host` to a request for `subject`; its body is read.

    By its status an Unauthorized, TooManyRequests or RegistryFailed, else an HttpError where the
    same may succeed later: `temporary` says that it was not tried again yet. What 404 means depends
    on what was asked for, and the caller says it. `known` is whether we said who we are.
    """
    words = said(response)
    after = retry_after(response)
    message, hint = f"{subject}: status {response.status}{words}", ""
    if response.status == 429:
        message = f"{host} limits requests{words}{_left(response)}"
        hint = f"try again in {_span(after)}" if after > 0 else "wait a while"
        if not known:
            hint += f", or rootless login {host}: it may allow more then"
    if response.status in (401, 403):
        return Unauthorized(message, hint)
    kind = HttpError
    if response.status == 429:
        kind = TooManyRequests
    elif response.status >= 500:
        kind = RegistryFailed
    elif not temporary and response.status not in TEMPORARY:
        return RegistryError(message, hint)
    return kind(message, hint, temporary=temporary, after=after)


def said(response: Response) -> str:
    """What the body says, printable, behind a colon; "" for nothing that people can read."""
    data = response.body(MAX_ERROR)
    try:
        document = jsonio.loads(data)
    except ValueError:
        kind = response.headers.get("Content-Type", "")
        text = data.decode(errors="replace").strip() if kind.startswith("text/plain") else ""
    else:
        text = _words(document)
    text = " ".join(text.split())
    text = text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
    return f": {one_line(text)}" if text else ""


def _words(document: object) -> str:
    if not isinstance(document, dict):
        return ""
    errors = document.get("errors")
    if not isinstance(errors, list):
        text = document.get("message") or document.get("details") or document.get("error")
        return text if isinstance(text, str) else ""
    found = [error for error in errors[:3] if isinstance(error, dict)]
    pairs = [(error.get("code") or "", error.get("message") or "") for error in found]
    return "; ".join(": ".join(str(word) for word in pair if word) for pair in pairs)


def _left(response: Response) -> str:
    """What is left of a limit, where the registry tells."""
    left, _, window = response.headers.get("RateLimit-Remaining", "").partition(";w=")
    most = response.headers.get("RateLimit-Limit", "").partition(";")[0]
    if not all(word.isascii() and word.isdecimal() and len(word) < 10 for word in (left, most)):
        return ""
    within = window.isascii() and window.isdecimal() and len(window) < 10
    return f" ({left} of {most} left" + (f" in {_span(int(window))})" if within else ")")


def _span(seconds: float) -> str:
    for length, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{round(seconds / length)} {name}"
    return f"{round(seconds)} seconds"
