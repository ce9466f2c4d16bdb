"""`commit`: an image from what a container has made of another one.

The changes become one layer, upon the layers of the container's image; where there are none, as
docker has it, the new image differs in its settings only. With `squash` everything is one layer.
"""

from __future__ import annotations

import contextlib
import os

from rootless.containers import events
from rootless.containers.environment import PATH, PROXIES
from rootless.containers.files.trees import check_whole, ids_of, trees_of
from rootless.containers.running.pausing import standing
from rootless.containers.values import signal_name
from rootless.errors import NotFound, UsageError
from rootless.images import changes as dockerfile
from rootless.images.entries import entry_for
from rootless.images.intake import Intake
from rootless.images.naming import bring_in
from rootless.images.transfer.importing import Told, moment
from rootless.images.transfer.progress import Silent
from rootless.images.trees.packing import pack
from rootless.oci import manifests, reference
from rootless.oci.digest import CHUNK
from rootless.oci.layers.unpack import widen
from rootless.oci.layout import OCI_CONFIG, OCI_LAYER
from rootless.runtime.userns.worker import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from rootless.containers.handle import Handle
    from rootless.containers.options import Record
    from rootless.images.collection import Images
    from rootless.images.image import Image
    from rootless.images.transfer.progress import Progress

    Document = dict[str, Any]


class Wishes:
    """What a new image is to say besides its files."""

    def __init__(
        self,
        *,
        author: str = "",
        message: str = "",
        changes: Iterable[str] = (),
        pause: bool = True,
        squash: bool = False,
    ) -> None:
        self.author = author
        self.message = message
        self.changes = list(changes)
        """Lines of a Dockerfile; see images.changes."""
        self.pause = pause
        """Whether a running container stands still meanwhile."""
        self.squash = squash
        """Whether all layers become one."""


def commit(
    images: Images,
    container: Handle,
    ref: str = "",
    wishes: Wishes | None = None,
    progress: Progress | None = None,
) -> Image:
    """Make an image named `ref`, or without a name, of the container; return it.

    Raises UsageError for changes that are not understood and containers without an image,
    NotFound where the image is gone.
    """
    wishes = wishes or Wishes()
    names = [reference.name_to_give(ref)] if ref else []
    if container.record["rootfs"]["kind"] != "layers":
        raise UsageError(
            f"cannot commit container {container.name}: it was not made from an image",
            "rootless export and import make an image of its files",
        )
    base = _base(images, container)
    settings = _settings(container.record, base.config.get("config") or {})
    dockerfile.apply(settings, wishes.changes)
    still = standing(container) if wishes.pause else contextlib.nullcontext()
    with still, _locked(container):
        made = _Making(images, container, base, wishes)
        image_id = made.run(names, settings, progress or Silent())
    events.tell(container.root, container.record, "commit", comment=wishes.message)
    return images.get(image_id)


def _base(images: Images, container: Handle) -> Image:
    record = container.record
    try:
        return images.get(f"sha256:{record['image_id']}")
    except NotFound:
        raise NotFound(
            f"cannot commit container {container.name}: its image {record['image']} was removed",
            "pull or load it again, or use rootless export and import",
        ) from None


@contextlib.contextmanager
def _locked(container: Handle) -> Iterator[None]:
    """Keep others from starting or removing it meanwhile. Raises NotFound."""
    held = container.lock()
    try:
        yield
    finally:
        os.close(held)


class _Making:
    """One image in the making."""

    def __init__(self, images: Images, container: Handle, base: Image, wishes: Wishes) -> None:
        self._images = images
        self._container = container
        self._base = base
        self._wishes = wishes

    def run(self, names: list[str], settings: Document, progress: Progress) -> str:
        """Make it; return its id."""
        base = self._base
        parts: list[Document] = list(base.manifest["layers"])
        diff_ids: list[str] = list(base.config["rootfs"]["diff_ids"])
        if self._wishes.squash:
            parts, diff_ids = [], []
        with Intake(self._images.paths, self._images, source=base.layout) as intake:
            part = self._layer(intake, progress)
            bring_in(intake, [each["digest"] for each in parts])
            if part:
                parts.append(part)
                diff_ids.append(part["digest"])
            intake.keep_layers(parts, diff_ids)
            data = manifests.encode(self._config(settings, diff_ids, empty=not part))
            config = {"mediaType": OCI_CONFIG, "digest": intake.take_bytes(data), "size": len(data)}
            manifest = manifests.make_manifest(config, parts)
            digest = intake.take_bytes(manifest)
            blobs = [*(each["digest"] for each in parts), config["digest"], digest]
            intake.commit([(names, entry_for(digest, len(manifest)))], blobs)
        return str(config["digest"])

    def _layer(self, intake: Intake, progress: Progress) -> Document | None:
        """Take the changes in as a layer; None where there are none."""
        trees = trees_of(self._container)
        key, squash = self._container.id, self._wishes.squash
        reading, writing = os.pipe()
        widen(writing)
        with open(reading, "rb", buffering=0) as stream:
            # Before the layer is begun: that starts a thread, and nobody forks after it.
            ids = ids_of(self._container)
            try:
                worker = spawn(intake.paths, pack, writing, trees, squash, ids, keep_fds=(writing,))
            finally:
                os.close(writing)
            blob = intake.blob()
            layer = intake.unpack(blob)
            progress.begin(key, f"commit {self._container.name}", -1)
            try:
                told = Told(stream, key, progress)
                while data := told.read(CHUNK):
                    blob.write(data)
            except BaseException:
                blob.abandon()
                stream.close()  # so that the worker ends as well
                with contextlib.suppress(Exception):
                    worker.result()
                raise
        try:
            entries = worker.result()
            check_whole(self._container)
        except BaseException:
            blob.abandon()
            raise
        if not entries and not squash:
            blob.abandon()
            intake.forget(layer)
            progress.end(key, "no changes")
            return None
        digest = intake.take(blob.finish(), layer)
        progress.end(key, "committed")
        return {"mediaType": OCI_LAYER, "digest": digest, "size": blob.size}

    def _config(self, settings: Document, diff_ids: list[str], *, empty: bool) -> Document:
        base, record, now = self._base.config, self._container.record, moment()
        step: Document = {"created": now, "created_by": " ".join([record["path"], *record["args"]])}
        if self._wishes.author:
            step["author"] = self._wishes.author
        if self._wishes.message:
            step["comment"] = self._wishes.message
        if empty:
            step["empty_layer"] = True
        history = [] if self._wishes.squash else [*(base.get("history") or []), step]
        author = self._wishes.author or base.get("author")
        document: Document = {"created": now, **({"author": author} if author else {})}
        kept = ("architecture", "os", "os.version", "os.features", "variant")
        document.update({key: base[key] for key in kept if base.get(key)})
        document["config"] = settings
        document["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
        document["history"] = history or [step]
        return document


def _settings(record: Record, inner: Document) -> Document:
    """The container's settings as an image's: what a container of the new image begins with."""
    process = record["spec"]["process"]
    settings = {**inner}
    ports = [*record["exposed"], *(f"{p['container']}/{p['protocol']}" for p in record["ports"])]
    volumes: Document = {item["destination"]: {} for item in record["volumes"] if item["anonymous"]}
    settings.update(
        User=record["user"],
        ExposedPorts={port: {} for port in ports},
        Env=_environment(record, inner.get("Env") or []),
        Entrypoint=record["entrypoint"],
        Cmd=record["cmd"],
        Volumes={**(inner.get("Volumes") or {}), **volumes},
        Labels=record["labels"],
        Healthcheck=record["healthcheck"],
    )
    if process["cwd"] != "/" or inner.get("WorkingDir"):
        settings["WorkingDir"] = process["cwd"]
    if record["asked"].get("stop_signal"):
        settings["StopSignal"] = signal_name(record["stop_signal"])
    # As docker's configurations: copies, because changes follow, and nothing that is empty.
    return {
        key: value.copy() if isinstance(value, (dict, list)) else value
        for key, value in settings.items()
        if value
    }


def _environment(record: Record, image: list[str]) -> list[str]:
    """The container's variables, without those that every container is given anew."""
    known = {item.partition("=")[0] for item in image}
    asked = {item.partition("=")[0] for item in record["asked"].get("env") or ()}
    given = {"HOSTNAME", "TERM", *PROXIES, *(name.upper() for name in PROXIES)} - asked
    variables = record["spec"]["process"]["env"]
    return [
        item
        for item in variables
        if (name := item.partition("=")[0]) in known
        or not (name in given or (item == f"PATH={PATH}" and name not in asked))
    ]
