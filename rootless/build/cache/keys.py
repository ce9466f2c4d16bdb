"""What of the mounts of a step has a key: secrets, if the user wants it, and caches their names."""

from __future__ import annotations

import os
import posixpath

from rootless.build.cache.results import key_of
from rootless.build.given import fingerprint
from rootless.oci.blobs import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.dockerfile.mounts import Mount
    from rootless.build.files.origins import Origin
    from rootless.build.given import Given
    from rootless.store.paths import Paths


def of_secret(paths: Paths, mount: Mount, given: Given) -> str:
    """Return what stands for the content of a secret; "" for one that does not count."""
    name = given.name_of(mount)
    if name not in given.counted:
        return ""
    return fingerprint(_key(paths), given.secrets[name])


def _key(paths: Paths) -> bytes:
    """Return the store's key, which is made once. Of two that make it at once the first wins."""
    path = f"{paths.builds}/key"
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        pass
    os.makedirs(paths.builds, 0o700, exist_ok=True)
    new = f"{path}.{os.getpid()}"
    replace(new, os.urandom(32), private=True)
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    os.unlink(new)
    return _key(paths)


def owner_of(mount: Mount) -> tuple[int, int, int]:
    """Return owner, group and mode of the directory of a cache."""
    return (mount.uid or 0, mount.gid or 0, 0o755 if mount.mode is None else mount.mode)


def name_of(mount: Mount, origin: Origin | None) -> str:
    """Return the name of a cache, which is the same in each store."""
    begun: list[object] = []
    if origin is not None:
        begun = [origin.stack.diff_ids if origin.stack else origin.top, mount.source]
    called = mount.id or posixpath.normpath(mount.target)
    return key_of("cache", called, begun, *owner_of(mount))[:40]
