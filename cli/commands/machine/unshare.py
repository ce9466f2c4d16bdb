"""unshare: a command in the user namespace of the containers."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as opt
    from rootless.engine import Engine


def unshare(
    engine: Engine, command: opt.HostCommand = None, *, rootless_netns: opt.SharedNetwork = False
) -> int:
    """Run a command in the containers' user namespace.

    It is a command of this machine, and root there.

    There the files of containers' users can be read, changed and removed.

    Examples:
        rootless unshare cat /proc/self/uid_map
        rootless unshare rm -r ./data
    """
    from rootless.errors import CommandNotExecutable, CommandNotFound, UsageError
    from rootless.runtime.userns import namespace

    if rootless_netns:
        raise UsageError(
            "--rootless-netns: there is no network that containers share, each has its own",
            "`run --network container:NAME` enters that of a container",
        )
    words = command or [os.environ.get("SHELL") or "/bin/sh"]
    engine.paths.prepare()
    namespace.enter(engine.paths)
    try:
        os.execvp(words[0], words)  # noqa: S606 - what the user asked for
    except FileNotFoundError as error:
        raise CommandNotFound(f"cannot run {words[0]}: {error.strerror}") from error
    except OSError as error:
        raise CommandNotExecutable(f"cannot run {words[0]}: {error.strerror}") from error
