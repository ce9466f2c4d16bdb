"""`manifest add --artifact`: files as an artifact that a manifest list names.

Its manifest and its files lie in the store with those of the images, for a list is pushed whole.
"""

from __future__ import annotations

import os

from rootless.errors import UsageError
from rootless.images.lists.members import Member
from rootless.oci import artifacts
from rootless.oci.artifacts import EMPTY, EMPTY_TYPE, TITLE, UNKNOWN_TYPE
from rootless.oci.blobs import Blob
from rootless.oci.digest import CHUNK, Digest
from rootless.oci.layout import OCI_MANIFEST
from rootless.times import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.oci.blobs import Workspace

    Document = dict[str, Any]

_LAYER_TYPE = "application/octet-stream"


class ArtifactWish:
    """What an artifact is to say of itself."""

    def __init__(
        self,
        *,
        kind: str = "",
        config: str = "",
        config_type: str = "",
        layer_type: str = "",
        subject: str = "",
        titles: bool = True,
    ) -> None:
        self.kind = kind or UNKNOWN_TYPE
        self.config = config
        """A file whose content is the configuration; empty for none."""
        self.config_type = config_type
        self.layer_type = layer_type or _LAYER_TYPE
        self.subject = subject
        """The image that it is about, as a name or a digest; empty for none."""
        self.titles = titles
        """Whether it says the files' names."""


def member(
    files: list[str], wish: ArtifactWish, subject: Document | None, work: Workspace
) -> Member:
    """Return an artifact of `files` as a member; its blobs are in the workspace.

    Raises UsageError for a file that cannot be read.
    """
    blobs = [_blob(path, work) for path in files]
    layers = []
    for path, blob in zip(files, blobs, strict=True):
        layer: Document = {"mediaType": wish.layer_type, "digest": blob.digest, "size": blob.size}
        if wish.titles:
            layer["annotations"] = {TITLE: os.path.basename(path)}
        layers.append(layer)
    config = _blob(wish.config, work) if wish.config else _written(EMPTY, work)
    kind = wish.config_type or (_LAYER_TYPE if wish.config else EMPTY_TYPE)
    described: Document = {"mediaType": kind, "digest": config.digest, "size": config.size}
    data = artifacts.make(wish.kind, layers, now(), subject, config=described)
    descriptor = {
        "mediaType": OCI_MANIFEST,
        "artifactType": wish.kind,
        "digest": str(Digest.of(data)),
        "size": len(data),
    }
    # The same content twice, as of two empty files, is one blob.
    return Member(descriptor, data, blobs={one.digest: one for one in (*blobs, config)}.values())


def _blob(path: str, work: Workspace) -> Blob:
    try:
        with open(path, "rb") as file:
            blob = Blob(work.new())
            while data := file.read(CHUNK):
                blob.write(data)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    blob.finish().sync()
    return blob


def _written(data: bytes, work: Workspace) -> Blob:
    blob = Blob(work.new())
    blob.write(data)
    blob.finish().sync()
    return blob
