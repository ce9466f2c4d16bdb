"""The context of a build, wherever it is: its directory, its Dockerfile, its ignore file.

    DIRECTORY, FILE.tar   -  standard input, a tar or a Dockerfile   https://…  the same
    URL.git#REF:DIRECTORY a repository

What comes from elsewhere lies in a directory of the build's own, and no link in it leads out.
"""

from __future__ import annotations

import contextlib
import os
import sys

from rootless.build.fetching.remotes import DOCKERFILE, fetch_context, fill, is_remote, material
from rootless.build.files.ignore import Ignore
from rootless.build.given import Given
from rootless.build.request import BuildRequest
from rootless.build.scratch import Scratch
from rootless.errors import NotFound, UsageError, named
from rootless.oci.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rootless.store.paths import Paths

_MOST = 64 << 20
"""Bytes of a Dockerfile."""


class Place:
    """What a front end was told of context and Dockerfile."""

    def __init__(self, context: str, file: str = "", ignore_file: str = "") -> None:
        self.context = context
        self.file = file
        """The Dockerfile, "-" for standard input; empty for the usual names."""
        self.ignore_file = ignore_file
        """Another ignore file than that of the context."""
        self.given = Given()
        """What the build is given; some secrets are for servers of contexts (fetching.entrance)."""


@contextlib.contextmanager
def opened(paths: Paths, place: Place, names: Sequence[str]) -> Iterator[BuildRequest]:
    """Yield a request for a build with this context, which is there as long.

    `names` are those that a Dockerfile may have. Raises NotFound, UsageError, ImageError,
    HttpError.
    """
    if place.context == "-" == place.file:
        hint = f"name a directory as the {named('context')}, or a file as {named('file')}"
        raise UsageError("context and Dockerfile cannot both be standard input", hint)
    with Scratch(paths) as scratch:
        directory, source = _directory(paths, place, scratch)
        own = bool(source) or directory != os.path.abspath(place.context)
        request = _Context(place, directory, own).request(names)
        request.scratch, request.given = scratch, place.given
        if source:
            request.source = material(place.context, source)
        yield request


def _directory(paths: Paths, place: Place, scratch: Scratch) -> tuple[str, str]:
    """Return the directory of a context, and the digest of what was fetched for it, if it was."""
    text = place.context
    if text == "-":
        if sys.stdin.isatty():
            raise UsageError("cannot read a context from a terminal", "redirect standard input")
        return _filled(0, scratch, "standard input"), ""
    if is_remote(text) and not os.path.exists(text):
        where, digest = fetch_context(None, paths, text, scratch.new(), place.given.secrets)
        return where, digest
    context = os.path.abspath(text)
    if os.path.isfile(context):
        fd = os.open(context, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _filled(fd, scratch, text), ""
        finally:
            os.close(fd)
    if not os.path.isdir(context):
        raise NotFound(f"no directory {text} to build in", f"name one as the {named('context')}")
    return context, ""


def _filled(fd: int, scratch: Scratch, name: str) -> str:
    directory = scratch.new()
    try:
        fill(fd, directory, name)
    except ImageError as error:
        raise error.about(name) from None
    return directory


class _Context:
    """The directory of a context, and what of it says how to build."""

    def __init__(self, place: Place, top: str, own: bool) -> None:
        self._place = place
        self._top = top
        self._own = own

    def request(self, names: Sequence[str]) -> BuildRequest:
        """Return the request. Raises NotFound, UsageError."""
        if self._place.file == "-":
            request = BuildRequest(self._top, sys.stdin.buffer.read(_MOST), DOCKERFILE)
            request.ignore = self._ignore("")
            return request
        dockerfile = self._dockerfile(names)
        request = BuildRequest(self._top, _read(dockerfile), os.path.basename(dockerfile))
        request.ignore = self._ignore(dockerfile)
        return request

    def _dockerfile(self, names: Sequence[str]) -> str:
        file = self._place.file
        if file:
            # As docker: what is not in the working directory is looked for in the context.
            places = [os.path.abspath(file)] if not self._own else []
            found = [*places, self._inside(file)]
        else:
            found = [self._inside(name) for name in names]
        for path in found:
            if os.path.isfile(path):
                return path
        if file:
            raise NotFound(f"no file {file}", f"name the Dockerfile with {named('file')}")
        where = "the context" if self._own else self._top
        raise NotFound(
            f"no {' or '.join(names)} in {where}", f"name another file with {named('file')}"
        )

    def _inside(self, path: str) -> str:
        """Return the place of a file of the context. A stranger's links lead nowhere else."""
        if not self._own:
            return os.path.join(self._top, path)
        from rootless.build.files.trees import DirectoryTree, resolve

        tree = DirectoryTree(self._top)
        try:
            return os.path.join(self._top, resolve(tree, path))
        finally:
            tree.close()

    def _ignore(self, dockerfile: str) -> Ignore | None:
        """One of its own beats the context's, and podman's name of that beats docker's."""
        given = self._place.ignore_file
        if given and not os.path.isfile(given):
            raise NotFound(f"no file {given}", f"name another with {named('ignorefile')}")
        beside = [f"{dockerfile}.containerignore", f"{dockerfile}.dockerignore"]
        files = [given] if given else []
        files += beside if dockerfile else []
        for path in (*files, *map(self._inside, (".containerignore", ".dockerignore"))):
            if os.path.lexists(path):
                text = _read(path).decode("utf-8", "surrogateescape")
                return Ignore(text, os.path.basename(path))
        return None


def ignore_in(directory: str, file: str) -> Ignore | None:
    """Return the ignore file `file`, or for none that of a directory. Raises NotFound."""
    return _Context(Place(directory, ignore_file=file), directory, own=True)._ignore("")


def ignore_of(directory: str) -> Ignore | None:
    """Return the ignore file that a directory has. Raises UsageError."""
    return _Context(Place(directory), directory, own=True)._ignore("")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MOST)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
