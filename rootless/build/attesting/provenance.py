"""How an image was made, in SLSA's words and with BuildKit's fields: v0.2, and v1.

Secrets are in none of it, whatever is asked for: neither those that were given as such, nor build
arguments that are called like one, nor passwords in URLs. Moments and the number of the build stay
out where the build is dated by the user, so that the same build says the same.
"""

from __future__ import annotations

import binascii

from rootless.build.attesting.wishes import V1
from rootless.build.dockerfile.naming import is_sensitive
from rootless.build.dockerfile.scope import PROXIES
from rootless.oci import platform as platforms
from rootless.times import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.attesting.materials import Materials
    from rootless.build.attesting.wishes import Attesting
    from rootless.build.request import BuildRequest

    Document = dict[str, Any]

TYPES = {"v0.2": "https://slsa.dev/provenance/v0.2", "v1": "https://slsa.dev/provenance/v1"}
FILE = "provenance.json"

_BUILD = "https://mobyproject.org/buildkit@v1"
_BUILD_V1 = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
_OWN = f"{_BUILD}#"


def type_of(wish: Attesting) -> str:
    """Return the type of the predicate."""
    return TYPES[wish.version]


def predicate(request: BuildRequest, wish: Attesting, materials: Materials) -> Document:
    """Return what is said of a build that has just ended."""
    arguments, complete = _arguments(request, everything=wish.mode == "max")
    parameters: Document = {"frontend": "dockerfile.v0"}
    if arguments:
        parameters["args"] = arguments
    if wish.mode == "max":
        for key, names in (("secrets", request.given.secrets), ("ssh", request.given.agents)):
            if names:
                parameters[key] = [{"id": name, "optional": True} for name in sorted(names)]
    if request.source is None:
        parameters["locals"] = [{"name": "context"}, {"name": "dockerfile"}]
    used = [one.document for one in materials.all]
    local = request.source is None
    told = _Told(request, wish)
    told.source = request.source.document if request.source is not None else {}
    told.parameters, told.materials = parameters, used
    told.complete = (complete, not local)
    told.hermetic = not local and not materials.network
    return told.v1() if wish.version == V1 else told.v02()


def _arguments(request: BuildRequest, *, everything: bool) -> tuple[dict[str, str], bool]:
    """Return what the build was asked, and whether it is all."""
    found = {}
    if request.target:
        found["target"] = request.target
    if not request.use_cache:
        found["no-cache"] = ""
    for name, context in request.contexts.items():
        if context.image and not context.image.startswith("oci:"):
            found[f"context:{name}"] = f"docker-image://{context.image}"
    given = {f"build-arg:{name}": value for name, value in request.arguments.items()}
    given |= {f"label:{name}": value for name, value in request.labels.items()}
    kept = {
        key: value
        for key, value in given.items()
        if everything and not is_sensitive(key.partition(":")[2]) and not _has_password(key, value)
    }
    every = {**found, **kept}
    return {key: every[key] for key in sorted(every)}, len(kept) == len(given)


def _has_password(key: str, value: str) -> bool:
    """Whether it is a proxy's URL with a user in it."""
    return key.partition(":")[2] in PROXIES and "@" in value


class _Told:
    """What is said, before it is put into the words of a version."""

    def __init__(self, request: BuildRequest, wish: Attesting) -> None:
        self._request = request
        self._wish = wish
        self.source: Document = {}
        self.parameters: Document = {}
        self.materials: list[Document] = []
        self.complete = (False, False)
        self.hermetic = False

    def v02(self) -> Document:
        """In SLSA's words of v0.2."""
        parameters, materials = self.complete
        metadata: Document = self._moments("buildInvocationID", "buildStartedOn", "buildFinishedOn")
        metadata["completeness"] = {
            "parameters": parameters,
            "environment": True,
            "materials": materials,
        }
        metadata["reproducible"] = self._wish.reproducible
        if self.hermetic:
            metadata[f"{_OWN}hermetic"] = True
        metadata[f"{_OWN}metadata"] = self._own
        return {
            "builder": {"id": self._wish.builder},
            "buildType": _BUILD,
            "materials": self.materials,
            "invocation": {
                "configSource": {**self.source, "entryPoint": self._request.name},
                "parameters": self.parameters,
                "environment": {"platform": str(platforms.host())},
            },
            "metadata": metadata,
        }

    def v1(self) -> Document:
        """In SLSA's words of v1."""
        request, dependencies = self.complete
        metadata: Document = self._moments("invocationId", "startedOn", "finishedOn")
        metadata["buildkit_metadata"] = self._own
        metadata["buildkit_hermetic"] = self.hermetic
        metadata["buildkit_completeness"] = {
            "request": request,
            "resolvedDependencies": dependencies,
        }
        metadata["buildkit_reproducible"] = self._wish.reproducible
        return {
            "buildDefinition": {
                "buildType": _BUILD_V1,
                "externalParameters": {
                    "configSource": {**self.source, "path": self._request.name},
                    "request": self.parameters,
                },
                "internalParameters": {"builderPlatform": str(platforms.host())},
                "resolvedDependencies": self.materials,
            },
            "runDetails": {"builder": {"id": self._wish.builder}, "metadata": metadata},
        }

    @property
    def _own(self) -> Document:
        """What BuildKit has besides: the Dockerfile, where all is told."""
        if self._wish.mode != "max":
            return {}
        request = self._request
        data = binascii.b2a_base64(request.dockerfile, newline=False).decode()
        info = {"filename": request.name, "language": "Dockerfile", "data": data}
        return {"source": {"infos": [info]}}

    def _moments(self, number: str, begun: str, ended: str) -> Document:
        if self._request.epoch is not None:
            return {}
        wish = self._request.attesting
        return {number: wish.number, begun: wish.begun, ended: now()}
