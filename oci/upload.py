"""Uploading a blob (distribution-spec, "Pushing blobs"): a stream, gone on with where it broke off.

POST blobs/uploads/      202, Location: an upload of our own
PATCH LOCATION           the content, or the rest of it with Content-Range
GET LOCATION             204, Range: what has arrived, after a fault
PUT LOCATION?digest=     201: the registry has checked it
"""

from __future__ import annotations

import time
from urllib.parse import urljoin

from rootless.oci.auth import Denied
from rootless.oci.http import MAX_ERROR, TEMPORARY, Client, HttpError, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless.oci.errors import RegistryError
    from rootless.oci.http import Response
    from rootless.oci.registry import Repository


def bring(
    repository: Repository,
    digest: str,
    size: int,
    origin: str,
    content: Callable[[int], Iterator[bytes]],
) -> str:
    """See that a blob is there; return how it came: exists, mounted, pushed.

    `origin` is another repository of the registry that may have it, "" for none; `content` is as
    for `Upload`. Raises RegistryError.
    """
    if repository.has(digest):
        return "exists"
    try:
        location = repository.begin_upload(digest, origin)
    except Denied:
        if not origin:
            raise
        location = repository.begin_upload()  # we may write here, but not read there
    if not location:
        return "mounted"
    Upload(repository, digest, size, content).run(location)
    return "pushed"


class Upload:
    """One blob on its way. `content(start)` begins to read it at an offset, anew each time."""

    def __init__(
        self,
        repository: Repository,
        digest: str,
        size: int,
        content: Callable[[int], Iterator[bytes]],
    ) -> None:
        self._repository = repository
        self._digest = digest
        self._size = size
        self._content = content

    def run(self, location: str) -> None:
        """Upload to where `Repository.begin_upload` said. Raises RegistryError."""
        start = 0
        for attempt in range(1, Client.attempts + 1):
            try:
                location = self._patch(location, start)
                self._finish(location)
                return
            except HttpError as error:
                if attempt == Client.attempts or not error.temporary:
                    raise
                time.sleep(Client.pause * 2 ** (attempt - 1))
                location, start = self._where(location)

    def _patch(self, location: str, start: int) -> str:
        """Send what is missing from `start` on; return where the upload goes on."""
        if start == self._size and start:
            return location
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(self._size - start),
        }
        if start:
            headers["Content-Range"] = f"{start}-{self._size - 1}"
        body = lambda: self._content(start)  # noqa: E731
        with self._repository.send("PATCH", location, headers, body) as response:
            if response.status not in (202, 204):
                raise self._refused(response)
            return _next(response, location)

    def _finish(self, location: str) -> None:
        url = f"{location}{'&' if '?' in location else '?'}digest={self._digest}"
        with self._repository.send("PUT", url, {"Content-Length": "0"}) as response:
            if response.status == 201:
                return
            # An answer that was lost: what the first attempt began, the second does not find.
            if response.status != 404 or not self._repository.has(self._digest):
                raise self._refused(response)

    def _where(self, location: str) -> tuple[str, int]:
        """Ask how far it got; begin another upload where the registry does not say."""
        with self._repository.send("GET", location, {}) as response:
            first, _, last = response.headers.get("Range", "").rpartition("=")[2].partition("-")
            if response.status == 204 and first == "0" and last.isascii() and last.isdecimal():
                arrived = int(last) + 1 if int(last) else 0  # "0-0" is said of nothing, too
                if arrived <= self._size:
                    return _next(response, location), arrived
        return self._repository.begin_upload(), 0

    def _refused(self, response: Response) -> RegistryError:
        status = response.status
        response.body(MAX_ERROR)
        message = f"{shown(response.url)}: status {status}, blob {self._digest} was not taken"
        return HttpError(message, temporary=status in TEMPORARY or status == 416)


def _next(response: Response, location: str) -> str:
    return urljoin(location, response.headers.get("Location", location))
