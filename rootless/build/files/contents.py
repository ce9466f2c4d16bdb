"""What is in a file, copied to another one: holes stay holes."""

from __future__ import annotations

import os

from rootless.oci.digest import CHUNK
from rootless.runtime.tree.copying import extents


def copy_content(source: int, target: int) -> None:
    """Copy all that is in the open file `source` into the empty one `target`. Raises OSError."""
    size = os.fstat(source).st_size
    for start, end in extents(source, size):
        at = start
        while at < end and (data := os.pread(source, min(CHUNK, end - at), at)):
            at += os.pwrite(target, data, at)
    os.ftruncate(target, size)
