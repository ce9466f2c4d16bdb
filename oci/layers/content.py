"""The content of a file for another one, within a store."""

from __future__ import annotations

import errno
import os

from rootless.oci.digest import CHUNK


def copy_content(source: int, target: int, size: int) -> None:
    """Copy a whole file, as a reflink where the file system has them; holes stay holes.

    `target` is new and empty. Raises OSError.
    """
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
            end = os.lseek(source, at, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break  # no data any more
            end = size  # it cannot say
        while at < end and (done := _copy_part(source, target, at, end - at)):
            at += done
        at = end
    os.ftruncate(target, size)


def _copy_part(source: int, target: int, at: int, count: int) -> int:
    try:
        return os.copy_file_range(source, target, min(count, 1 << 30), at, at)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM):
            raise
        return os.pwrite(target, os.pread(source, min(count, CHUNK), at), at)
