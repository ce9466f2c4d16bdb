"""The results of steps, each under its key: a file that says which layer came of it.

A layer that a result names is pinned: a link to its blob, named by its chain id. As long as that
is there, the unpacked layer stays as well (`images.removing`), though no image may have it.
Looking takes no lock; a file is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import os

from rootless.oci import jsonio
from rootless.oci.blobs import replace
from rootless.store import pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.images.making import Stack
    from rootless.store.paths import Paths

    Document = dict[str, Any]

_VERSION = 1


def key_of(*parts: object) -> str:
    """Return the key of a step: a digest of all that decides what comes of it (JSON values)."""
    from hashlib import sha256

    data = jsonio.dumps([_VERSION, *parts], sort_keys=True).encode("utf-8", "surrogatepass")
    return sha256(data).hexdigest()


class Result:
    """What a step has made upon its stack: a layer, or nothing but what `notes` say."""

    def __init__(self, layer: Document | None, notes: Document | None = None) -> None:
        self.layer = layer
        """Descriptor of the layer with its diff id as `diffID`; None where nothing changed."""
        self.notes = notes or {}

    def upon(self, stack: Stack) -> Stack:
        """Return the stack with the layer on top."""
        if self.layer is None:
            return stack
        part = {key: self.layer[key] for key in ("mediaType", "digest", "size")}
        return stack.with_layer(part, self.layer["diffID"])


class Results:
    """The results of one store."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._directory = f"{paths.builds}/results"

    def get(self, key: str, stack: Stack) -> Result | None:
        """Return what the step of that key made upon `stack`; None where it is not known.

        It counts as used now, and leaves after what was used before.
        """
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                document = jsonio.loads(file.read())
            result = Result(document["layer"], document["notes"])
            whole = result.upon(stack)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if result.layer is not None and not os.path.exists(
            pins.path(self._paths, whole.chains[-1])
        ):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return result

    def put(self, key: str, result: Result) -> None:
        """Keep a result. Raises OSError."""
        path = self._path(key)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        replace(path, jsonio.dump_bytes({"layer": result.layer, "notes": result.notes}))

    def _path(self, key: str) -> str:
        return f"{self._directory}/{key[:2]}/{key}"
