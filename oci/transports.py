"""Places that images are copied between, by their names in containers-transports(5).

    docker://NAME                  a registry
    oci:DIR[:TAG]                  an OCI image layout
    oci-archive:FILE[:TAG]         the same in a tar file
    docker-archive:FILE[:NAME]     what `docker save` writes
    dir:DIR                        skopeo's own: manifest.json beside the blobs
    containers-storage:NAME        the images of this store, also a name without a transport

A `Source` is read, a `Target` is written; `oci.reading`, `oci.writing` and `distribution.remote`
have one of each for most. A source says what is there and is believed in nothing: who takes a blob
checks its digest and its size.
"""

from __future__ import annotations

from rootless.oci import jsonio, layout, models
from rootless.oci.errors import ImageError, InvalidReference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol, TypeAlias

    from rootless.oci.models import Descriptor
    from rootless.oci.signatures.signature import Signature

    Content: TypeAlias = Callable[[int], Iterator[bytes]]
    """Begins to read a blob at an offset, anew each time."""

    class Stream(Protocol):
        """The content of a blob on its way."""

        def read(self, size: int, /) -> bytes:
            """At most `size` bytes, empty at the end."""

        def close(self) -> None:
            """Give back what it holds."""

        def abort(self) -> None:
            """Make a `read` that waits in another thread fail."""

    class Source(Protocol):
        """Where an image comes from. Blobs may be asked for by several threads at once."""

        name: str

        def manifest(self, digest: str = "") -> Fetched:
            """Return the manifest or index that the name means, or one with a digest.

            Raises ImageError, RegistryError, DigestError where the content has another digest.
            """

        def blob(self, digest: str, size: int, start: int = 0) -> Stream:
            """Begin to read a blob at an offset. Raises ImageError, RegistryError."""

        def signatures(self, digest: str) -> list[Signature]:
            """Return the signatures of a manifest. Raises SignatureError, RegistryError."""

        def admit(self, manifest: bytes) -> None:
            """Raise SignatureError where the user's policy refuses the image."""

        def close(self) -> None:
            """Give back what it holds."""

    class Target(Protocol):
        """Where an image goes to."""

        name: str
        docker: bool
        """Whether docker's formats can be kept there, beside OCI's."""
        many: bool
        """Whether an index can be kept there."""
        together: bool
        """Whether blobs may be put by several threads at once."""
        compress: str
        """How layers that are not compressed are to be; empty for as they are."""

        @property
        def keeps(self) -> tuple[str, ...]:
            """Which kinds of signatures can be kept there; manifests come without others."""

        def put(self, blob: Descriptor, content: Content) -> str:
            """Bring a blob there; return what came of it: copied, exists, mounted."""

        def put_manifest(self, manifest: Fetched) -> None:
            """Bring one of the manifests of an index there."""

        def finish(self, top: Fetched) -> None:
            """Bring the manifest or index there that gets the name; all it needs is there."""

        def close(self) -> None:
            """Give back what it holds; without `finish`, nothing is named there."""


TRANSPORTS = ("docker", "oci", "oci-archive", "docker-archive", "dir", "containers-storage")
ELSEWHERE = ("docker-daemon", "ostree", "sif", "tarball", "atomic")
"""Transports that podman or skopeo know, and we do not."""


class Fetched:
    """A manifest or index as it came: its bytes are what the digest is of."""

    def __init__(
        self, data: bytes, media_type: str, digest: str, signatures: Sequence[Signature] = ()
    ) -> None:
        self.data = data
        self.media_type = media_type
        self.digest = digest
        self.signatures = signatures
        """Those that go along with it to a target."""


class Location:
    """A place as a user writes it."""

    def __init__(self, transport: str, path: str, ref: str = "") -> None:
        self.transport = transport
        self.path = path
        """The name of an image, for docker and containers-storage."""
        self.ref = ref
        """Tag or name within an archive or layout, empty for none."""

    def __str__(self) -> str:
        separator = "://" if self.transport == "docker" else ":"
        return self.transport + separator + self.path + (f":{self.ref}" if self.ref else "")


def has_transport(text: str) -> bool:
    """Whether a name says where it is, in other words than docker://, which each name may."""
    return text.partition(":")[0] in (*TRANSPORTS[1:], *ELSEWHERE)


def parse(text: str) -> Location:
    """Return the place that `text` names. Raises InvalidReference."""
    transport, colon, rest = text.partition(":")
    if colon and transport in ELSEWHERE:
        known = ", ".join(TRANSPORTS)
        raise InvalidReference(f"{text}: the transport {transport} is not supported", known)
    if not colon or transport not in TRANSPORTS or (transport == "docker" and rest[:2] != "//"):
        return Location("containers-storage", text)
    if transport == "docker":
        rest = rest[2:]
    if transport in ("docker", "containers-storage", "dir"):
        path, ref = rest, ""
    else:
        path, _, ref = rest.partition(":")
    if not path:
        raise InvalidReference(f"{text} names no place", f"such as {_EXAMPLES[transport]}")
    return Location(transport, path, ref)


_EXAMPLES = {
    "docker": "docker://docker.io/library/busybox",
    "oci": "oci:DIR:TAG",
    "oci-archive": "oci-archive:FILE:TAG",
    "docker-archive": "docker-archive:FILE:NAME:TAG",
    "dir": "dir:DIR",
    "containers-storage": "containers-storage:NAME",
}


def media_type_of(data: bytes, declared: str, subject: str) -> str:
    """Return the media type of a manifest or index that may not say it. Raises ImageError."""
    many = models.kind_of(data, declared, subject) == "index"
    document = jsonio.loads(data)
    for said in (document.get("mediaType"), declared):
        if said in (*layout.MANIFESTS, *layout.INDEXES):
            return str(said)
    if many:
        return layout.OCI_INDEX
    config = document.get("config")
    kind = config.get("mediaType") if isinstance(config, dict) else ""
    return layout.DOCKER_MANIFEST if kind == layout.DOCKER_CONFIG else layout.OCI_MANIFEST


def check_size(digest: str, there: int, size: int) -> None:
    """Raise ImageError where a blob has not the size that its descriptor says."""
    if there != size:
        raise ImageError(f"blob {digest} has {there} bytes, not {size}")
