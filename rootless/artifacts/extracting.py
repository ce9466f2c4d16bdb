"""`artifact extract`: the files of an artifact, as files.

The names are of a stranger's choice. One that is not plainly the name of a file in the directory is
refused before anything is written. A file appears under its name when it is whole and has its
digest; what had the name before, be it a symbolic link, is replaced and not followed.
"""

from __future__ import annotations

import contextlib
import os
import stat

from rootless.errors import NotFound, UsageError, named
from rootless.oci.artifacts import title_of
from rootless.oci.digest import CHUNK, Digest, Verifier
from rootless.oci.reading import open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.artifacts.artifact import Artifact
    from rootless.oci.models import Descriptor

_ZEROS = bytes(CHUNK)
_BY_DIGEST = f"choose by {named('digest')}"


def extract(artifact: Artifact, target: str, *, title: str, digest: str) -> list[str]:
    """Write files; see Artifacts.extract."""
    layers = chosen(artifact, title, digest)
    if os.path.isdir(target):
        into = True
        names = [file_name(layer, by_digest=bool(digest)) for layer in layers]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise UsageError(f"the artifact has several files {twice.pop()!r}", _BY_DIGEST)
        paths = [f"{target}/{name}" for name in names]
    elif len(layers) > 1:
        raise UsageError(
            f"the artifact has {len(layers)} files, and {target} is no directory",
            f"make the directory, or choose a file with {named('title')} or {named('digest')}",
        )
    else:
        into, paths = False, [target]
    for layer, path in zip(layers, paths, strict=True):
        try:
            _write(artifact, layer, path, into=into)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return paths


def chosen(artifact: Artifact, title: str, digest: str) -> list[Descriptor]:
    """Return the files of this title or digest, all without. Raises UsageError, NotFound."""
    if title and digest:
        raise UsageError(f"{named('title')} and {named('digest')} contradict each other")
    found = [
        layer
        for layer in artifact.manifest.layers
        if (not title or title_of(layer) == title) and (not digest or layer.digest == digest)
    ]
    if not found:
        what = title or digest
        raise NotFound(f"the artifact {artifact.name} has no file{f' {what}' if what else ''}")
    return found


def file_name(layer: Descriptor, *, by_digest: bool) -> str:
    """Return the name of a file in the directory. Raises UsageError for a title that is none."""
    title = title_of(layer)
    if by_digest or not title:
        return layer.digest.replace(":", "-")
    if "/" in title or "\0" in title or title in (".", "..") or len(os.fsencode(title)) > 255:
        raise UsageError(f"the title {title[:80]!r} is no name of a file", _BY_DIGEST)
    return title


def _write(artifact: Artifact, layer: Descriptor, path: str, *, into: bool) -> None:
    """Write one file, whole or not at all; into a device that the user named as it comes."""
    blob = artifact.layout.blob_path(layer.digest)
    with contextlib.closing(open_file(blob, f"blob {layer.digest}")) as part:
        stream = Verifier(part, Digest.parse(layer.digest), layer.size)
        if not into and os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            _stream(stream, path)
            return
        temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
        if len(os.fsencode(os.path.basename(temporary))) > 255:
            temporary = f"{os.path.dirname(path) or '.'}/.{os.getpid()}-{os.urandom(4).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o666)
        try:
            try:
                _fill(fd, stream)
            finally:
                os.close(fd)
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _fill(fd: int, stream: Verifier) -> None:
    """Write a file in which zeros take no room."""
    size = 0
    while data := stream.read(CHUNK):
        if data == _ZEROS[: len(data)]:
            os.lseek(fd, len(data), os.SEEK_CUR)
        else:
            _all(fd, data)
        size += len(data)
    os.ftruncate(fd, size)


def _stream(stream: Verifier, path: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        while data := stream.read(CHUNK):
            _all(fd, data)
    finally:
        os.close(fd)


def _all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
