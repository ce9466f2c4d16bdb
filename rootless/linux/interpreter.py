"""A fresh interpreter that calls a door: a function of rootless.doors, with plain data.

It takes the program from the files that are installed at this moment. They may be of another
release than what this process has in memory: whoever stays for long asks `is_replaced` before it
loads more of them, and lets a fresh interpreter go on in its place.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Plain: TypeAlias = "str | int"

PACKAGES = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
"""The directory that holds the package."""

BARE = ("-I", "-S")
"""Python with nothing but its own library, which is there soonest."""

ISOLATED = ("-I",)
"""With what is installed beside it, too."""

OURS = ("-E", "-P") if sys.flags.ignore_environment else ("-P",)
"""With all that this process may have, by its environment as well, where it looks at that."""

_CODE = """{before}import sys
sys.path.insert(0, {packages!a})
try:
    from rootless import doors
    doors.{door}(*{data!a})
except (ImportError, SyntaxError):
    import os, time
    if time.monotonic() > {until!r}:
        raise
    time.sleep(0.2)
    os.execv(sys.executable, sys.orig_argv)
"""
"""While an installer works, files are missing or of two releases: then it is tried again.

So a door imports what it needs before it does anything that cannot be done twice.
"""

_PATIENCE = 30.0
"""Seconds until a missing module is an error; for a process that goes on in this way it is none."""

_FOREVER = 1e18


def _stamp() -> tuple[int, int]:
    """Return what tells the installed files from others; (0, 0) while there are none.

    An installer makes new files, and whoever changes one in place changes its times.
    """
    try:
        found = os.stat(f"{PACKAGES}/rootless/doors.py")
    except OSError:
        return 0, 0
    return found.st_ino, found.st_ctime_ns


_LOADED = _stamp()


def is_replaced() -> bool:
    """Whether the installed files are others than those that this process was loaded from."""
    return _stamp() != _LOADED


def execute(door: str, *data: Plain, site: tuple[str, ...], shown: str) -> None:
    """Let a fresh interpreter go on in this process: call `door` with `data`.

    `shown` is what ps shows as last argument. Only returns by raising OSError (no memory).
    """
    os.execv(sys.executable, _command(door, data, site, shown, _FOREVER))  # noqa: S606


def spawn(
    door: str, *data: Plain, site: tuple[str, ...], output: int = -1, leads: bool = False
) -> int:
    """Start a fresh interpreter that calls `door` with `data` and ends; return its pid.

    Its output goes to the descriptor `output`, by default nowhere; `leads` is whether it leads a
    session of its own and outlives ours. Raises OSError. It is no fork: this process may have
    threads.
    """
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]]
    if output >= 0:
        actions = [(os.POSIX_SPAWN_DUP2, output, fd) for fd in (1, 2)]
    else:
        actions = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    command = _command(door, data, site, door, time.monotonic() + _PATIENCE)
    return os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setsid=leads)


def _command(
    door: str, data: tuple[Plain, ...], site: tuple[str, ...], shown: str, until: float
) -> list[str]:
    # Who has raised the limit of files has that module; and nothing can be loaded here where files
    # are missing.
    files = sys.modules.get("rootless.linux.files")
    before = files.program() if files is not None else ""
    code = _CODE.format(before=before, packages=PACKAGES, door=door, data=data, until=until)
    # Names are UTF-8 in records, whatever the locale says (as in cli.main).
    return [sys.executable, "-X", "utf8", *site, "-c", code, shown]
