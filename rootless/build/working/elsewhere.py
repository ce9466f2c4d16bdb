"""Files of another container, or of an image, for a copy and for a mount."""

from __future__ import annotations

from rootless.build.files.origins import Origin
from rootless.build.working.container import Working
from rootless.errors import NotFound, UsageError
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.containers.collection import Containers
    from rootless.images.collection import Images
    from rootless.images.transfer.access import Access
    from rootless.teller import Teller


def files_of(
    containers: Containers,
    images: Images,
    name: str,
    access: Access | Callable[[], Access] | None = None,
    teller: Teller = QUIET,
) -> Origin:
    """Return where they are: of a container that has the name, else of an image, which is pulled.

    Raises what `Images.resolve` raises, UsageError for another container than a working one.
    """
    try:
        container = containers.get(name)
    except NotFound:
        return Origin(lowers=images.resolve(name, access=access, teller=teller).lowers())
    if "working" not in container.record:
        raise UsageError(
            f"container {container.name} is no working container",
            "rootless commit makes an image of it, whose files can be copied",
        )
    working = Working(container)
    with working.step(teller):
        return Origin(lowers=working.lowers())
