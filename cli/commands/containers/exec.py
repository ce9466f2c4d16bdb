"""exec."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.engine import Engine


def execute(
    engine: Engine,
    container: common.Container,
    command: opt.ExecCommand,
    *,
    detach: opt.ExecDetach = False,
    interactive: opt.ExecInteractive = False,
    tty: opt.ExecTty = False,
    env: opt.ExecEnv = None,
    env_file: opt.ExecEnvFile = None,
    workdir: opt.ExecWorkdir = "",
    user: opt.ExecUser = "",
    privileged: opt.ExecPrivileged = False,
    detach_keys: opt.AttachKeys = "ctrl-p,ctrl-q",
) -> int:
    """Run a command in a running container.

    Options stand before CONTAINER. The exit code is the command's.

    Examples:
        rootless exec -it web sh
        rootless exec -u 1000:1000 -w /www web ls -l
    """
    return engine.containers.get(container).execute(
        command,
        interactive=interactive,
        tty=tty,
        detach=detach,
        env=env or [],
        env_file=env_file or [],
        workdir=workdir,
        user=user,
        privileged=privileged,
        detach_keys=detach_keys,
    )
