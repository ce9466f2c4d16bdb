"""The image that a stage has become: its configuration, its manifest, its names."""

from __future__ import annotations

from rootless.errors import Error
from rootless.oci import manifests, reference
from rootless.oci.layout import OCI_CONFIG, Layout, name_of, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.crew import Line
    from rootless.build.place import Site
    from rootless.images.collection import Images
    from rootless.images.lists.attestations import Attested
    from rootless.images.trees.stack import Stack


class Form:
    """What an image is called, and what it is besides its layers and its configuration."""

    def __init__(
        self,
        names: list[str],
        annotations: dict[str, str],
        *,
        docker: bool,
        attested: Attested | None = None,
    ) -> None:
        self.names = names
        """As users write them."""
        self.annotations = annotations
        """Of the manifest."""
        self.docker = docker
        """Whether it has a manifest of docker's form as well."""
        self.attested = attested
        """What is said of it beside it."""


def name(line: Line, paths: Site, stack: Stack, document: dict[str, Any], form: Form) -> list[str]:
    """Put the image into the store; return the digests of its configuration and of its entry."""
    from rootless.build.layering import lend
    from rootless.build.steps.telling import Telling
    from rootless.images.making import Making

    names = [reference.name_to_give(tag) for tag in form.names]
    with Making(paths, Telling(line), stack, foreman=paths.foreman) as making:
        lend(paths, making, stack)
        how = {"annotations": form.annotations, "attested": form.attested}
        digest = making.finish(names, document, docker=form.docker, **how)  # type: ignore[arg-type]
        return [digest, str(making.entry["digest"])]


def known(images: Images, stack: Stack, document: dict[str, Any], form: Form) -> str:
    """Return the id of the image where the store has it, as it would be named; else "".

    By its manifest, which is what it would be: other images are not looked at, for there are many.
    """
    if form.docker or form.attested is not None:
        return ""
    rootfs = {"type": "layers", "diff_ids": stack.diff_ids}
    data = manifests.encode({**document, "rootfs": rootfs})
    config = sha256(data)
    part = {"mediaType": OCI_CONFIG, "digest": f"sha256:{config}", "size": len(data)}
    more = {"annotations": form.annotations} if form.annotations else {}
    manifest = f"sha256:{sha256(manifests.make_manifest(part, stack.parts, **more))}"
    try:
        layout = Layout(images.paths.images)
        entries = [one for one in images.entries() if one["digest"] == manifest]
    except Error:
        return ""
    names = {reference.name_to_give(tag) for tag in form.names}
    there = {reference.full(name_of(one)) for one in entries if name_of(one)}
    if not entries or not names <= there or not layout.has(f"sha256:{config}"):
        return ""
    return config
