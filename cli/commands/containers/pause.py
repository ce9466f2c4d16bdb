"""pause, unpause, rename and top: what is done to containers that go on."""

from __future__ import annotations

from rootless.cli import output
from rootless.cli.commands.containers import choosing
from rootless.cli.dialects import choice
from rootless.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.engine import Engine


def pause(
    engine: Engine,
    containers: opt.SomeContainers = None,
    **which: Unpack[opt.Which],
) -> int:
    """Let all processes of containers stand still.

    By the freezer, where the container has a cgroup of its own; else by SIGSTOP, which its
    processes can notice.

    Examples:
        rootless pause web
    """
    names = choosing.some(engine, containers, which, running=True)
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
    **which: Unpack[opt.Which],
) -> int:
    """Let paused containers go on.

    Examples:
        rootless unpause --all
    """
    if which.get("all"):
        which["filter"] = [*(which.get("filter") or []), "status=paused"]
    names = choosing.some(engine, containers, which)

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
    if choice.current().same_name and engine.containers.get(container).name == name:
        return 0
    engine.containers.rename(container, name)
    return 0


def top(
    engine: Engine,
    container: opt.MaybeContainer = "",
    columns: opt.Descriptors = None,
    *,
    latest: opt.TheLatest = False,
) -> int:
    """Show the processes of a container.

    COLUMN is a descriptor of podman's (pid, ppid, hpid, user, huser, args, comm, etime, time, pcpu,
    tty, state, nice, vsz, rss, capeff, seccomp, ...), or options of ps(1).

    Examples:
        rootless top web
        rootless top web pid user args
        rootless top web -ef
    """
    from rootless.containers.running.top import top as rows

    name, words = choosing.shifted(engine, container, columns, latest=latest)
    dialect = choice.current()
    one = engine.containers.get(name)
    output.say_table(rows(one, words or dialect.processes(), inside=dialect.inner_ids))
    return 0
