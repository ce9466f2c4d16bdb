"""`from`: a working container, made of an image or of nothing."""

from __future__ import annotations

from rootless.build.place import Site
from rootless.build.state import State
from rootless.build.working.container import LABEL, Extra, Working, WorkingImage, document
from rootless.containers.record import write
from rootless.containers.request import request as usual
from rootless.errors import Conflict
from rootless.oci import reference
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.build.working.container import Identity
    from rootless.containers.collection import Containers
    from rootless.containers.container import Container
    from rootless.containers.request import Fields
    from rootless.images.collection import Images
    from rootless.images.transfer.access import Access
    from rootless.teller import Teller

NOTHING = "scratch"
"""What stands for no image."""


class Beginning:
    """What a working container is to be."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.name = ""
        """Empty for one made of the image's."""
        self.pull = "missing"
        self.platform = ""
        self.docker: bool | None = None
        """Whether the image is to have a manifest of docker's form; None for nothing said."""
        self.fields: Fields = {}
        """What its commands' containers are to be, where that is not as usual."""


def begin(
    containers: Containers,
    images: Images,
    wish: Beginning,
    access: Access | Callable[[], Access] | None = None,
    teller: Teller = QUIET,
) -> Working:
    """Make one. Raises Conflict for a name in use, and what `Images.resolve` raises."""
    paths = Site(images.paths.root)
    paths.prepare()
    state = State.scratch(wish.platform)
    identity: Identity = ("", "", [])
    if wish.image != NOTHING:
        image = images.resolve(
            wish.image, pull=wish.pull, platform=wish.platform, access=access, teller=teller
        )
        image.lowers()
        state = State.of(image)
        identity = (image.id, image.digest, image.names)
    of_image = WorkingImage(paths, state, identity)
    container = _made(containers, wish, of_image, state)
    extra = Extra()
    extra.told = len(state.history)
    extra.docker, extra.fields = wish.docker, wish.fields
    container.record["working"] = document(state, extra)
    write(container.directory, container.record)
    return Working(container)


def _made(containers: Containers, wish: Beginning, image: WorkingImage, state: State) -> Container:
    """Make the container, under the first name that is free where none was asked for."""
    has_command = state.settings.get("Entrypoint") or state.settings.get("Cmd")
    command = [] if has_command else ["/bin/sh"]
    number = 0
    while True:
        name = wish.name or _name(wish.image, number)
        fields: Fields = {**wish.fields, "name": name, "image_volumes": "ignore"}
        fields["labels"] = {LABEL: "true"}
        fields["record_owners"] = True  # where it is started: steps have it anyway
        try:
            return containers.create(usual(wish.image, command, **fields), image)
        except Conflict:
            if wish.name or not containers.objects.holder(name):
                raise
        number += 1


def _name(image: str, number: int) -> str:
    """Return buildah's name for the working container of that number."""
    last = ""
    if image != NOTHING:
        if reference.is_valid(image):
            image = reference.parse(image).familiar
        last = image.rpartition("/")[2].partition("@")[0].partition(":")[0] + "-"
    return f"{last}working-container" + (f"-{number}" if number else "")
