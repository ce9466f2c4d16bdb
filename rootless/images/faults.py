"""The system's errors in terms of the store. Light: `tag` and `rmi` need no more than this."""

from __future__ import annotations

import errno

from rootless.errors import StoreError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from rootless.store.paths import Paths


class store_errors:  # noqa: N801 - used as a statement is
    """Within it an OSError is a StoreError that says what to do."""

    def __init__(self, paths: Paths) -> None:
        self._root = paths.root

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, OSError):
            return
        elsewhere = f"name a directory that can be written with {named('root')}"
        room = "make room, for example with rootless rmi or rootless rm"
        hints = {
            errno.ENOSPC: room,
            errno.EDQUOT: room,
            errno.EROFS: elsewhere,
            errno.EACCES: elsewhere,
        }
        message = f"cannot write to the store {self._root}: {error.strerror or error}"
        raise StoreError(message, hints.get(error.errno or 0, "")) from error
