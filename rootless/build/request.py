"""What a build is to be, whoever asks for it: plain values, parsed and checked."""

from __future__ import annotations

from rootless.build.attesting.wishes import Attesting
from rootless.build.carriers.collected import Caching
from rootless.build.given import Given
from rootless.build.shape import Shape
from rootless.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.attesting.materials import Material
    from rootless.build.fetching.named import Context
    from rootless.build.files.ignore import Ignore
    from rootless.build.output.wishes import Output
    from rootless.build.scratch import Scratch
    from rootless.containers.request import Fields

    Document = dict[str, Any]


class BuildRequest:
    """One build. What is not said is as usual."""

    def __init__(self, context: str, dockerfile: bytes, name: str = "Dockerfile") -> None:
        self.context = context
        """Absolute path of the directory whose files COPY takes; empty for none."""
        self.dockerfile = dockerfile
        self.name = name
        """What messages call the Dockerfile."""
        self.ignore: Ignore | None = None
        """What of the context is not there."""
        self.contexts: dict[str, Context] = {}
        """By name in small letters, what stands for a stage or an image of that name."""
        self.scratch: Scratch | None = None
        """Where the build's things lie for a while; a front end's, which removes it."""
        self.tags: list[str] = []
        self.arguments: dict[str, str] = {}
        self.base = ""
        """An image that stands in the place of what the first FROM names; empty for none."""
        self.target = ""
        self.labels: dict[str, str] = {}
        self.platform = ""
        self.platforms: list[str] = []
        """Several, for a manifest list of an image for each; `platform` does not count then."""
        self.every_platform = False
        """Whether it is to be for all that its bases are there for; `platforms` follows then."""
        self.manifest = ""
        """A manifest list that gets the image as well; it is made if it is not there."""
        self.pull = "missing"
        """missing, always, never or newer."""
        self.use_cache = True
        self.caching = Caching()
        self.jobs = 0
        """How many steps at once; 0 for as many as this process may use cores."""
        self.epoch: int | None = None
        """SOURCE_DATE_EPOCH: seconds since 1970 of all that a build would date by the clock."""
        self.given = Given()
        """Secrets and agents for RUN --mount."""
        self.run: Fields = {}
        """What the containers of RUN are to be, where it is not as usual."""
        self.allowed: set[str] = set()
        """What RUN may ask for: see steps.confining.ALL."""
        self.shape = Shape()
        """What the image is to be besides what the Dockerfile says."""
        self.outputs: list[Output] = []
        """Where it goes besides the store. Files alone leave no image there."""
        self.pushed: dict[str, str] = {}
        """What came of it: names, and the digests that registries have them by."""
        self.attesting = Attesting()
        """What is said of the image beside it."""
        self.source: Material | None = None
        """Where the context was fetched from, if it was."""
        self.provenance: dict[str, Document] = {}
        """What came of that, by platform."""
        self.called: list[str] = []
        """What is said of the image calls it so, where it has no tags of its own."""
        self.named: dict[str, str] = {}
        """What came of it: by id the digest of an image with its attestations."""
        self.docker = False
        """Whether the image has a manifest of docker's form as well."""
        self.keep_failed = False
        """Whether what a failed command has left becomes an image without a name."""

    def check(self) -> None:
        """Raise InvalidReference for a name that no image can have, before anything is done."""
        for name in (*self.tags, *([self.manifest] if self.manifest else ())):
            reference.name_to_give(name)
