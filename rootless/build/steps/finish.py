"""The image that a stage has become: its configuration, its manifest, its names."""

from __future__ import annotations

from rootless.build.layering import lend
from rootless.build.steps.telling import Telling
from rootless.errors import Error
from rootless.images.making import Making
from rootless.oci import manifests, reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.crew import Line
    from rootless.build.place import Site
    from rootless.images.collection import Images
    from rootless.images.making import Stack


class Form:
    """What an image is called, and what it is besides its layers and its configuration."""

    def __init__(self, names: list[str], annotations: dict[str, str], *, docker: bool) -> None:
        self.names = names
        """As users write them."""
        self.annotations = annotations
        """Of the manifest."""
        self.docker = docker
        """Whether it has a manifest of docker's form as well."""


def name(line: Line, paths: Site, stack: Stack, document: dict[str, Any], form: Form) -> str:
    """Put the image into the store; return the digest of its configuration."""
    names = [reference.name_to_give(tag) for tag in form.names]
    with Making(paths, Telling(line), stack, foreman=paths.foreman) as making:
        lend(paths, making, stack)
        return making.finish(names, document, docker=form.docker, annotations=form.annotations)


def known(images: Images, stack: Stack, document: dict[str, Any], form: Form) -> str:
    """Return the id of the image where the store has it, as it would be named; else ""."""
    from hashlib import sha256

    rootfs = {"type": "layers", "diff_ids": stack.diff_ids}
    found = sha256(manifests.encode({**document, "rootfs": rootfs})).hexdigest()
    try:
        image = images.look(f"sha256:{found}")
    except Error:
        return ""
    names = {reference.name_to_give(tag) for tag in form.names}
    if form.docker or (image.manifest.get("annotations") or {}) != form.annotations:
        return ""
    return found if names <= {reference.full(name) for name in image.names} else ""
