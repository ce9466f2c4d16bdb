"""What can be said of a Dockerfile without building it: checks, its targets, what it takes.

The parser's part knows the text alone; here it is told what images and contexts have.
"""

from __future__ import annotations

from rootless.build.dockerfile.check import Knowledge, Report, check
from rootless.build.dockerfile.directives import refuse_frontend
from rootless.build.dockerfile.parsing import parse, syntax
from rootless.build.dockerfile.scope import Arguments
from rootless.build.dockerfile.stages import plan
from rootless.build.files.ignore import VISIBLE
from rootless.build.state import State
from rootless.errors import Error
from rootless.oci import platform as platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from rootless.build.dockerfile.stages import Plan, Stage
    from rootless.build.request import BuildRequest
    from rootless.images.collection import Images


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

    def report(self) -> Report:
        """Return what docker's checks say. Raises DockerfileError for a check directive."""
        given = self._request.arguments.get("BUILDKIT_DOCKERFILE_CHECK")
        knowledge = Knowledge(self.environment, self._is_ignored)
        return check(self.syntax, self._arguments, knowledge, given)

    def plan(self) -> Plan:
        """Return the stages. Raises DockerfileError."""
        return plan(parse(self._request.dockerfile, self._request.name), self._arguments)

    def unknown(self) -> list[str]:
        """Return the build arguments that nothing takes. Raises DockerfileError."""
        if not self._request.arguments:
            return []
        return self._arguments.unknown(parse(self._request.dockerfile, self._request.name))

    def environment(self, stage: Stage) -> Mapping[str, str] | None:
        """Return the variables of a stage's base image, None where it is not here."""
        from rootless.build.settings import variables

        platform = stage.platform or self._request.platform
        if stage.image == "scratch":
            return variables(State.scratch(platform).settings)
        try:
            image = self._images.resolve(stage.image, pull="never", platform=platform)
        except Error:
            return None
        return variables(State.of(image).settings)

    def _is_ignored(self, path: str) -> bool:
        ignore = self._request.ignore
        path = path.strip("/")
        return bool(ignore and path not in ("", ".") and ignore.look(path) != VISIBLE)
