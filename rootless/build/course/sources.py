"""Where the files of a stage come from: its base, and what COPY and mounts name."""

from __future__ import annotations

from rootless.build.contexts import ignore_of
from rootless.build.course.order import Other, Work
from rootless.build.dockerfile import model
from rootless.build.fetching.remotes import fetch_context, material
from rootless.build.files.origins import Origin
from rootless.build.holding import hold
from rootless.build.state import State
from rootless.build.steps import resolve
from rootless.errors import NotFound
from rootless.oci import platform as platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from rootless.build.course.common import Build
    from rootless.build.course.order import Way
    from rootless.build.dockerfile.model import Instruction
    from rootless.build.dockerfile.mounts import Mount
    from rootless.build.dockerfile.stages import Stage
    from rootless.build.fetching.named import Context
    from rootless.build.watching import Step
    from rootless.images.image import Image


class Sources:
    """The sources of one build."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._request = build.request
        self._watcher = build.watcher
        self._images = build.images
        self._file = build.file
        self._paths = build.paths
        self._work = build.order.work
        self._contexts: dict[str, Origin] = {}
        """Named contexts that were fetched, by what they are fetched from."""

    def image(self, step: Step, name: str, platform: str) -> Way:
        """Return the state that an image is, pulled where it is not here.

        `step` is that of a FROM, which begins with it, or of what takes files from the image.
        """
        image = self._here(name, platform)
        opening = isinstance(step.instruction, model.From)
        here = image is not None
        if image is None:
            if opening:
                self._watcher.begin(step)
            step.meant = step.meant or self._file.like(name)
            how = (name, self._request.pull, platform)
            image_id = yield Work(step, resolve.pull, self._images, self._build.access, *how)
            step.meant = ""
            image = self._images.get(f"sha256:{image_id}")
            self._watcher.hear(step, {"do": "found", "name": name, "digest": image.digest})
        full = self._images.name_of(name) or name
        if opening and here:
            step.text = f"FROM {resolve.whole(full, image.digest)}"
            self._watcher.begin(step)
        state = State.of(image)
        hold(self._paths, image, state.stack)
        about = str(platforms.of(image.config))
        self._build.materials.add_image(full, image.digest, about)
        return state

    def origins(
        self, step: Step, stage: Stage, done: model.Run
    ) -> Generator[Work | Other, Any, list[tuple[Mount, Origin | None]]]:
        """Return the mounts of a RUN, each with where its files come from."""
        found: list[tuple[Mount, Origin | None]] = []
        for mount in done.mounts:
            origin = None
            if mount.type == "bind" or mount.stage:
                origin = yield from self.origin(step, mount.stage, stage, done)
            found.append((mount, origin))
        return found

    def origin(
        self, step: Step, name: str, stage: Stage, done: Instruction
    ) -> Generator[Work | Other, Any, Origin]:
        """Return where files come from: the context for no name, a stage, or an image."""
        if not name:
            return Origin(self._request.context, self._request.ignore)
        named = self._request.contexts.get(name.lower())
        if named is not None and not named.image:
            return (yield from self.context(step, named))
        source = self._file.reference(name, stage, done)
        if source is not None:
            state: State = yield Other(source)
        else:
            name = named.image if named else name
            state = yield from self.image(step, name, self._request.platform)
        origin = Origin(lowers=self._paths.lowers(state.stack))
        origin.stack = state.stack
        return origin

    def context(self, step: Step, named: Context) -> Generator[Work | Other, Any, Origin]:
        """Return where the files of a named context are, fetched once."""
        known = named.directory or named.source
        if known not in self._contexts:
            path = named.directory
            if not path:
                how = (named.source, self._build.scratch.new(), self._request.given.secrets)
                path, digest = yield self._work(step, fetch_context, *how)
                self._build.materials.add(material(named.source, digest))
            self._contexts[known] = Origin(path, ignore_of(path))
        return self._contexts[known]

    def _here(self, name: str, platform: str) -> Image | None:
        """Return an image that need not be fetched; None where it has to be."""
        if self._request.pull in ("missing", "never"):
            try:
                return self._images.resolve(name, pull="never", platform=platform)
            except NotFound:
                pass
        return None
