"""The names of docker's build checks, and which of them a file wants."""

from __future__ import annotations

from rootless.build.dockerfile.errors import suggestion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.dockerfile.nodes import Syntax

RULES = {
    "StageNameCasing": "names of stages are written in small letters",
    "FromAsCasing": "AS is written as FROM is: both in capitals, or neither",
    "NoEmptyContinuation": "an empty line within an instruction will be an error some day",
    "ConsistentInstructionCasing": "all instructions are written in capitals, or none",
    "DuplicateStageName": "each stage has a name of its own",
    "ReservedStageName": "no stage is called as something that FROM or COPY knows already",
    "JSONArgsRecommended": "CMD and ENTRYPOINT in JSON form get signals, a shell keeps them",
    "MaintainerDeprecated": "a label says who made an image, MAINTAINER is no longer used",
    "UndefinedArgInFrom": "FROM uses arguments that an ARG before it declares",
    "WorkdirRelativePath": "the first WORKDIR is absolute, or it depends on the base image",
    "UndefinedVar": "variables are defined before they are used",
    "MultipleInstructionsDisallowed": "of CMD, ENTRYPOINT and HEALTHCHECK a stage has one each",
    "LegacyKeyValueFormat": "ENV and LABEL are written with =",
    "RedundantTargetPlatform": "FROM takes the target platform without being told",
    "SecretsUsedInArgOrEnv": "ARG and ENV are no place for secrets: they stay in the image",
    "InvalidDefaultArgInFrom": "FROM makes sense with the defaults of its arguments",
    "FromPlatformFlagConstDisallowed": "FROM leaves the platform to whoever builds",
    "CopyIgnoredFile": "COPY and ADD take nothing that the ignore file excludes",
    "InvalidDefinitionDescription": "a comment above ARG or FROM begins with the name it is about",
    "InvalidBaseImagePlatform": "the base image has the platform of the build",
    "ExposeProtoCasing": "protocols of EXPOSE are written in small letters",
    "ExposeInvalidFormat": "EXPOSE has ports alone, without addresses and ports of the host",
}
"""Name -> what it asks for."""

EXPERIMENTAL = frozenset(("CopyIgnoredFile", "InvalidDefinitionDescription"))
"""Rules that are only for those who ask for them."""


def url(rule: str) -> str:
    """Return docker's page about a rule."""
    letters = rule.replace("JSON", "Json")
    dashed = "".join(f"-{one.lower()}" if one.isupper() else one for one in letters)
    return f"https://docs.docker.com/go/dockerfile/rule/{dashed[1:]}/"


class Wanted:
    """Which rules count: `skip=A,B;experimental=C;error=true`, or `skip=all`."""

    def __init__(self) -> None:
        self.skip: set[str] = set()
        self.experimental: set[str] = set()
        self.fails = False
        """Whether a warning fails the build."""

    def __contains__(self, rule: str) -> bool:
        if rule in EXPERIMENTAL:
            asked = rule in self.experimental or "all" in self.experimental
            return asked and rule not in self.skip
        return "all" not in self.skip and rule not in self.skip


def wanted(syntax: Syntax, given: str | None = None) -> Wanted:
    """Return what the check directive of a file says, or `given` in its place.

    Raises DockerfileError.
    """
    text, line = syntax.directives.get("check", ("", 0))
    if given is not None:
        text, line = given, 0
    result = Wanted()
    for part in text.split(";"):
        key, equals, value = part.strip().partition("=")
        key, value = key.strip().lower(), value.strip()
        names = {name.strip() for name in value.split(",") if name.strip()}
        if not part.strip():
            continue
        if key == "error" and value.lower() in ("true", "false"):
            result.fails = value.lower() == "true"
        elif key in ("skip", "experimental") and equals:
            for name in names - RULES.keys() - {"all"}:
                hint = suggestion(name, RULES) or "see docker's build checks"
                raise syntax.source.error(f"unknown check {name!r}", hint, line, name)
            (result.skip if key == "skip" else result.experimental).update(names)
        else:
            hint = "skip=NAME,NAME or skip=all; error=true"
            raise syntax.source.error(f"invalid check option {part.strip()!r}", hint, line, part)
    return result
