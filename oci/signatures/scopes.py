"""What of the files in containers/ is for an image: where they are, and the scopes of a name."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.oci.reference import Reference

SYSTEM = "/etc/containers"


def user_directory() -> str:
    """The directory of the user's settings (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return base if base.startswith("/") else os.path.expanduser("~/.config")


def own(name: str) -> str:
    """The path of the user's own file `name`, whether it is there or not."""
    return f"{user_directory()}/containers/{name}"


def configuration(name: str) -> str:
    """The path of the user's file `name` where there is one, else of the machine's."""
    path = own(name)
    return path if os.path.lexists(path) else f"{SYSTEM}/{name}"


def scopes_of(name: Reference) -> list[str]:
    """The scopes that an image is in, the narrowest first.

    Its full name, its repository, each namespace above, the registry, and wildcards for the
    domains of that (containers-policy.json(5), "docker:").
    """
    scopes = [str(name)]
    path = name.name
    while path:
        scopes.append(path)
        path = path.rpartition("/")[0]
    labels = name.domain.partition(":")[0].split(".")
    return scopes + ["*." + ".".join(labels[start:]) for start in range(1, len(labels))]


def scopes_of_path(path: str) -> list[str]:
    """The scopes of a file or directory: itself without symbolic links, all that it lies in."""
    scopes = []
    path = os.path.realpath(path)
    while path != "/":
        scopes.append(path)
        path = os.path.dirname(path)
    return scopes
