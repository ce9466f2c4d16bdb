"""One build of one target, from the request to the image."""

from __future__ import annotations

import contextlib

from rootless.build import holding, leavings, leftovers
from rootless.build.course.common import Build
from rootless.build.course.finishing import Finishing
from rootless.build.course.instructions import Stages
from rootless.build.course.lazily import Lazily
from rootless.build.course.order import Again
from rootless.build.dockerfile import model
from rootless.build.failing import StepFailed
from rootless.build.steps import confining

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.build.dockerfile.stages import Stage
    from rootless.build.request import BuildRequest
    from rootless.build.watching import Watcher
    from rootless.images.collection import Images
    from rootless.images.transfer.access import Access


class Builder:
    """One build of one target."""

    def __init__(
        self,
        images: Images,
        request: BuildRequest,
        watcher: Watcher | None = None,
        access: Access | Callable[[], Access] | None = None,
    ) -> None:
        """`access` is how registries are spoken with where a base is pulled."""
        self._how = (images, request, watcher, access)

    def run(self) -> str:
        """Build it; return the id of the image. Raises Error, after all has ended."""
        build = Build(*self._how)
        needed = build.file.needed(build.target)
        _check(build.request, needed)
        paths = build.paths
        paths.prepare()  # before a step leaves something there, and it looks like another's
        leavings.sweep(paths)
        with build.living, contextlib.ExitStack() as ends:  # each comes, whatever became of others
            ends.callback(_note, build)
            if build.request.scratch is None:
                ends.callback(build.scratch.close)
            ends.callback(holding.release, paths, build.living.id)
            ends.callback(build.order.close)
            try:
                lazily = Lazily(build)
                lazily.load()
                stages = Stages(build, needed, lazily)
                while (image := _go(build, needed, stages, lazily)) is None:
                    build.imports.begin_again()
            except BaseException as error:
                build.order.cancel()
                leavings.sweep_build(paths, build.living.id)  # of children that were killed
                if isinstance(error, StepFailed) and error.left:
                    leftovers.keep(build.images, error.left)
                raise
        return image


def _go(build: Build, needed: list[Stage], stages: Stages, lazily: Lazily) -> str | None:
    """Do it once; None where an imported result was counted on that cannot be had."""
    try:
        state = build.order.go(needed, build.target, stages.way)
        return Finishing(build, lazily).finish(state)
    except Again:
        return None


def _note(build: Build) -> None:
    """Last of all: see whether something could not be removed."""
    build.living.left = leavings.remains(build.paths, build.living.id)


def _check(request: BuildRequest, needed: list[Stage]) -> None:
    """Raise DockerfileError for what cannot be done, before anything is."""
    for stage in needed:
        for instruction in stage.instructions:
            if isinstance(instruction, model.Run):
                confining.check(instruction, request)
