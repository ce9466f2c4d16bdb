"""podman's dialect, as of its version 4."""

from __future__ import annotations

import time

from rootless.cli.dialects.docker import Docker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.containers.summary import Listed

NO_CONTAINER = 'no container with name or ID "{0}" found: no such container'
IMPROPER = "container state improper"
NAME_TAKEN = (
    'creating container storage: the container name "{0}" is already in use by {1}. '
    "You have to remove that container to be able to reuse that name: that name is already in use"
)
NO_FORCE = (
    "cannot remove container {0} as it is running - running or paused containers cannot be removed "
    f"without force: {IMPROPER}"
)
IN_USE = (
    "image used by {1}: image is in use by a container: "
    "consider listing external containers and force-removing image"
)
NOT_FOUND = "OCI runtime attempted to invoke a command that was not found"


WIDTH = 20
"""Characters of a command that a listing shows."""


class Podman(Docker):
    """podman's habits, where they are others."""

    column = 12
    gap = 2
    arrays = True
    unit = " "
    sentences = (
        ("no such container: {0}", NO_CONTAINER, 0),
        ("no such image: {0}", "{0}: image not known", 0),
        ("no such object: {0}", 'inspecting object: no such object: "{0}"', 0),
        ('the container name "{0}" is already in use by {1}', NAME_TAKEN, 0),
        ("container {0} is running", NO_FORCE, 2),
        ("container {0} is not running", f"container {{0}} is not running: {IMPROPER}", 0),
        (
            "cannot kill container {0}: it is not running",
            f"can only kill running containers. {{0}} is not running: {IMPROPER}",
            0,
        ),
        (
            "cannot pause container {0}: it is not running",
            f"container {{0}} is not running, can't pause: {IMPROPER}",
            0,
        ),
        (
            "cannot unpause container {0}: it is not paused",
            f"container {{0}} is not paused, can't unpause: {IMPROPER}",
            0,
        ),
        ("cannot remove image {0}: container {1} uses it", IN_USE, 2),
        (
            "cannot publish port {0}/{1}: it is in use",
            "rootlessport listen {1} port {0}: bind: address already in use",
            126,
        ),
        (
            '"{0}": executable file not found in $PATH',
            'exec: "{0}": executable file not found in $PATH: ' + NOT_FOUND,
            127,
        ),
        ('"{0}": is a directory', 'exec: "{0}": is a directory: OCI permission denied', 126),
        ('"{0}": permission denied', 'exec: "{0}": permission denied: OCI permission denied', 126),
        ("no such option: {0}", "unknown flag: {0}", 0),
        ("no such command '{0}'", "unrecognized command `{line} {0}`", 0),
        ("missing argument {0}", "requires at least 1 arg(s), only received 0: {0}", 0),
        ("which container?", "you must provide at least one name or id", 0),
        ("which image?", "image name or ID must be specified", 0),
        ("which container or image?", "you must provide at least one name or id", 0),
    )

    def __init__(self) -> None:
        self._names: set[str] | None = None
        """The full names of all images, once somebody has asked for them."""

    def exit_code(self, command: str) -> int:
        """podman: 1 for what is not there to be removed, else 125."""
        return 1 if command in ("rm", "rmi") else 125

    def template(self, text: str) -> str:
        """Columns of a table may be separated by blanks, and {{json .}} is the whole list."""
        if text.strip() == "{{json .}}":
            return "json"
        first, _, rest = text.partition(" ")
        return f"table {rest.replace('}} {{', '}}' + chr(9) + '{{')}" if first == "table" else text

    def given(self, name: str) -> str:
        """A name without a registry is of this machine."""
        from rootless.oci import reference

        short = reference.is_valid(name) and reference.is_short(name)
        return f"localhost/{name}" if short else name

    def made(self, image: str) -> str:
        """The digits alone."""
        return image

    def repository(self, name: str) -> tuple[str, str]:
        """The whole name."""
        from rootless.images.summary import NONE
        from rootless.oci import reference

        if not reference.is_valid(name):
            return (name or NONE), NONE
        parsed = reference.parse(name)
        return parsed.name, parsed.tag or NONE

    def container(self, row: dict[str, Any], one: Listed, *, full: bool) -> None:
        """Whole names of images, commands without quotes, and what a stopped one publishes."""
        record = one.record
        command = " ".join([record["path"], *record["args"]])
        row["Command"] = command if full or len(command) <= WIDTH else command[: WIDTH - 3] + "..."
        row["Image"] = self.image(one)
        row["Ports"] = published(one)
        row["CreatedAt"] = when(record["created"])
        if one.state.running:
            row["Status"] += " ago"

    def image(self, one: Listed) -> str:
        """Return the whole name of the image that a container was made of."""
        from rootless.images.finding import Finder, meanings

        if self._names is None:
            self._names = {*Finder(one.container.paths).names()}
        asked = one.record["image"]
        meant = meanings(asked)
        return next((name for name in meant if name in self._names), (*meant, asked)[0])


def published(one: Listed) -> str:
    """Return the ports of a container, whether it runs or not; those of IPv6 are not named."""
    from rootless.containers.ports import summary

    ports: Any = [dict(port) for port in one.state.ports or one.record["ports"]]
    for port in ports:
        port["ip"] = port["ip"] or "0.0.0.0"  # noqa: S104 - a text
    return summary([port for port in ports if port["ip"] != "::"])


def when(moment: float) -> str:
    """Return a moment as podman prints it: 2026-02-01 12:00:00.5 +0000 UTC."""
    whole, fraction = divmod(moment, 1)
    digits = f"{fraction:.9f}"[1:].rstrip("0").rstrip(".")
    local = time.localtime(whole)
    return time.strftime(f"%Y-%m-%d %H:%M:%S{digits} %z %Z", local)
