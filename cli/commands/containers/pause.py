"""pause, unpause, rename and top: what is done to containers that go on."""

from __future__ import annotations

from rootless.cli import output
from rootless.cli.commands.containers.lifecycle import chosen
from rootless.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.engine import Engine


def pause(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    filter: common.Filter = None,  # noqa: A002 - the option's name
    latest: opt.TheLatest = False,
) -> int:
    """Let all processes of containers stand still.

    By the freezer, where the container has a cgroup of its own; else by SIGSTOP, which its
    processes can notice.

    Examples:
        rootless pause web
    """
    every = all or bool(filter)
    names = chosen(engine, containers, all=every, running=True, latest=latest, filters=filter)
    ways = set()

    def stop(name: str) -> None:
        one = engine.containers.get(name)
        way = one.pause()
        if not way:
            raise Conflict(f"cannot pause container {one.name}: it is already paused")
        ways.add(way)

    code = output.each(names, stop)
    if "signal" in ways:
        output.say("paused by SIGSTOP: there is no cgroup to freeze", to_stderr=True)
    return code


def unpause(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    filter: common.Filter = None,  # noqa: A002 - the option's name
    latest: opt.TheLatest = False,
) -> int:
    """Let paused containers go on.

    Examples:
        rootless unpause --all
    """
    if all:
        filter = [*(filter or []), "status=paused"]  # noqa: A001 - the option's name
    names = chosen(engine, containers, all=all or bool(filter), latest=latest, filters=filter)

    def let_go(name: str) -> None:
        one = engine.containers.get(name)
        if not one.unpause():
            raise Conflict(f"cannot unpause container {one.name}: it is not paused")

    return output.each(names, let_go)


def rename(engine: Engine, container: common.Container, name: opt.ContainerName) -> int:
    """Give a container another name.

    Examples:
        rootless rename web old-web
    """
    engine.containers.rename(container, name)
    return 0


def top(engine: Engine, container: common.Container, columns: opt.Descriptors = None) -> int:
    """Show the processes of a container.

    COLUMN is a descriptor of podman's (pid, ppid, hpid, user, huser, args, comm, etime, time, pcpu,
    tty, state, nice, vsz, rss, capeff, seccomp, ...), or options of ps(1).

    Examples:
        rootless top web
        rootless top web pid user args
        rootless top web -ef
    """
    from rootless.containers.running.top import top as rows

    output.say_table(rows(engine.containers.get(container), columns or []))
    return 0
