"""What can be said of a Dockerfile without building it: checks, its targets, what it takes.

The parser's part knows the text alone; here it is told what images and contexts have.
"""

from __future__ import annotations

from rootless.build.dockerfile import model
from rootless.build.dockerfile.check import Knowledge, Report, check
from rootless.build.dockerfile.directives import refuse_frontend
from rootless.build.dockerfile.parsing import parse, syntax
from rootless.build.dockerfile.scope import Arguments
from rootless.build.dockerfile.stages import plan, trigger
from rootless.build.files.gathering import Wanted
from rootless.build.files.ignore import VISIBLE
from rootless.build.files.origins import Origin
from rootless.build.state import State
from rootless.errors import Error
from rootless.oci import platform as platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rootless.build.dockerfile.scope import Scope
    from rootless.build.dockerfile.stages import Plan, Stage
    from rootless.build.request import BuildRequest
    from rootless.images.collection import Images
    from rootless.images.image import Image


class LintFailed(Error):
    """A warning that the file, or whoever builds, wants to be an error. `report` has them all."""

    def __init__(self, report: Report) -> None:
        names = sorted({one.rule for one in report.findings})
        super().__init__(f"lint violation found for rules: {', '.join(names)}")
        self.report = report


class Checking:
    """A request, looked at before it is carried out."""

    def __init__(self, images: Images, request: BuildRequest) -> None:
        """Raises DockerfileError for a text that cannot be taken apart, and for other frontends."""
        self._images = images
        self._request = request
        self.syntax = syntax(request.dockerfile, request.name)
        refuse_frontend(self.syntax, request.arguments.get("BUILDKIT_SYNTAX"))
        here = str(platforms.host())
        target = request.platform or here
        self._arguments = Arguments(request.arguments, target=target, build=here)
        self._arguments.base = request.base

    def report(self) -> Report:
        """Return what docker's checks say. Raises DockerfileError for a check directive."""
        given = self._request.arguments.get("BUILDKIT_DOCKERFILE_CHECK")
        knowledge = Knowledge(self.environment, self._is_ignored)
        return check(self.syntax, self._arguments, knowledge, given)

    def plan(self) -> Plan:
        """Return the stages. Raises DockerfileError."""
        dockerfile = parse(self._request.dockerfile, self._request.name)
        return plan(dockerfile, self._arguments, self._request.contexts)

    def unknown(self) -> list[str]:
        """Return the build arguments that nothing takes. Raises DockerfileError."""
        if not self._request.arguments:
            return []
        return self._arguments.unknown(parse(self._request.dockerfile, self._request.name))

    def environment(self, stage: Stage) -> Mapping[str, str] | None:
        """Return the variables of a stage's base image, None where it is not here."""
        from rootless.build.settings import variables

        if stage.image == "scratch":
            platform = stage.platform or self._request.platform
            return variables(State.scratch(platform).settings)
        image = self._image(stage)
        return None if image is None else variables(State.of(image).settings)

    def _image(self, stage: Stage) -> Image | None:
        """Return the base image of a stage, None where it is not here, or none is needed."""
        if stage.parent is not None or stage.image == "scratch":
            return None
        name, platform = stage.image, stage.platform or self._request.platform
        if (context := self._request.contexts.get(name.lower())) is not None:
            name = context.image
        try:
            return self._images.resolve(name, pull="never", platform=platform) if name else None
        except Error:
            return None

    @property
    def context(self) -> Origin:
        """The context of the build."""
        return Origin(self._request.context, self._request.ignore)

    @property
    def taking(self) -> Iterator[tuple[str, Wanted]]:
        """What of the context the target takes: `COPY, line 3`, and the files that it means.

        What a base image brings counts where it is here. Raises DockerfileError.
        """
        scopes: dict[int, Scope] = {}
        found = self.plan()
        for stage in found.needed(found.target(self._request.target)):
            if stage.parent is not None:
                before = scopes[stage.parent.index]
                scope = before.child(before.environment)
            else:
                scope = found.scope(self.environment(stage) or {})
            scopes[stage.index] = scope
            image = self._image(stage)
            texts = State.of(image).settings.get("OnBuild") if image is not None else None
            triggers = [trigger(text, stage.image) for text in texts or ()]
            for step in (*triggers, *stage.instructions):
                yield from _taken(scope.apply(step))

    def _is_ignored(self, path: str) -> bool:
        ignore = self._request.ignore
        path = path.strip("/")
        return bool(ignore and path not in ("", ".") and ignore.look(path) != VISIBLE)


def _taken(done: model.Instruction) -> Iterator[tuple[str, Wanted]]:
    """Yield what an expanded instruction takes of the context."""
    name = f"{done.node.name}, line {done.line}"
    if isinstance(done, model.Copy) and not done.stage:
        sources = [
            one for one in done.sources if isinstance(one, str) and not _is_elsewhere(done, one)
        ]
        if sources:
            yield name, Wanted(sources, excluded=done.exclude, parents=done.parents)
    elif isinstance(done, model.Run):
        for mount in done.mounts:
            if mount.type == "bind" and not mount.stage:
                yield name, Wanted([mount.source or "/"])


def _is_elsewhere(done: model.Copy, source: str) -> bool:
    from rootless.build.fetching.remotes import is_remote

    return isinstance(done, model.Add) and is_remote(source)
