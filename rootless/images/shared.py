"""Shared stores: further stores whose images are listed, found and run, and never written to.

They are named in ROOTLESS_ADDITIONAL_STORES, with colons between, or else in config.toml:

    additional_stores = ["/srv/project/rootless"]

What is taken from such a store depends on who can write to it:

- Its documents and blobs are data of a stranger. Names of the user's own store go before its names;
  manifests and configurations count only if they have the digest under which they lie, layers only
  if they unpack to their diff id, and digests of a registry only if they lead to the image.
- Its unpacked layers are used where they lie only if the store, and all on the way to the layer,
  is a real directory of this very user, writable by nobody else, and was unpacked for the identity
  mode in which containers run now (`owners` in layer.json).
- Of all others the user gets a skeleton in the own store: every file with its owner and mode, but
  with its content where it was (`layers.datalayer`), where that could be read and was the layer's
  when the skeleton was made. It takes no room to speak of, however many users have one.
- Where the kernel does not let overlay do that, they are unpacked into the own store whole.

The second and the third rule are the kernel's more than ours: files of a user that the namespace of
the containers does not map belong to nobody in there, root of the container can neither change nor
replace them, and set-user-id programs run without effect. A symbolic link in such a tree or on the
way to it would also show a container what is the user's own; overlay follows none to content.
Whoever can write to a shared store can change what its users run: it is for them to name it.
"""

from __future__ import annotations

import os
import stat

from rootless.oci import jsonio
from rootless.oci.errors import ImageError
from rootless.oci.layout import Layout, sha256
from rootless.store.paths import MARKER, Paths, config_file, is_ours

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
        """Return the index; an empty one where there are no images yet.

        Raises ImageError, also where there is no store at all: its name may be mistyped.
        """
        path = f"{self.path}/index.json"
        _check_regular(path)
        root = os.path.dirname(self.path)
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.exists(f"{root}/{MARKER}"):
                hint = f"{VARIABLE} and {KEY} name stores"
                raise ImageError(f"there is no shared store in {root}", hint) from None
        except OSError:
            pass  # the reader says it
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
    from rootless.runtime.userns import identity

    mode = identity.detect().mode
    try:
        with open(f"{layer}/layer.json", "rb") as file:
            owners = jsonio.loads(file.read())["owners"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return bool(owners == ("record" if mode == "single" else "chown"))


def trees(own: Paths, paths: Paths, chains: list[str]) -> dict[str, str]:
    """Return the trees of the shared store's layers `chains` in which files may stay, by chain id.

    The caller must not have threads. Raises HostError where there is no user namespace.
    """
    from rootless.runtime.tree import rootfs
    from rootless.runtime.userns import worker

    found = {}
    for chain in chains:
        layer = f"{paths.layers}/{chain}"
        if all(map(_is_tree, (paths.root, paths.layers, layer))) and _is_tree(f"{layer}/fs"):
            found[chain] = f"{layer}/fs"
    own.prepare()
    if not found or rootfs.choose_driver(own) != "overlay":
        return {}
    return found if worker.call(own, overlay_finds_data, own.containers) else {}


def overlay_finds_data(directory: str) -> bool:
    """In the user namespace: whether overlay finds the content of files in a data-only layer."""
    from rootless.linux import mount as m
    from rootless.oci.layers import datalayer
    from rootless.oci.remove import remove_tree

    base = f"{directory}/.try-{os.getpid()}"
    try:
        for name in ("", "/lower", "/data", "/root"):
            os.mkdir(base + name, 0o700)
        for name, content in (("lower", b""), ("data", b"x")):
            with open(f"{base}/{name}/file", "xb") as file:
                file.write(content)
        os.truncate(f"{base}/lower/file", 1)
        os.setxattr(f"{base}/lower/file", datalayer.METACOPY, b"")
        os.setxattr(f"{base}/lower/file", datalayer.REDIRECT, b"/file")
        lowers = f"lowerdir={base}/lower::{base}/data,userxattr"
        m.mount("overlay", f"{base}/root", "overlay", 0, lowers)
        try:
            with open(f"{base}/root/file", "rb") as file:
                return file.read() == b"x"
        finally:
            m.umount2(f"{base}/root", m.MNT_DETACH)
    except OSError:
        return False  # before Linux 6.16, or a file system without such attributes
    finally:
        remove_tree(base)


def _is_tree(path: str) -> bool:
    """Whether `path` is a real directory that not everybody may write."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and not mode & stat.S_IWOTH
