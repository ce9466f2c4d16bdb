"""exec."""

from __future__ import annotations

import os

from rootless.cli.commands.containers import choosing
from rootless.containers.running.ends import Ends
from rootless.errors import LaunchError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import containers as opt
    from rootless.containers.container import Container
    from rootless.containers.running.sessions import ExecRequest
    from rootless.containers.words.asked import Asked
    from rootless.engine import Engine


def execute(
    engine: Engine,
    container: opt.MaybeContainer = "",
    command: opt.ExecCommand = None,
    *,
    cidfile: opt.ExecCidFile = "",
    detach: opt.ExecDetach = False,
    interactive: opt.ExecInteractive = False,
    tty: opt.ExecTty = False,
    env: opt.ExecEnv = None,
    env_file: opt.ExecEnvFile = None,
    latest: opt.TheLatest = False,
    workdir: opt.ExecWorkdir = "",
    user: opt.ExecUser = "",
    privileged: opt.ExecPrivileged = False,
    detach_keys: opt.AttachKeys = None,
    preserve_fds: opt.PreserveFds = 0,
    preserve_fd: opt.PreserveFd = None,
) -> int:
    """Run a command in a running container.

    Options stand before CONTAINER. The exit code is the command's.

    Examples:
        rootless exec -it web sh
        rootless exec -u 1000:1000 -w /www web ls -l
    """
    if not (container or latest or cidfile):
        raise UsageError("which container, and which command in it?", "name both, or say --latest")
    name, words = choosing.shifted(engine, container, command, latest=latest, cidfile=cidfile)
    if not words:
        from rootless.cli.dialects import choice

        if not choice.current().counts_first:
            engine.containers.get(name)  # what is not there is told of before
        raise UsageError(f"which command in {name}?", "it stands behind the container")
    preserved = []
    if preserve_fds or preserve_fd:
        from rootless.cli.descriptors import inherited

        preserved = inherited(preserve_fds, preserve_fd or [])
    one = engine.containers.get(name)
    one.preserved = preserved
    request: ExecRequest = {
        "command": words,
        "environment": _changes(env or [], env_file or []),
        "user": user,
        "workdir": workdir,
        "tty": tty,
        "stdin": interactive and not detach,
        "privileged": privileged,
        "detach_keys": detach_keys or "",
    }
    if detach:
        return _start(one, request)
    if not tty:
        return one.execute(request, Ends(0, 1, 2))
    from rootless.cli.ends import OwnEnds, check_terminal

    if interactive:
        check_terminal("exec", attached=True)
    ends = OwnEnds(stdin=interactive, tty=True)
    request["detach_keys"] = ends.keys(detach_keys)
    return one.execute(request, ends)


def _start(container: Container, request: ExecRequest) -> int:
    """Start a command that nobody waits for."""
    try:
        return container.execute(request)
    except LaunchError as error:
        from rootless.cli.dialects import choice
        from rootless.cli.output import complain

        code = complain(error)
        return choice.current().detached or code


def _changes(env: list[str], env_file: list[str]) -> list[list[str | None]]:
    if not env and not env_file:
        return []
    from rootless.containers.words.environment import changes

    if env_file:
        from rootless.cli.dialects import choice

        files: Asked = choice.current().parted({"env_file": env_file})
        return changes({**files, "env": env}, os.environ, ".")
    return changes({"env": env}, os.environ, ".")
