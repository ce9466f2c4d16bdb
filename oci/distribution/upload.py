"""Uploading a blob (distribution-spec, "Pushing blobs"): a stream, gone on with where it broke off.

POST blobs/uploads/      202, Location: an upload of our own
PATCH LOCATION           the content, or the rest of it with Content-Range
GET LOCATION             204, Range: what has arrived, after a fault
PUT LOCATION?digest=     201: the registry has checked it; a small blob comes with it, at once
"""

from __future__ import annotations

from rootless.oci.distribution.brief import number
from rootless.oci.distribution.http import TEMPORARY, Client, joined, shown
from rootless.oci.errors import HttpError, Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from rootless.oci.distribution.http import Response
    from rootless.oci.distribution.registry import Repository
    from rootless.oci.errors import RegistryError

    class Content(Protocol):
        """What is uploaded; it may still be made meanwhile."""

        digest: str
        """Known when `size` is."""
        size: int
        """-1 while it is still made."""

        def read(self, start: int) -> Iterator[bytes]:
            """Begin to read it at an offset, anew each time; waits for what is not there yet."""

        def settle(self) -> None:
            """Wait until it is there as a whole."""


SMALL = 1 << 18
"""Bytes that are sent with the PUT: configurations, and layers of a few files."""


class Whole:
    """Content that is there; `read` begins to read it at an offset."""

    def __init__(self, digest: str, size: int, read: Callable[[int], Iterator[bytes]]) -> None:
        self.digest = digest
        self.size = size
        self.read = read

    def settle(self) -> None:
        """It is there."""


def bring(repository: Repository, content: Content, origin: str) -> str:
    """See that a blob is there; return how it came: exists, mounted, pushed.

    `origin` is another repository of the registry that may have it, "" for none. Raises
    RegistryError.
    """
    if repository.has(content.digest, content.size):
        return "exists"
    try:
        location = repository.begin_upload(content.digest, origin)
    except Unauthorized:
        if not origin:
            raise
        location = repository.begin_upload()  # we may write here, but not read there
    if not location:
        return "mounted"
    Upload(repository, content).run(location)
    return "pushed"


class Upload:
    """One blob on its way."""

    def __init__(self, repository: Repository, content: Content) -> None:
        self._repository = repository
        self._content = content

    def run(self, location: str) -> None:
        """Upload to where `Repository.begin_upload` said. Raises RegistryError."""
        start = 0
        for attempt in range(1, Client.attempts + 1):
            try:
                if start == 0 and 0 <= self._content.size <= SMALL:
                    self._finish(location, b"".join(self._content.read(0)))
                    return
                location = self._patch(location, start)
                self._content.settle()
                self._finish(location)
                return
            except HttpError as error:
                if attempt == Client.attempts or not error.temporary:
                    raise
                Client.wait(attempt, error.after)
                self._content.settle()
                location, start = self._where(location)

    def _patch(self, location: str, start: int) -> str:
        """Send what is missing from `start` on; return where the upload goes on."""
        size = self._content.size
        if start == size and start:
            return location
        headers = {"Content-Type": "application/octet-stream"}
        if size >= 0:  # else it is sent in chunks
            headers["Content-Length"] = str(size - start)
        if start:
            headers["Content-Range"] = f"{start}-{size - 1}"
        body = lambda: self._content.read(start)  # noqa: E731
        with self._repository.send("PATCH", location, headers, body) as response:
            if response.status not in (202, 204):
                raise self._refused(response)
            return _next(response, location)

    def _finish(self, location: str, content: bytes = b"") -> None:
        url = f"{location}{'&' if '?' in location else '?'}digest={self._content.digest}"
        headers = {"Content-Length": str(len(content))}
        if content:
            headers["Content-Type"] = "application/octet-stream"
        with self._repository.send("PUT", url, headers, content) as response:
            if response.status == 201:
                return
            # An answer that was lost: what the first attempt began, the second does not find.
            if response.status != 404 or not self._repository.has(self._content.digest):
                raise self._refused(response)

    def _where(self, location: str) -> tuple[str, int]:
        """Ask how far it got; begin another upload where the registry does not say."""
        with self._repository.send("GET", location, {}) as response:
            first, _, text = response.headers.get("Range", "").rpartition("=")[2].partition("-")
            last = number(text)
            if response.status == 204 and first == "0" and last >= 0:
                arrived = last + 1 if last else 0  # "0-0" is said of nothing, too
                if arrived <= self._content.size:
                    return _next(response, location), arrived
        return self._repository.begin_upload(), 0

    def _refused(self, response: Response) -> RegistryError:
        what = f"blob {self._content.digest[:19]}" if self._content.digest else "blob"
        subject = f"{shown(response.url)}: {what} was not taken"
        temporary = response.status in TEMPORARY or response.status == 416
        return self._repository.refusal(response, subject, temporary=temporary)


def _next(response: Response, location: str) -> str:
    return joined(location, response.headers.get("Location", location))
