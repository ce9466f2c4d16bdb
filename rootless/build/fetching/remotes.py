"""What ADD and contexts name of elsewhere, brought into a build's scratch directory."""

from __future__ import annotations

import os

from rootless.build.attesting.materials import Material
from rootless.build.fetching import git, urls
from rootless.build.fetching.urls import shown
from rootless.errors import NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from rootless.build.crew import Line
    from rootless.oci.digest import Readable
    from rootless.store.paths import Paths

DOCKERFILE = "Dockerfile"


def is_remote(source: str) -> bool:
    """Whether a source is no path. Raises UsageError for a URL that makes no sense."""
    return urls.is_url(source) or git.parse(source) is not None


def fetch_file(_line: Line, _paths: Paths, url: str, directory: str, checksum: str) -> str:
    """Fetch a file of the web into a directory; return its sha256. Raises as `urls.download`."""
    return urls.download(url, f"{directory}/{urls.name_of(url)}", checksum)


def commit_of(_line: Line, _paths: Paths, one: git.Repository) -> str:
    """Return the commit that a repository is at; see git.commit_of."""
    return git.commit_of(one)


def check_out(
    _line: Line, _paths: Paths, one: git.Repository, commit: str, directory: str
) -> list[str]:
    """Put the files of a commit into a directory; return the commit and where its files are.

    That is the directory that the source names, no link of the repository leads out of.
    """
    from rootless.build.files.trees import DirectoryTree, resolve
    from rootless.oci.remove import remove_tree

    commit = git.check_out(one, commit, directory)
    if not one.keep:
        remove_tree(f"{directory}/.git")
    tree = DirectoryTree(directory)
    try:
        path = resolve(tree, one.directory)
        node = tree.look(path)
    finally:
        tree.close()
    if node is None or not node.is_directory:
        raise NotFound(
            f"{shown(one.url)} has no directory {one.directory!r:.200}", "see what it has there"
        )
    return [commit, os.path.join(directory, path) if path else directory]


def fetch_context(
    _line: Line | None, _paths: Paths, source: str, directory: str, secrets: Mapping[str, bytes]
) -> list[str]:
    """Bring a context into an empty directory; return where it is, and what it is a copy of.

    That is the commit of a repository, or the sha256 of a file. What is at a URL may be a
    Dockerfile alone. Some `secrets` let git in (fetching.entrance). Raises NotFound, HttpError,
    UsageError, HostError.
    """
    repository = git.parse(source)
    if repository is not None:
        repository.let_in(secrets)
        commit = git.commit_of(repository)
        commit, top = check_out(_line, _paths, repository, commit, directory)  # type: ignore[arg-type]
        return [top, commit]
    from rootless.oci.distribution.http import Client

    with Client().download(source) as (stream, _):
        hashed = _Hashed(stream)
        fill(hashed, directory, shown(source))
        while hashed.read(1 << 20):  # what may follow the end of an archive counts as well
            pass
    return [directory, hashed.digits]


def material(source: str, digest: str) -> Material:
    """Return what is said of something that was fetched: where it is, and what it was."""
    repository = git.parse(source)
    if repository is None:
        return Material(shown(source), "sha256", digest)
    return repository.material(digest)


class _Hashed:
    """A stream whose SHA-256 is known at its end."""

    def __init__(self, stream: Readable) -> None:
        from hashlib import sha256

        self._stream = stream
        self._state = sha256()

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, empty at the end."""
        data = self._stream.read(size)
        self._state.update(data)
        return data

    @property
    def digits(self) -> str:
        """Of all that was read."""
        return self._state.hexdigest()


def fill(stream: Readable | int, directory: str, name: str) -> None:
    """Unpack the archive that a stream is, or write it as the Dockerfile that it is instead.

    Raises ImageError for a damaged archive, UsageError for what is neither.
    """
    from rootless.build.fetching.archives import opened, unpack_context

    head = _Head(stream)
    archive = opened(head, name)
    if archive is not None:
        unpack_context(archive, directory)
        return
    text = head.rest()
    if b"\0" in text:
        raise UsageError(f"{name} is no archive, and no Dockerfile", "make it a tar of the context")
    with open(f"{directory}/{DOCKERFILE}", "xb") as file:
        file.write(text)


class _Head:
    """A stream of which what was read can be read once more: it may be no archive."""

    _MOST = 64 << 20
    """Bytes of a Dockerfile."""

    def __init__(self, stream: Readable | int) -> None:
        self._stream = stream
        self._kept: list[bytes] | None = []

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, empty at the end."""
        if isinstance(self._stream, int):
            data = os.read(self._stream, size)
        else:
            data = self._stream.read(size)
        if self._kept is not None:
            self._kept.append(data)
            if len(self._kept) > 64:  # an archive is told by its first pieces
                self._kept = None
        return data

    def rest(self) -> bytes:
        """All of the stream, as far as a Dockerfile can be long."""
        found = bytearray(b"".join(self._kept or ()))
        while len(found) < self._MOST and (data := self.read(1 << 20)):
            found += data
        return bytes(found)
