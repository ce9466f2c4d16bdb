"""Which dialect the command line speaks, and under which name it was called.

In this order: --dialect, the name of the program (a link called podman or docker),
ROOTLESS_DIALECT, `dialect` in config.toml; else docker's. Found out when a command first asks.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.dialects.docker import Docker

NAMES = ("docker", "podman")
DEFAULT = "docker"
PROGRAM = "rootless"
VARIABLE = "ROOTLESS_DIALECT"

_ASKED: list[str] = []
"""What --dialect said, if anything."""

_LOADED: list[Docker] = []
"""The dialect, once somebody has asked for it."""


def ask(name: str) -> None:
    """Take the answer of --dialect, before anybody wants to know."""
    _ASKED[:] = [name]
    _LOADED.clear()


def overhear(argv: list[str]) -> None:
    """Take --dialect from a line that nobody has understood, so that this is told in it."""
    for at, word in enumerate(argv):
        option, _, value = word.partition("=")
        if option == "--dialect":
            value = value or "".join(argv[at + 1 : at + 2])
            if value in NAMES:
                ask(value)
        if not word.startswith("-") and argv[at - 1 : at] != ["--dialect"]:
            return


def program() -> str:
    """Return what the user calls us: rootless, or the name of the link."""
    name = os.path.basename(sys.argv[0])
    return name if name in NAMES else PROGRAM


def name() -> str:
    """Return the name of the dialect. Raises UsageError where something names one that is none."""
    if _ASKED:
        return _checked(_ASKED[0], "--dialect")
    if program() in NAMES:
        return program()
    if asked := os.environ.get(VARIABLE):
        return _checked(asked, VARIABLE)
    from rootless.store.paths import config_file

    if not os.path.exists(config_file()):
        return DEFAULT  # to load what reads it would take longer
    from rootless import settings

    try:
        return _checked(settings.dialect() or DEFAULT, f"{settings.path()}: dialect")
    except Exception:
        _ASKED[:] = [DEFAULT]  # in which it is told what is wrong with the file
        raise


def current() -> Docker:
    """Return the dialect. Raises what `name` raises."""
    if not _LOADED:
        if name() == "podman":
            from rootless.cli.dialects.podman import Podman

            _LOADED.append(Podman())
        else:
            from rootless.cli.dialects.docker import Docker

            _LOADED.append(Docker())
    return _LOADED[0]


def _checked(name: str, source: str) -> str:
    if name not in NAMES:
        from rootless.errors import UsageError

        _ASKED[:] = [DEFAULT]  # in which this is told
        raise UsageError(f"{source}: there is no dialect {name!r}", "docker or podman")
    return name
