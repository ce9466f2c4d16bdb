"""Where `mount` shows images and containers, and the end of that with what is shown.

A place is mounted in the mount namespace of whoever asked, which may be the machine's (as root) or
that of an `unshare`. Removing the directory ends the mounts on it in all other namespaces, and in
ours it is unmounted first. Supervisors load this where there is something: it imports next to
nothing.
"""

from __future__ import annotations

import os

from rootless.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths


def base(paths: Paths, kind: str) -> str:
    """Return the directory with the places of one kind: `image` or `container`."""
    return f"{paths.runtime}/mounts/{kind}"


def forget(paths: Paths, kind: str, id: str) -> None:  # noqa: A002 - the field's own word
    """What has this id goes, and is shown no more. Never raises: it goes in any case."""
    try:
        place = f"{base(paths, kind)}/{id}"
        os.rmdir(place)
        return  # nothing is mounted on it in this namespace
    except (FileNotFoundError, Error):
        return  # as nearly always, or there is no runtime directory
    except OSError:
        pass  # it is mounted here
    from rootless.linux import mount

    try:
        mount.umount2(place, mount.MNT_DETACH)
        os.rmdir(place)
    except OSError:
        pass  # not ours to unmount


def ids(paths: Paths, kind: str) -> list[str]:
    """Return what has a place, of whichever store of this user."""
    try:
        return os.listdir(base(paths, kind))
    except OSError:
        return []
