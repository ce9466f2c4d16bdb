"""What a RUN may do: the network and the rights that it asks for, if the build may give them.

As BuildKit has it, a Dockerfile alone can not get at the host's network nor at more rights: whoever
builds says that he knows of it (`BuildRequest.allowed`).
"""

from __future__ import annotations

from rootless.containers.request import attachment, security
from rootless.errors import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.dockerfile import model
    from rootless.build.request import BuildRequest
    from rootless.containers.request import Fields

HOST_NETWORK = "network.host"
INSECURE = "security.insecure"
ALL = (HOST_NETWORK, INSECURE)
"""What a build may be allowed."""

_UNCOUNTED = ("inherited",)
"""Proxies decide how something is fetched, not what: docker leaves them out of the key, too."""


def check(run: model.Run, request: BuildRequest) -> None:
    """Raise DockerfileError for a RUN that wants more than it is allowed."""
    wanted = []
    if run.network == "host":
        wanted.append((HOST_NETWORK, "--network=host"))
    if run.security == "insecure":
        wanted.append((INSECURE, "--security=insecure"))
    for entitlement, flag in wanted:
        if entitlement not in request.allowed:
            hint = f"{named('allow')} {entitlement} lets it have that"
            raise run.node.error(f"{entitlement} is not allowed", hint, flag)


def fields_of(run: model.Run, request: BuildRequest) -> Fields:
    """Return what the container of a RUN is to be besides its command.

    Raises DockerfileError where that is not allowed.
    """
    check(run, request)
    found: Fields = {**request.run}
    if run.network in ("none", "host"):
        found["networks"] = [attachment(run.network)]  # type: ignore[arg-type]
    if run.security == "insecure":
        found["security"] = security(privileged=True)
    return found


def reaches(fields: Fields) -> bool:
    """Whether a container has a network."""
    return fields.get("networks") != [attachment("none")]


def is_networked(fields: Fields) -> bool:
    """Whether the container of a RUN has a network of its own."""
    networks = fields.get("networks") or ()
    return not networks or networks[0]["kind"] not in ("none", "host")


def counted(fields: Fields) -> dict[str, Any]:
    """Return what of it decides what comes of the command."""
    return {key: value for key, value in fields.items() if key not in _UNCOUNTED}
