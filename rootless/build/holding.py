"""What a build takes from images is held by links of its own: no `rmi` and no prune takes it.

An image that goes while a build is based on it goes at once, as users see it. Its layers go when
the build has ended, unless they are in an image of its own by then.
"""

from __future__ import annotations

import contextlib
import os

from rootless.errors import NotFound
from rootless.oci.layout import Layout
from rootless.store import pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.place import Site
    from rootless.images.image import Image
    from rootless.images.trees.stack import Stack
    from rootless.store.paths import Paths


def hold(paths: Site, image: Image, stack: Stack) -> None:
    """Hold the layers of an image. Raises NotFound where it was removed just now, OSError."""
    directory = pins.held_by(paths, paths.build)
    os.makedirs(directory, 0o700, exist_ok=True)
    layout = Layout(paths.images)
    for chain, part in zip(stack.chains, stack.parts, strict=True):
        digest = str(part["digest"])
        place = link_of(paths, chain, digest)
        try:
            os.link(layout.blob_path(digest), place)
        except FileExistsError:
            continue
        except FileNotFoundError:
            if not image.readonly:
                raise _gone(image) from None
            # Another store has its blob, which is not ours to remove.
            with contextlib.suppress(FileExistsError), open(link_of(paths, chain, ""), "xb"):
                pass
        # Who removes layers looks for links after he has taken them away, too.
        if not os.path.isdir(f"{paths.layers}/{chain}/fs"):
            raise _gone(image)


def link_of(paths: Site, chain: str, digest: str) -> str:
    """Return the place of a build's own link to the blob of a layer; "" for one without a blob."""
    return f"{pins.held_by(paths, paths.build)}/{chain}.{digest.partition(':')[2]}"


def _gone(image: Image) -> NotFound:
    return NotFound(f"image {image.digest} was removed while the build began", "build again")


def release(paths: Paths, build: str) -> None:
    """Let go what a build has held, and remove what nobody else has by now. Raises StoreError."""
    directory = pins.held_by(paths, build)
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    lost = set()
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            if os.stat(f"{directory}/{name}").st_nlink == 1:
                lost.add(name.partition(".")[0])
            os.unlink(f"{directory}/{name}")
    with contextlib.suppress(OSError):
        os.rmdir(directory)
    if lost:
        from rootless.images.removing import drop_unpinned

        drop_unpinned(paths, lost)
