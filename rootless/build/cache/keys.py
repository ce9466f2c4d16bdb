"""What of the secrets counts in the key of a step: nothing, unless the user wants it."""

from __future__ import annotations

import os

from rootless.build.given import fingerprint
from rootless.oci.blobs import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.dockerfile.mounts import Mount
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
