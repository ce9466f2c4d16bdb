"""What a build says of its image: packages and provenance, made when the last stage has ended."""

from __future__ import annotations

import os

from rootless.build.attesting import materials, provenance, scanning, spdx
from rootless.build.attesting.wishes import Attesting as Wish
from rootless.build.watching import Step
from rootless.images.lists import attestations
from rootless.oci import platform as platforms
from rootless.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.course.common import Build
    from rootless.build.state import State

    Document = dict[str, Any]


class Attestations:
    """What is said of one image: the statements, and where they are written as files."""

    def __init__(self, build: Build, state: State, document: Document) -> None:
        """Raises what looking for packages raises; a step tells of it."""
        self._build = build
        self._platform = platforms.of(state.about)
        request, wish = build.request, build.request.attesting
        self.statements: list[tuple[str, str, Document]] = []
        """Name of a file, type and content of each."""
        if wish.sbom:
            said = self._sbom(state, str(document["created"]))
            self.statements.append((spdx.FILE, spdx.PREDICATE, said))
        if wish.provenance:
            said = provenance.predicate(request, wish, build.materials)
            kind = provenance.type_of(wish)
            self.statements.append((provenance.FILE, kind, said))
        if wish.told:
            told = Wish()
            told.mode, told.version, told.builder = wish.told, wish.version, wish.builder
            told.reproducible = wish.reproducible
            said = provenance.predicate(request, told, build.materials)
            request.provenance[str(self._platform)] = said

    @property
    def attested(self) -> attestations.Attested | None:
        """What goes beside the image in the store; None where nothing is said."""
        if not self.statements:
            return None
        wanted = self._platform
        described = {"architecture": wanted.architecture, "os": wanted.os}
        if wanted.variant:
            described["variant"] = wanted.variant
        found = attestations.Attested(described)
        found.statements = [(kind, said) for _, kind, said in self.statements]
        request = self._build.request
        names = [reference.name_to_give(tag) for tag in request.tags or request.called]
        found.subjects = [materials.image_uri(name, str(wanted)) for name in names]
        return found

    def files(self, subjects: list[Document], prefix: str) -> str:
        """Return a directory with a file for each statement, which is about these files."""
        directory = self._build.scratch.new()
        place, moment = f"{directory}/fs", self._build.request.epoch
        os.mkdir(place, 0o755)
        for name, kind, said in self.statements:
            data = attestations.statement(kind, said, subjects)
            with open(f"{place}/{prefix}{name}", "xb") as file:
                file.write(data)
                os.fchmod(file.fileno(), 0o644)
            if moment is not None:
                os.utime(f"{place}/{prefix}{name}", (moment, moment))
        return place

    def _sbom(self, state: State, created: str) -> Document:
        build = self._build
        step = Step("generating sbom")
        build.watcher.begin(step)
        answer = build.order.last(step, scanning.scan, state.stack, build.scratch.new())
        packages, system = scanning.found(answer)
        request = build.request
        name = [*request.tags, *request.called, build.target.name or "image"][0]
        said = spdx.document(name, packages, system, f"{created[:19]}Z")
        build.watcher.end(step, cached=False, error="")
        return said
