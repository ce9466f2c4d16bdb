"""`# syntax=`: whose language a Dockerfile is written in."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.dockerfile.nodes import Syntax

_OURS = ("docker/dockerfile", "docker/dockerfile-upstream")
_HOSTS = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")


def refuse_frontend(syntax: Syntax, given: str | None = None) -> None:
    """Raise DockerfileError for a file in another language than docker's own.

    `given` takes the place of the directive: the build argument BUILDKIT_SYNTAX. Whatever version
    of docker's is asked for, ours is the newest.
    """
    value, line = syntax.directives.get("syntax", ("", 0))
    if given is not None:
        value, line = given, 0
    name = value.split(None, 1)[0] if value.strip() else ""
    for host in _HOSTS:
        name = name.removeprefix(host)
    path = name.partition("@")[0]
    if path and path != "dockerfile.v0" and path.partition(":")[0] not in _OURS:
        raise syntax.source.error(
            f"the frontend {value} is not supported",
            "docker/dockerfile:1 is; other frontends are programs that need BuildKit",
            line,
            value,
        )
