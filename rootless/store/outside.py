"""Small files for others, in directories of theirs: a container may have them mounted, too."""

from __future__ import annotations

import os

_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def replace(path: str, data: bytes) -> None:
    """Put a new file with `data` in the place of whatever has that name. Raises OSError.

    What is there is neither opened nor followed, be it a link or a FIFO, and nobody can know the
    temporary name before: a container that writes in the directory leads us to no file elsewhere,
    and keeps us waiting nowhere. Nor is a link followed on the way, which it could have put in the
    place of a directory: those of the user were resolved when he asked for it (`resolved`).
    Not synced: nobody needs such a file after a power cut.
    """
    directory, name = os.path.split(path)
    temporary = f".rootless-{os.urandom(8).hex()}"
    place = _enter(directory)
    try:
        fd = os.open(temporary, _NEW, 0o666, dir_fd=place)
        try:
            try:
                while data:
                    data = data[os.write(fd, data) :]
            finally:
                os.close(fd)
            os.rename(temporary, name, src_dir_fd=place, dst_dir_fd=place)
        except BaseException:
            try:
                os.unlink(temporary, dir_fd=place)
            except OSError:
                pass  # somebody else has taken it away
            raise
    finally:
        os.close(place)


def resolved(path: str) -> str:
    """Return an absolute path whose directories are no links; the last name stays as it is."""
    directory, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(directory), name)


def _enter(directory: str) -> int:
    """Open a directory by one step after the other, none of them a link. Raises OSError."""
    place = os.open("/" if directory[:1] == "/" else ".", _PLACE)
    for name in directory.split("/"):
        if name:
            above = place
            try:
                place = os.open(name, _PLACE | os.O_NOFOLLOW, dir_fd=above)
            except OSError as error:
                error.filename = directory
                raise
            finally:
                os.close(above)
    return place
