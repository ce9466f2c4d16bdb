"""The results of a build into a carrier: the work of one child."""

from __future__ import annotations

import os
from functools import partial

from rootless.build.carriers import document
from rootless.build.carriers.mounts import pack
from rootless.build.carriers.opening import access_to, measured
from rootless.build.steps.telling import Telling
from rootless.images.transfer.known import Form, Known
from rootless.images.transfer.parallel import in_parallel
from rootless.oci import manifests
from rootless.oci.errors import Error, ImageError
from rootless.oci.layout import MAX_JSON, OCI_LAYER
from rootless.store import pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from rootless.build.carriers.collected import Collected
    from rootless.build.carriers.opening import Reach
    from rootless.build.carriers.wishes import Carrier
    from rootless.build.crew import Line
    from rootless.build.place import Site

    Document = dict[str, Any]

    class Target(Protocol):
        """Where a cache goes to. Blobs may be put by several threads at once."""

        name: str

        def has(self, digest: str, size: int) -> bool:
            """Whether a blob is there."""

        def room(self) -> str:
            """Return a path for a file that is there for a while."""

        def put(self, path: str, name: str, kind: str, level: int) -> tuple[str, int]:
            """Take a file, compressed or as it is; return digest and size."""

        def put_bytes(self, data: bytes) -> str:
            """Take a document; return its digest."""

        def finish(self, manifest: bytes, parts: list[str]) -> list[str]:
            """Name it; return the parts that are missing: then it is not named."""

        def close(self) -> None:
            """Give back what it holds."""


_ATTEMPTS = 5
"""How often parts are made again that another export has removed meanwhile."""


class Export:
    """What is written, and where to."""

    def __init__(self, carrier: Carrier, collected: Collected, reach: Reach) -> None:
        self.carrier = carrier
        self.collected = collected
        self.reach = reach
        self.there: dict[str, Document] = {}
        """Descriptors of layers, by diff id, that the place had when it was read."""
        self.mounts_there: dict[str, Document] = {}
        """What it had of cache mounts."""


def export(line: Line, paths: Site, asked: Export) -> str:
    """Write it; return why that was not possible where that is no error, else "".

    Raises RegistryError, ImageError and others.
    """
    try:
        retry = access_to(asked.carrier, asked.reach).retry
        retry.run(partial(_export, line, paths, asked))
    except (Error, OSError) as error:
        if isinstance(error, Error):
            failed = error
        else:
            failed = ImageError(f"{error.filename or 'a file'}: {error.strerror}")
        if not asked.carrier.lenient:
            raise failed.about(f"no cache is written to {asked.carrier}") from error
        return failed.message
    return ""


def _export(line: Line, paths: Site, asked: Export) -> None:
    if asked.carrier.kind == "local":
        from rootless.build.carriers.folders import Folder

        target: Target = Folder(asked.carrier)
    else:
        from rootless.build.carriers.repositories import Repository

        target = Repository(paths, asked.carrier, asked.reach, Telling(line))
    try:
        writing = _Writing(line, paths, asked, target)
        for _ in range(_ATTEMPTS):
            missing = writing.run()
            if not missing:
                return
        raise ImageError(f"{asked.carrier} is changed by others all the time", "try again")
    finally:
        target.close()


class _Writing:
    """One export under way."""

    def __init__(self, line: Line, paths: Site, asked: Export, target: Target) -> None:
        self._paths = paths
        self._asked = asked
        self._target = target
        self._teller = Telling(line)
        self._known = Known(paths.images)
        self._sent: dict[str, Document] = {}
        """By diff id."""
        self._mounts: dict[str, Document] = {}
        """By name, in the form of `document`, without the places of the blobs."""

    def run(self) -> list[str]:
        """Write it; return what another export has removed meanwhile."""
        if self._asked.carrier.mounts and not self._mounts:
            self._pack()
        jobs: list[Callable[[], None]] = [
            partial(self._layer, one, path) for one, path in self._wanted().items()
        ]
        in_parallel(jobs, lambda: None)
        blobs = sorted(self._sent)
        places = {one: at for at, one in enumerate(blobs)}
        mounts = {
            name: {**told, "blob": places[told["diffID"]]} for name, told in self._mounts.items()
        }
        told = self._asked.collected.document(places, mounts)
        config = document.encode(told)
        if len(config) > MAX_JSON:
            raise ImageError(f"the document of the cache is larger than {MAX_JSON >> 20} MiB")
        part: Document = {
            "mediaType": document.MEDIA_TYPE,
            "digest": self._target.put_bytes(config),
            "size": len(config),
        }
        layers = [self._sent[one] for one in blobs]
        manifest = manifests.make_manifest(part, layers, artifactType=document.MEDIA_TYPE)
        needed = [part["digest"], *(str(layer["digest"]) for layer in layers)]
        missing = self._target.finish(manifest, needed)
        for diff_id, layer in list(self._sent.items()):
            if layer["digest"] in missing:
                del self._sent[diff_id]
        return missing

    def _pack(self) -> None:
        """Write what cache mounts have."""
        asked = self._asked
        for name, (text, *owner) in asked.collected.mounts.items():
            place = self._target.room()
            try:
                with open(place, "xb") as file:
                    if not pack(self._paths, name, file.fileno()):
                        if (old := asked.mounts_there.get(name)) is not None:
                            self._keep(name, old)
                        continue
                diff_id, size = measured(place)
                self._put(diff_id, place)
                about = {"text": text, "owner": owner, "size": size}
                self._mounts[name] = {**about, "diffID": diff_id}
            finally:
                os.unlink(place)

    def _keep(self, name: str, old: Document) -> None:
        """Leave what the place has of a cache mount that is not in the store."""
        blob = old["blob"]
        if self._target.has(blob["digest"], blob["size"]):
            self._sent[old["diffID"]] = blob
            self._mounts[name] = {key: value for key, value in old.items() if key != "blob"}

    def _wanted(self) -> dict[str, str]:
        """Return the layers that go along, each with the file that is here, "" for none."""
        collected, found = self._asked.collected, {}
        for diff_id, layer in collected.layers.items():
            chains = layer["chains"]
            if not self._asked.carrier.everything and not collected.needed & {*chains}:
                continue
            paths = [pins.path(self._paths, chain) for chain in chains]
            path = next(filter(os.path.exists, paths), "")
            if path or diff_id in self._asked.there:
                found[diff_id] = path
        return found

    def _layer(self, diff_id: str, path: str) -> None:
        """See that a layer is there."""
        if diff_id in self._sent:
            return
        target = self._target
        there = self._asked.there.get(diff_id)
        if there is not None and target.has(there["digest"], there["size"]):
            self._sent[diff_id] = there
            return
        if not path:
            return  # it is not here, and there no more: it is known by name
        self._put(diff_id, path)

    def _put(self, diff_id: str, path: str) -> None:
        """Write a file, unless the place is known to have it in the form that is wanted."""
        carrier, target = self._asked.carrier, self._target
        kind = f"+{carrier.compression}" if carrier.compression else ""
        size = os.stat(path).st_size
        self._teller.begin(diff_id, f"layer {diff_id[7:19]}", size)
        for form in self._known.forms(diff_id) if kind else ():
            fits = form.compression == carrier.compression and carrier.level in (0, form.level)
            if fits and target.has(form.digest, form.size):
                break
        else:
            how = (carrier.compression, carrier.level)
            form = Form(*how, *target.put(path, diff_id, *how))
            if kind:
                self._known.note(diff_id, form, target.name)
        self._teller.end(diff_id, "done")
        self._sent[diff_id] = {
            "mediaType": OCI_LAYER + kind,
            "digest": form.digest,
            "size": form.size,
        }
