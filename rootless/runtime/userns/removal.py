"""Removing objects: renamed away first, then deleted; it works at once and on a full disk."""

from __future__ import annotations

import os

from rootless.errors import Error, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths


def discard(paths: Paths, path: str, trash: str) -> None:
    """Make `path` disappear at once by renaming it to `trash` beside it, then delete it.

    Raises OSError where the rename is refused, StoreError for what stays; a vanished `path` is no
    error.
    """
    try:
        os.rename(path, trash)
    except FileNotFoundError:
        return
    empty(paths, trash)


def empty(paths: Paths, trash: str) -> None:
    """Delete `trash`, inside the user namespace where it holds files of subordinate ids.

    Raises StoreError.
    """
    from rootless.oci.remove import remove_tree  # listings load this module, and remove nothing

    try:
        remove_tree(trash)
    except OSError:
        from rootless.runtime.userns.worker import call

        try:
            call(paths, remove_tree, trash)
        except Error as error:
            raise StoreError(f"cannot remove {trash}: {error.message}", error.hint) from error
