"""Shared stores: further stores whose images are listed, found and run, and never written to.

They are named in ROOTLESS_ADDITIONAL_STORES, with colons between, or else in config.toml:

    additional_stores = ["/srv/project/rootless"]

What is taken from such a store depends on who can write to it:

- Its documents and blobs are data of a stranger. Names of the user's own store go before its names;
  manifests and configurations count only if they have the digest under which they lie, layers only
  if they unpack to their diff id.
- Its unpacked layers are used where they lie only if the store, and all on the way to the layer,
  is a real directory of this very user, writable by nobody else, and was unpacked for the identity
  mode in which containers run now (`owners` in layer.json). All others are unpacked into the user's
  own store.

The second rule is the kernel's more than ours: files of a user that the namespace of the containers
does not map belong to nobody in there, root of the container can neither change nor replace them,
and set-user-id programs run without effect. A layer of a stranger would also be his to change, and
a symbolic link in it or on the way to it would show a container what is the user's own.
"""

from __future__ import annotations

import os
import stat

from rootless.oci import jsonio
from rootless.oci.errors import ImageError
from rootless.oci.layout import Layout, sha256
from rootless.store.paths import Paths, config_file, is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VARIABLE = "ROOTLESS_ADDITIONAL_STORES"
KEY = "additional_stores"


def stores(own: Paths) -> list[Paths]:
    """Return the shared stores in their order, without the user's own and without repetitions.

    Raises UsageError for a setting that is not understood.
    """
    given = os.environ.get(VARIABLE)
    roots = _configured() if given is None else [path for path in given.split(":") if path]
    found = dict.fromkeys(os.path.abspath(root) for root in roots)
    return [Paths(root) for root in found if root != own.root]


def _configured() -> list[str]:
    """The stores of config.toml. TOML is parsed only where the word is in it, as that is slow."""
    try:
        with open(config_file(), "rb") as file:
            mentioned = KEY.encode() in file.read()
    except OSError:
        return []
    if not mentioned:
        return []
    from rootless import settings

    return settings.additional_stores()


class SharedLayout(Layout):
    """The images of a shared store: what is read of them has to be what its digest says."""

    def index(self) -> dict[str, Any]:
        """Return the index; an empty one where there is none. Raises ImageError."""
        _check_regular(f"{self.path}/index.json")
        return super().index()

    def document(self, digest: str) -> dict[str, Any]:
        """Return the JSON object in a blob. Raises ImageError where it is damaged or forged."""
        path = self.blob_path(digest)
        _check_regular(path)
        document = super().document(digest)
        with open(path, "rb") as file:
            if f"sha256:{sha256(file.read())}" != digest:
                raise ImageError(
                    f"blob {digest} of the shared store {self.path} has another digest"
                )
        return document


def _check_regular(path: str) -> None:
    """Raise ImageError where a named pipe or a device would make a reader wait."""
    try:
        kind = os.stat(path).st_mode
    except OSError:
        return  # the reader says it
    if not stat.S_ISREG(kind):
        raise ImageError(f"{path} of a shared store is no file")


def fits(paths: Paths, chain: str) -> bool:
    """Whether the unpacked layer `chain` of a shared store can be used where it lies."""
    layer = f"{paths.layers}/{chain}"
    way = (paths.root, paths.layers, layer)
    if not all(map(is_ours, way)) or not _is_tree(f"{layer}/fs"):
        return False
    from rootless.runtime import identity

    mode = identity.detect().mode
    try:
        with open(f"{layer}/layer.json", "rb") as file:
            owners = jsonio.loads(file.read())["owners"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return bool(owners == ("record" if mode == "single" else "chown"))


def _is_tree(path: str) -> bool:
    """Whether `path` is a real directory; its owner is what the layer says of its root."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
