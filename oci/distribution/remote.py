"""A registry as where images come from and go to."""

from __future__ import annotations

import contextlib

from rootless.oci.distribution.http import Client
from rootless.oci.distribution.upload import Whole, bring
from rootless.oci.errors import HttpError, RegistryError
from rootless.oci.signatures import policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.oci.distribution.http import Response
    from rootless.oci.distribution.registry import Repository
    from rootless.oci.models import Descriptor
    from rootless.oci.signatures.signature import Signature
    from rootless.oci.transports import Content, Fetched

MOST_CUTS = 100
"""Interruptions of one blob that are taken, even if it gets on each time."""

_PIECE = 1 << 17
"""Bytes that are dropped at once of what is there already."""


class RegistrySource:
    """An image in a repository: a `Source`."""

    def __init__(self, repository: Repository, top: Fetched | None = None) -> None:
        """`top` is what its name means, if it was fetched already."""
        self.repository = repository
        self.name = repository.name.familiar
        self._top = top

    def manifest(self, digest: str = "") -> Fetched:
        """Return what the name means, or the manifest with a digest."""
        if digest:
            return self.repository.manifest(digest)
        if self._top is None:
            name = self.repository.name
            self._top = self.repository.manifest(name.digest or name.tag)
        return self._top

    def blob(self, digest: str, size: int, start: int = 0) -> Download:
        """Begin to fetch a blob."""
        return Download(self.repository, digest, size, start)

    def signatures(self, digest: str) -> list[Signature]:
        """Return those that registries.d tells of: in a lookaside, and attached to the image."""
        from rootless.oci.signatures.attaching import signatures

        return signatures(self.repository, digest)

    def admit(self, manifest: bytes) -> None:
        """Check the image against the policy, with the registry's signatures."""
        policy.load().check(self.repository.name, manifest, self.repository)

    def close(self) -> None:
        """Nothing is held."""


class RegistryTarget:
    """A repository that gets an image: a `Target`. `origin(digest)` knows where else it may be."""

    docker = many = together = True
    compress = "gzip"

    def __init__(self, repository: Repository, origin: Callable[[str], str]) -> None:
        self.name = repository.name.familiar
        self._repository = repository
        self._origin = origin

    def put(self, blob: Descriptor, content: Content) -> str:
        """Upload a blob unless it is there, or is to be had from a neighbour."""
        whole = Whole(blob.digest, blob.size, content)
        return bring(self._repository, whole, self._origin(blob.digest))

    @property
    def keeps(self) -> tuple[str, ...]:
        """Sigstore's, where registries.d lets them be attached to images."""
        from rootless.oci.signatures.lookaside import Lookaside

        return ("sigstore",) if Lookaside().has_attachments(self._repository.name) else ()

    def put_manifest(self, manifest: Fetched) -> None:
        """Give it no name but its digest."""
        self._attach(manifest)
        self._repository.put_manifest(manifest.digest, manifest.data, manifest.media_type)

    def finish(self, top: Fetched) -> None:
        """Give it its name."""
        name = self._repository.name
        if name.digest and name.digest != top.digest:
            raise RegistryError(f"the image is {top.digest} and cannot become {name}")
        self._attach(top)
        self._repository.put_manifest(name.tag or name.digest, top.data, top.media_type)

    def _attach(self, manifest: Fetched) -> None:
        """Attach the signatures first: what has a name is never seen without them."""
        if manifest.signatures:
            from rootless.oci.signatures.attaching import attach

            attach(self._repository, manifest.digest, manifest.signatures)

    def close(self) -> None:
        """Nothing is held."""


class Download:
    """The content of a blob, from `start` on: what breaks off goes on where it did.

    A few times without progress are taken; a registry that knows no ranges sends all of it again,
    and what is known is dropped. Raises RegistryError and HttpError from `read`.
    """

    def __init__(self, repository: Repository, digest: str, size: int, start: int = 0) -> None:
        self._repository = repository
        self._digest = digest
        self._size = size
        self._offset = start
        self._reached = -1
        self._tries = self._cuts = 0
        self._response: Response | None = None
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, empty at the end."""
        while self._offset < self._size:
            try:
                if self._response is None:
                    self._response = self._open()
                data = self._response.read(size)
            except HttpError as error:
                self._broken(error)
                continue
            if not data:
                there = self._offset
                raise RegistryError(f"blob {self._digest} has {there} bytes, not {self._size}")
            self._offset += len(data)
            if self._offset > self._size:
                raise RegistryError(
                    f"blob {self._digest} is larger at the registry than its {self._size} bytes"
                )
            return data
        self._settle()
        return b""

    def close(self) -> None:
        """Give the connection back."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def abort(self) -> None:
        """Make a `read` that waits in another thread fail, and try no more."""
        self._ended = True
        response = self._response  # the other thread may close it at any time
        if response is not None:
            response.abort()

    def _settle(self) -> None:
        """See that nothing follows the last byte, so that the connection can be used again."""
        if self._response is not None:
            surplus = b""
            with contextlib.suppress(HttpError):  # all has come, whatever the end of it is like
                surplus = self._response.read(1)
            self.close()
            if surplus:
                raise RegistryError(
                    f"blob {self._digest} is larger at the registry than its {self._size} bytes"
                )

    def _broken(self, error: HttpError) -> None:
        """Wait before the next attempt, or raise `error` where there is to be none."""
        self.close()
        self._cuts += 1
        self._tries = 1 if self._offset > self._reached else self._tries + 1
        self._reached = self._offset
        last = self._tries == Client.attempts or self._cuts == MOST_CUTS
        if self._ended or last or not error.temporary:
            raise error
        Client.wait(self._tries, error.after)

    def _open(self) -> Response:
        """Ask for what is missing. Raises RegistryError, HttpError."""
        response = self._repository.blob(self._digest, self._offset)
        try:
            start = self._offset if response.status == 206 else 0
            said = response.headers.get("Content-Range", "")
            if response.status == 206 and not said.startswith(f"bytes {start}-"):
                raise RegistryError(
                    f"blob {self._digest}: the registry sends another part than asked for"
                )
            if response.length not in (-1, self._size - start):
                there = start + response.length
                raise RegistryError(
                    f"blob {self._digest} has {there} bytes at the registry, not {self._size}"
                )
            left = self._offset - start
            while left and (data := response.read(min(left, _PIECE))):
                left -= len(data)
        except BaseException:
            response.close()
            raise
        return response
