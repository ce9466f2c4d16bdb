"""The results of steps, each under its key: a file that says which layer came of it.

A layer that a result names is pinned: a link to its blob, named by its chain id. As long as that
is there, the unpacked layer stays as well (`images.removing`), though no image may have it.
Looking takes no lock; a file is there whole or not at all.

Nothing is brought to disk for a result: it costs more than many a step. After a power failure a
file may be empty, which is no result; and a layer is believed only where `images.durability` does,
which is when all of its file system was written out after it, the link and the blob with it.
"""

from __future__ import annotations

import contextlib
import os
import time

from rootless.build.cache.living import guarded
from rootless.images import durability
from rootless.oci import jsonio
from rootless.oci.layout import sha256
from rootless.store import pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.images.trees.stack import Stack
    from rootless.store.paths import Paths

    Document = dict[str, Any]

_VERSION = 1

LEAVING = ".leaving"
"""What is put behind the name of a result that is about to go."""


def key_of(*parts: object) -> str:
    """Return the key of a step: a digest of all that decides what comes of it (JSON values)."""
    data = jsonio.dumps([_VERSION, *parts], sort_keys=True).encode("utf-8", "surrogatepass")
    return sha256(data)


class Result:
    """What a step has made upon its stack: a layer, or nothing but what `notes` say."""

    def __init__(self, layer: Document | None, notes: Document | None = None) -> None:
        self.layer = layer
        """Descriptor of the layer with its diff id as `diffID`; None where nothing changed."""
        self.notes = notes or {}
        """`created`, the `text` of the instruction, and `content`: see cache.contents."""
        self.made = 0.0
        """When, if that was not just now: seconds since 1970."""

    def upon(self, stack: Stack) -> Stack:
        """Return the stack with the layer on top."""
        if self.layer is None:
            return stack
        part = {key: self.layer[key] for key in ("mediaType", "digest", "size")}
        return stack.with_layer(part, self.layer["diffID"])


class Known:
    """A result as it lies in the store."""

    def __init__(self, key: str, document: Document, used: float) -> None:
        self.key = key
        self.layer: Document | None = document["layer"]
        self.notes: Document = document["notes"]
        self.chain = str(document["chain"])
        """The chain id of its layer; "" for none."""
        self.below = str(document["below"])
        """The chain id of what it was made upon; "" for nothing."""
        self.made = float(document["made"])
        self.used = used
        """When it was made, and used last: seconds since 1970."""

    @property
    def document(self) -> Document:
        """What is exported of it."""
        return {"layer": self.layer, "notes": self.notes, "chain": self.chain, "below": self.below}


class Results:
    """The results of one store."""

    def __init__(self, paths: Paths, *, youngest: float = 0) -> None:
        """What was made before the moment `youngest` does not count."""
        self._paths = paths
        self._directory = f"{paths.builds}/results"
        self._youngest = youngest

    def get(self, key: str, stack: Stack) -> Result | None:
        """Return what the step of that key made upon `stack`; None where it is not known.

        It counts as used now, and leaves after what was used before.
        """
        return self._kept(key, stack)

    def _kept(self, key: str, stack: Stack) -> Result | None:
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                document = jsonio.loads(file.read())
            result = Result(document["layer"], document["notes"])
            result.made = float(document["made"])
            if result.made < self._youngest:
                return None
            if result.layer is not None and not self._has(result.upon(stack).chains[-1]):
                return None
            # Last: whoever throws it away renames it first, and looks then whether it was used.
            os.utime(path)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return result

    def _has(self, chain: str) -> bool:
        place = f"{self._paths.layers}/{chain}"
        return pins.is_pinned(self._paths, chain) and durability.is_trusted(place)

    def put(self, key: str, result: Result, stack: Stack, *, anew: bool = False) -> Result:
        """Keep what a step has made upon `stack`; return what counts. Raises OSError.

        Where another build was faster its result does, so that all that follows is the same for
        both; unless the step was to be done `anew`.
        """
        with guarded(self._paths, alone=True):
            found = None if anew else self._kept(key, stack)
            if found is None:
                self._write(key, result, stack)
        return found or result

    def used(self, key: str, result: Result, stack: Stack) -> None:
        """Note what a child has found or made upon `stack`, or what was known before."""

    def _write(self, key: str, result: Result, stack: Stack) -> None:
        path = self._path(key)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        document = {
            "layer": result.layer,
            "notes": result.notes,
            "chain": result.upon(stack).chains[-1] if result.layer is not None else "",
            "below": stack.chains[-1] if stack.diff_ids else "",
            "made": result.made or time.time(),
        }
        temporary = f"{path}.{os.getpid()}"
        try:
            with open(temporary, "wb") as file:
                file.write(jsonio.dump_bytes(document))
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def all(self) -> Iterator[Known]:
        """Yield all of them; those that are damaged are left out."""
        for path in self.files():
            key = os.path.basename(path)
            if "." in key:
                continue
            try:
                used = os.stat(path).st_mtime
                with open(path, "rb") as file:
                    yield Known(key, jsonio.loads(file.read()), used)
            except (OSError, ValueError, KeyError, TypeError):
                continue

    def files(self) -> Iterator[str]:
        """Yield the paths of all files of results, half-written ones among them."""
        for place, _, names in os.walk(self._directory):
            yield from (f"{place}/{name}" for name in names)

    def remove(self, key: str, since: float) -> bool:
        """Throw one away; False where it was used after the moment `since`: then it stays."""
        path = self._path(key)
        try:
            os.rename(path, path + LEAVING)
            if os.stat(path + LEAVING).st_mtime >= since:
                os.rename(path + LEAVING, path)
                return False
            os.unlink(path + LEAVING)
        except FileNotFoundError:
            pass  # somebody else was faster
        return True

    def _path(self, key: str) -> str:
        return f"{self._directory}/{key[:2]}/{key}"
