"""`--build-context NAME=…`: other places of files, and other images, by names of a build's own."""

from __future__ import annotations

import os

from rootless.build.fetching.remotes import is_remote
from rootless.errors import NotFound, UsageError, named

_IMAGES = ("docker-image://", "container-image://", "docker://")
_LAYOUT = "oci-layout://"


class Context:
    """What a name means: a directory, a source to be fetched, or an image; one of the three."""

    def __init__(self, *, directory: str = "", source: str = "", image: str = "") -> None:
        self.directory = directory
        self.source = source
        self.image = image


def parse(text: str) -> tuple[str, Context]:
    """Return name and meaning of NAME=VALUE. Raises UsageError, NotFound.

    Nothing is opened or fetched yet: a build may not need it.
    """
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        hint = "write NAME=DIRECTORY, NAME=URL or NAME=docker-image://IMAGE"
        raise UsageError(f"invalid {named('build_context')} {text!r:.200}", hint)
    return name.lower(), _meant(value)


def _meant(value: str) -> Context:
    for start in _IMAGES:
        if value.startswith(start):
            return Context(image=value[len(start) :])
    if value.startswith(_LAYOUT):
        return Context(image=f"oci:{_layout(value[len(_LAYOUT) :])}")
    if is_remote(value):
        return Context(source=value)
    if not os.path.isdir(value):
        raise NotFound(f"no directory {value}", f"name another in {named('build_context')}")
    return Context(directory=os.path.abspath(value))


def _layout(text: str) -> str:
    """Return DIRECTORY:TAG of a layout. Raises NotFound, UsageError."""
    if "@" in text:
        raise UsageError(
            f"{text!r:.200} names an image of a layout by digest", "name it by its tag: DIR:TAG"
        )
    path, colon, tag = text.rpartition(":")
    path = path if colon and "/" not in tag else text
    if not os.path.isfile(f"{path}/oci-layout"):
        raise NotFound(f"no OCI layout at {path}", f"name another in {named('build_context')}")
    return os.path.abspath(path) + text[len(path) :]
