"""`history`: the steps by which an image was made, and what each added."""

from __future__ import annotations

from rootless.times import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.image import Image

MISSING = "<missing>"
"""docker's id of a step whose own image is not here."""


class Step:
    """One line of the history of an image."""

    def __init__(self, image_id: str, created: float, command: str, comment: str) -> None:
        self.id = image_id
        """The image's id for the last step, `<missing>` for the others."""
        self.created = created
        self.command = command
        self.comment = comment
        self.names: list[str] = []
        """Of the image, at its last step."""
        self.size = 0
        """Bytes of its layer uncompressed, noted when it was unpacked; 0 without a layer."""


def history(image: Image) -> list[Step]:
    """Return the steps of an image, the last one first (image-spec, config.md "history").

    An image whose history does not account for all layers gets a step for each further one, as an
    image without any history does. Raises ImageError for a damaged image.
    """
    sizes = [max(size, 0) for size in image.layer_sizes()]
    steps: list[Step] = []
    for entry in image.config.get("history") or []:
        comment = str(entry.get("comment") or "")
        command = str(entry.get("created_by") or "")
        step = Step(MISSING, timestamp(entry.get("created")), command, comment)
        if not entry.get("empty_layer") and sizes:
            step.size = sizes.pop(0)
        steps.append(step)
    for size in sizes:
        step = Step(MISSING, image.created, "", "")
        step.size = size
        steps.append(step)
    if steps:
        steps[-1].id, steps[-1].names = image.id, image.names
    return steps[::-1]
