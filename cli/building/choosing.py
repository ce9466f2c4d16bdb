"""Which form a build is told in: what the command line, the environment and the dialect say."""

from __future__ import annotations

import os

from rootless.cli.building.lines import Lines
from rootless.cli.dialects import choice

MODES = ("auto", "plain", "tty", "quiet", "rawjson")


def watcher(progress: str, *, quiet: bool, logfile: str = "") -> Lines:
    """Return the watcher of a build. Raises UsageError."""
    from rootless.cli.building import output
    from rootless.errors import UsageError, named

    mode = progress or os.environ.get("BUILDKIT_PROGRESS", "") or "auto"
    if mode not in MODES:
        where = named("progress") if progress else "BUILDKIT_PROGRESS"
        raise UsageError(f"{where} is {mode!r}", f"one of {', '.join(MODES)}")
    if (quiet and not logfile) or mode == "quiet":
        return Lines()
    streams = output.Log(logfile) if logfile else output.Streams()
    if mode == "rawjson":
        from rootless.cli.building.raw import Raw

        return Raw(streams)
    if mode == "auto" and choice.current().numbered_steps:
        from rootless.cli.building.steps import Steps

        return Steps(streams)
    if not logfile and (mode == "tty" or (mode == "auto" and output.is_terminal())):
        from rootless.cli.building.live import Picture

        return Picture()
    from rootless.cli.building.plain import Plain

    return Plain(streams)


def log(path: str, platform: str | None) -> str:
    """Return the file of --logfile; that of a `platform`, "" for this machine's, with --logsplit.

    Raises UsageError.
    """
    from rootless.errors import UsageError, named
    from rootless.oci import platform as platforms

    if platform is None:
        return path
    if not path:
        raise UsageError(f"{named('logsplit')} needs a {named('logfile')} to split")
    wanted = platforms.parse(platform) if platform else platforms.host()
    return "_".join(filter(None, (path, wanted.os, wanted.architecture, wanted.variant)))
