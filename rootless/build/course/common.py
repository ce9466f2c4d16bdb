"""What the parts of one build share."""

from __future__ import annotations

from rootless.build.attesting.materials import Materials
from rootless.build.cache.living import Living
from rootless.build.cache.results import Results
from rootless.build.carriers.imports import CarriedResults, Imports
from rootless.build.course.order import Order
from rootless.build.dockerfile.directives import refuse_frontend
from rootless.build.dockerfile.parsing import parse
from rootless.build.dockerfile.scope import Arguments
from rootless.build.dockerfile.stages import plan
from rootless.build.place import Site
from rootless.build.scratch import Scratch
from rootless.build.watching import Once, Unwatched
from rootless.oci import platform as platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.build.request import BuildRequest
    from rootless.build.watching import Watcher
    from rootless.images.collection import Images
    from rootless.images.transfer.access import Access


class Build:
    """One build: what it is to be, and what it works with."""

    def __init__(
        self,
        images: Images,
        request: BuildRequest,
        watcher: Watcher | None,
        access: Access | Callable[[], Access] | None,
    ) -> None:
        """Read the Dockerfile. Raises DockerfileError."""
        dockerfile = parse(request.dockerfile, request.name)
        refuse_frontend(dockerfile.syntax, request.arguments.get("BUILDKIT_SYNTAX"))
        here = str(platforms.host())
        given = Arguments(request.arguments, target=request.platform or here, build=here)
        given.base = request.base
        self.file = plan(dockerfile, given, request.contexts)
        self.target = self.file.target(request.target)
        self.materials = Materials()
        if request.source is not None:
            self.materials.add(request.source)
        self.images = images
        self.access = access
        self.request = request
        self.watcher = watcher or Unwatched()
        if request.caching.sources:
            self.watcher = Once(self.watcher)
        self.paths = Site(images.paths.root)
        self.results = Results(images.paths, youngest=request.caching.youngest)
        self.imports = Imports(images.paths, request.caching.youngest)
        if request.caching.sources or request.caching.targets:
            collected = request.caching.collected if request.caching.targets else None
            self.results = CarriedResults(
                images.paths, request.caching.youngest, self.imports, collected
            )
        self.living = Living(images.paths)
        self.paths.build = self.living.id
        self.scratch = request.scratch or Scratch(images.paths)
        self.order = Order(self.paths, self.watcher, request.jobs)
