"""`import`: an image of one layer from the tar of a root file system."""

from __future__ import annotations

import contextlib
import os
import sys

from rootless import times
from rootless.errors import UsageError
from rootless.images.making import Making, Told
from rootless.oci import platform, reference
from rootless.oci.errors import ImageError
from rootless.oci.layers.compression import decompress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rootless.oci.digest import Readable
    from rootless.store.paths import Paths
    from rootless.teller import Teller


class Description:
    """What is said of an image that is made from a bare tree."""

    def __init__(
        self, change: Callable[[dict[str, Any]], None] | None, message: str, platform_: str
    ) -> None:
        """`change` makes the settings of none. Raises what it raises, UsageError."""
        self.settings: dict[str, Any] = {}
        if change is not None:
            change(self.settings)
        self.message = message
        self.platform = platform.parse(platform_) if platform_ else platform.host()


def import_(paths: Paths, source: str, ref: str, description: Description, teller: Teller) -> str:
    """Make the image; return its id. See Images.import_."""
    names = [reference.name_to_give(ref)] if ref else []

    try:
        with Making(paths, teller) as making:
            with opened(source) as (stream, size):
                teller.begin(source, f"import {source}", size)
                making.add(decompress(Told(stream, source, teller), name=source))
                teller.end(source, "imported")
            comment = description.message or f"Imported from {source}"
            return making.finish(names, _config(description, comment)).partition(":")[2]
    except ImageError as error:
        raise error.about("standard input" if source == "-" else source) from None


def _config(description: Description, comment: str) -> dict[str, Any]:
    now, target = times.now(), description.platform
    document: dict[str, Any] = {
        "created": now,
        "architecture": target.architecture,
        "os": target.os,
        "config": description.settings,
        "rootfs": {},  # where it stands, as docker has it; `Making` fills it
        "history": [{"created": now, "comment": comment}],
    }
    if target.variant:
        document["variant"] = target.variant
    return document


@contextlib.contextmanager
def opened(source: str) -> Iterator[tuple[Readable, int]]:
    """The stream that `source` means, and its size or -1."""
    if source.startswith(("http://", "https://")):
        from rootless.oci.distribution.http import Client

        with Client().download(source) as (stream, size):
            yield stream, size
        return
    if source == "-":
        if sys.stdin.isatty():
            raise UsageError("cannot import from a terminal", "name a file, or redirect stdin")
        fd = os.dup(0)
    else:
        try:
            fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(f"cannot open {source}: {error.strerror}") from error
    with open(fd, "rb", buffering=0) as file:
        size = os.fstat(fd).st_size
        yield file, size if source != "-" and size else -1
