"""The keys of config.toml that mean nothing: said once after each change of the file.

Whoever has written `dialekt` would else never know why nothing comes of it. Not on each line, since
tools may read what is said as an error, and so that the file is not read for this alone each time.
"""

from __future__ import annotations

import os

from rootless import settings
from rootless.cli import output
from rootless.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

_TOLD = "told-config"


def warn(paths: Paths) -> None:
    """Say what is unknown, unless it has been said of the file as it is now."""
    file = settings.path()
    try:
        status = os.stat(file)
        place = f"{paths.runtime}/{_TOLD}"
        now = f"{file} {status.st_mtime_ns} {status.st_size}"
        if _said(place) == now:
            return
        unknown = settings.unknown()
        with open(place, "w", encoding="utf-8", errors="surrogateescape") as said:
            said.write(now)
    except (Error, OSError):
        return  # whoever needs the file says what is wrong with it; or it could not be remembered
    if not unknown:
        return
    from rootless.cli.answers.mistakes import alike

    for key, known in unknown:
        near = alike(key.rpartition(".")[2], known)
        meant = " or ".join(map(repr, near))
        hint = f"did you mean {meant}?" if near else f"there are {', '.join(known)}"
        output.warn(f"{file}: {key}: there is no such setting ({hint})")


def _said(place: str) -> str:
    try:
        with open(place, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""
