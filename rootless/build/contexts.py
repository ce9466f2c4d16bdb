"""The Dockerfile and the ignore file of a context that is a directory."""

from __future__ import annotations

import os
import sys

from rootless.build.files.ignore import Ignore
from rootless.build.request import BuildRequest
from rootless.errors import NotFound, UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST = 64 << 20
"""Bytes of a Dockerfile."""


def of_directory(path: str, file: str, names: Sequence[str]) -> BuildRequest:
    """Return a request for a build with this directory as its context.

    `file` is the Dockerfile, "-" for standard input; empty for the first of `names` that the
    directory has. Raises NotFound, UsageError.
    """
    context = os.path.abspath(path)
    if not os.path.isdir(context):
        raise NotFound(f"no directory {path} to build in", f"name one as the {named('context')}")
    if file == "-":
        return BuildRequest(context, sys.stdin.buffer.read(_MOST), "Dockerfile")
    dockerfile = _found(context, file, names)
    request = BuildRequest(context, _read(dockerfile), os.path.basename(dockerfile))
    request.ignore = _ignore(context, dockerfile)
    return request


def _found(context: str, file: str, names: Sequence[str]) -> str:
    if file:
        # As docker: what is not in the working directory is looked for in the context.
        for path in (file, os.path.join(context, file)):
            if os.path.isfile(path):
                return os.path.abspath(path)
        raise NotFound(f"no file {file}", f"name the Dockerfile with {named('file')}")
    for name in names:
        if os.path.isfile(f"{context}/{name}"):
            return f"{context}/{name}"
    raise NotFound(
        f"no {' or '.join(names)} in {context}", f"name another file with {named('file')}"
    )


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MOST)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _ignore(context: str, dockerfile: str) -> Ignore | None:
    """One of its own beats the context's, and podman's name of that beats docker's."""
    for path in (
        f"{dockerfile}.dockerignore",
        f"{context}/.containerignore",
        f"{context}/.dockerignore",
    ):
        if os.path.lexists(path):
            text = _read(path).decode("utf-8", "surrogateescape")
            return Ignore(text, os.path.basename(path))
    return None
