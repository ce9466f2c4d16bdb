"""Extended attributes of a layer's entries: which are set, in which form, in which order."""

from __future__ import annotations

import errno
import os

from rootless.values import OWNER_ATTRIBUTE

CAPABILITY = b"security.capability"

REFUSED = frozenset((errno.EPERM, errno.ENOTSUP, errno.EACCES, errno.EINVAL, errno.ENODATA))
"""What a kernel or file system says that does not take an attribute; anything else is a fault."""

_UNION = (
    *(b"user.overlay.", b"trusted.overlay.", b"user.fuseoverlayfs.", b"user.containers."),
    b"user.rootless.",
)


def set_all(fd: int, xattrs: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Set the attributes of the open file, and return those that were refused.

    Attributes that would speak to the union file system are dropped, and `security.*` but
    capabilities, which are the host's policy (SELinux labels in images of Fedora's). Capabilities
    come last: writing any other attribute may clear none, but chown before this did. One that is
    too large for the file system is refused like one that it does not know.
    Raises OSError for faults such as a full disk.
    """
    refused = []
    for name, value in sorted(xattrs, key=lambda pair: pair[0] == CAPABILITY):
        if name.startswith(_UNION) or (name.startswith(b"security.") and name != CAPABILITY):
            continue
        data = capability(value) if name == CAPABILITY else value
        try:
            os.setxattr(fd, name, data)
        except OSError as error:
            if error.errno not in REFUSED and not _is_too_large(fd, error, data):
                raise
            refused.append((name, value))
    return refused


def tell_owner(fd: int, uid: int, gid: int) -> None:
    """Note at an open file whose it is in the image, unless that is root, where nobody else can be.

    So that a copy with attributes, as `cp -a` makes them in a build, goes on to have that owner.
    """
    if not (uid or gid):
        return
    try:
        os.setxattr(fd, OWNER_ATTRIBUTE, b"%d:%d" % (uid, gid))
    except OSError as error:
        if error.errno not in REFUSED and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def _is_too_large(fd: int, error: OSError, value: bytes) -> bool:
    """Whether an attribute was refused for its size: ext4 says so with the word for a full disk."""
    if error.errno in (errno.E2BIG, errno.ERANGE):
        return True
    space = os.fstatvfs(fd)
    return error.errno == errno.ENOSPC and space.f_bavail * space.f_frsize > 2 * len(value)


def read_all(fd: int) -> list[tuple[bytes, bytes]]:
    """Return the attributes of the open file that belong into a layer, sorted by name.

    Those that `set_all` drops are left out. Raises OSError for faults.
    """
    try:
        names = sorted(map(os.fsencode, os.listxattr(fd)))
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        return []
    found = []
    for name in names:
        if name.startswith(_UNION) or (name.startswith(b"security.") and name != CAPABILITY):
            continue
        value = os.getxattr(fd, name)
        found.append((name, capability(value) if name == CAPABILITY else value))
    return found


def capability(value: bytes) -> bytes:
    """Return a `security.capability` as version 2, which the kernel ties to our namespace.

    Version 3 names the root of the user namespace where it was made, a number that means nothing
    here. Setting version 2 from inside a namespace makes the kernel store version 3 with the
    right one (capabilities(7), "Namespaced file capabilities"; Linux 4.14).
    """
    if len(value) == 24 and value[3] == 3:
        return value[:3] + b"\x02" + value[4:20]
    return value
