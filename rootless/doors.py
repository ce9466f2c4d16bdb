"""What is called by its name from another process, or by a later life of the same one.

This file never moves, and no function here changes its name or what it takes: the caller may be
of an older release. Each loads what it calls only then, and before anything else is done (see
linux.interpreter). All data are plain: numbers and texts.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def resume(handed: int) -> NoReturn:
    """Go on as the supervisor of a running container, whose charge is in the file `handed`."""
    from rootless.runtime.supervision.supervisor import resume as call

    call(handed)


def again(handed: int) -> NoReturn:
    """As the supervisor of a container that has ended, start it once more."""
    from rootless.containers.starting import again as call

    call(handed)


def switch(handed: int) -> NoReturn:
    """Go on as the process of a network with a name, whose charge is in the file `handed`."""
    from rootless.runtime.switch.switch import resume as call

    call(handed)


def after_exit(root: str, directory: str) -> None:
    """Clean up behind a container that has ended: the last act of its supervisor."""
    from rootless.containers.deletion import delete_ended as call

    call(root, directory)


def probe(root: str, directory: str, kind: str) -> NoReturn:
    """Run the health check of a container ("regular" or "startup"); end with its exit code."""
    from rootless.containers.running.health import probe as call

    call(root, directory, kind)


def write_out(layers: str) -> None:
    """Have what was unpacked below `layers` written to its disk."""
    from rootless.images.durability import write_out as call

    call(layers)


def remove_image(root: str, digest: str) -> None:
    """Remove an image without a name, unless a container uses it."""
    from rootless.engine import Engine

    Engine(root).images.remove_nameless(digest)


def remove_used(root: str, name: str, image: str) -> None:
    """Take the name from the image of this id, and remove it with its last one.

    Not if a container uses it, or the name is another's by now.
    """
    from rootless.engine import Engine
    from rootless.errors import Conflict, NotFound

    images = Engine(root).images
    try:
        if images.get(name).id == image:
            images.remove([name])
    except (Conflict, NotFound):
        pass
