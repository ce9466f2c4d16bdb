"""Sending one blob to a registry, where it is not there yet."""

from __future__ import annotations

from rootless.oci.digest import CHUNK
from rootless.oci.errors import ImageError
from rootless.oci.upload import Upload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless.images.progress import Progress
    from rootless.oci.registry import Repository


def send(
    repository: Repository,
    digest: str,
    size: int,
    content: Callable[[int], Iterator[bytes]],
    progress: Progress,
    origin: str = "",
) -> None:
    """Upload a blob, unless it is there, or the registry has it in its repository `origin`.

    `content(start)` begins to read it at an offset, anew each time.
    """
    progress.begin(digest, f"blob {digest[7:19]}", size)
    if repository.has(digest):
        progress.end(digest, "exists")
        return
    location = repository.begin_upload(digest, origin)
    if not location:
        progress.end(digest, "mounted")
        return

    def told(start: int) -> Iterator[bytes]:
        for data in content(start):
            yield data
            progress.advance(digest, len(data))

    Upload(repository, digest, size, told).run(location)
    progress.end(digest, "pushed")


def content_of(path: str, digest: str, start: int) -> Iterator[bytes]:
    """The content of a file from an offset on."""
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(start)
            while data := file.read(CHUNK):
                yield data
    except OSError as error:
        raise ImageError(f"cannot read blob {digest}: {error.strerror}") from error
