"""COPY and ADD of files: what is to be done, and the key of what comes of it."""

from __future__ import annotations

from rootless.build.cache.results import key_of
from rootless.build.files import gathering
from rootless.build.files.hashes import Hashes, Unknown
from rootless.build.files.modes import Manner
from rootless.store.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.crew import Line
    from rootless.build.files.gathering import Wanted
    from rootless.build.files.origins import Origin
    from rootless.build.place import Site
    from rootless.images.trees.stack import Stack

    Document = dict[str, Any]


class Part:
    """What a COPY takes from one place."""

    def __init__(self, origin: Origin, wanted: Wanted) -> None:
        self.origin = origin
        self.wanted = wanted
        self.unpack = False
        """Whether files that are archives come as what is in them."""
        self.digest = ""
        """What is wanted, where that is known without looking."""


class Copy:
    """What a COPY or ADD is to do."""

    def __init__(self, parts: list[Part], destination: str) -> None:
        self.parts = parts
        self.destination = destination
        """Absolute."""
        self.owner = ""
        """--chown as it is written, expanded; empty for none."""
        self.manner = Manner()
        self.text = ""
        """The instruction."""
        self.use_cache = True
        self.youngest = 0.0
        """Whether, and from which moment on, what was made before counts."""
        self.scratch = ""
        """An empty directory, where archives are unpacked."""
        for part in parts:
            part.wanted.alone = len(parts) == 1

    @property
    def unpacks(self) -> bool:
        """Whether there may be archives to unpack."""
        return any(part.unpack for part in self.parts)

    def digests(self, paths: Site) -> list[str]:
        """Return those of what is taken from each place. Raises Unknown, NotFound, OSError."""
        return [
            part.digest or digest_of(paths, part.origin, part.wanted, read=False)
            for part in self.parts
        ]

    def key(self, stack: Stack, digests: list[str]) -> str:
        """Return the key of the step."""
        manner = self.manner
        mode = manner.mode.text if manner.mode else None
        how = [self.destination, self.owner, mode, manner.parents, manner.linked, manner.epoch]
        found = [
            [digest, part.wanted.trusted, part.unpack]
            for digest, part in zip(digests, self.parts, strict=True)
        ]
        return key_of("copy", stack.diff_ids, how, found)


def digest_of(paths: Paths, origin: Origin, wanted: Wanted, *, read: bool) -> str:
    """Return the digest of what is wanted. Raises Unknown where not `read`; NotFound, OSError.

    That of files in layers tells owners as they are in the user namespace: it is for who is there.
    """
    if origin.lowers and not read:
        raise Unknown
    tree = origin.open()
    try:
        groups = gathering.gather(tree, wanted, origin.explain)
        hashes = Hashes(f"{paths.builds}/hashes/{origin.name}")
        found = gathering.digest(tree, groups, hashes, trusted=wanted.trusted, read=read)
        if read:
            hashes.save()
        return found
    finally:
        tree.close()


def read_digest(_line: Line, paths: Site, origin: Origin, wanted: Wanted) -> str:
    """Return the digest of what is wanted, whatever has to be read for it."""
    if not origin.lowers:
        try:
            return digest_of(paths, origin, wanted, read=True)
        except PermissionError:
            pass
    how = (paths.root, origin, wanted)
    if paths.foreman is not None:
        return str(paths.foreman.call(_digest_inside, *how).result())
    from rootless.runtime.userns.worker import call

    return str(call(paths, _digest_inside, *how))


def _digest_inside(root: str, origin: Origin, wanted: Wanted) -> str:
    return digest_of(Paths(root), origin, wanted, read=True)


def read_digests(line: Line, paths: Site, copy: Copy) -> list[str]:
    """Return the digests of what is taken, whatever has to be read for them."""
    return [
        part.digest or read_digest(line, paths, part.origin, part.wanted) for part in copy.parts
    ]
