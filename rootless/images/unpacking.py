"""Unpacking the layers of an image that is in the store: what another program put there."""

from __future__ import annotations

from rootless.images.intake import Intake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.image import Image
    from rootless.store.paths import Paths


def unpack(paths: Paths, image: Image) -> None:
    """Unpack the layers of `image` that are not yet. Two processes may do it at once.

    Raises DigestError or LayerError for a damaged layer.
    """
    beside = {}
    if image.shared is not None:
        from rootless.images.shared import trees

        beside = trees(paths, image.shared, image.chains)
    with Intake(paths, source=image.layout, beside=beside) as intake:
        intake.keep_layers(image.manifest["layers"], image.config["rootfs"]["diff_ids"])
