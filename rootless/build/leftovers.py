"""What failed commands have left: images without a name, of which a store keeps the latest.

`failed/` of builds has a file for each, named by the digest of its manifest. `image prune` removes
such images as all others without a name; whoever wants to keep one gives it a name.
"""

from __future__ import annotations

import contextlib
import os
import time

from rootless.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.collection import Images

MOST = 3
"""As many are kept; the others go when one more comes."""

LONGEST = 24 * 3600
"""Seconds after which one goes in any case, when one more comes."""


def keep(images: Images, image: str) -> None:
    """Remember an image that a failed command has left, and remove older ones."""
    directory = f"{images.paths.builds}/failed"
    with contextlib.suppress(Error, OSError):  # it is no reason to say less of the failure
        os.makedirs(directory, 0o700, exist_ok=True)
        digest = images.get(f"sha256:{image}").manifest_digest
        with open(f"{directory}/{digest}", "w", encoding="ascii"):
            os.utime(f"{directory}/{digest}")
        _sweep(images, directory)


def _sweep(images: Images, directory: str) -> None:
    found = [(os.stat(f"{directory}/{name}").st_mtime, name) for name in os.listdir(directory)]
    found.sort(reverse=True)
    for number, (moment, name) in enumerate(found):
        if number < MOST and time.time() - moment < LONGEST:
            continue
        with contextlib.suppress(Error):  # it is gone, or a container uses it, or it has a name
            images.remove_nameless(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{directory}/{name}")
