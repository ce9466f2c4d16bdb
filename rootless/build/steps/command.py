"""What a RUN is to run; apart from the step itself, which loads all that containers need."""

from __future__ import annotations

from rootless.build.given import Given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.carriers.imports import Imports
    from rootless.build.carriers.opening import Reach
    from rootless.build.dockerfile.mounts import Mount
    from rootless.build.files.origins import Origin
    from rootless.containers.request import Fields
    from rootless.containers.running.ends import Ends

    Document = dict[str, Any]


class Command:
    """What a RUN is to run, and how."""

    def __init__(self, words: list[str], environment: list[list[str | None]]) -> None:
        self.words = words
        self.environment = environment
        """[name, value] besides that of the stage: arguments and proxies."""
        self.fields: Fields = {}
        """Further fields of the container's request."""
        self.mounts: list[tuple[Mount, Origin | None]] = []
        """What is mounted, and where it comes from."""
        self.given = Given()
        self.epoch: int | None = None
        """Seconds since 1970 that no file of the layer is younger than; None for as they are."""
        self.document: Document | None = None
        """The configuration of an image of what the command leaves if it fails; None for none."""
        self.imports: Imports | None = None
        self.reach: Reach = None
        """Imported caches that may have something for cache mounts, and how they are reached."""
        self.script = ""
        """A program with `#!` that is to run in the place of the words."""
        self.ends: Ends | None = None
        """Where its input comes from and its output goes; None for the build's own output."""
        self.keeps = False
        """Whether what it has changed counts though it fails."""
