"""start, attach, stop, restart, kill, rm, wait and healthcheck."""

from __future__ import annotations

from rootless.cli import exits
from rootless.cli.output import complain, each, say
from rootless.cli.teller import Teller
from rootless.errors import Conflict, Error, NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.engine import Engine


def start(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    attach: opt.Attach = False,
    detach_keys: opt.AttachKeys = "ctrl-p,ctrl-q",
    filter: common.Filter = None,  # noqa: A002 - the option's name
    interactive: opt.AttachInput = False,
    latest: opt.TheLatest = False,
    sig_proxy: opt.AttachSignals = True,
) -> int:
    """Start containers that were created, or have ended.

    With --filter restart-policy=POLICY, what a boot has to start: `unless-stopped` leaves out
    those that were stopped on purpose.

    Examples:
        rootless start web
        # see its output, and end as it ends
        rootless start -a job
        # after a boot; see also rootless boot
        rootless start --all --filter restart-policy=always
    """
    names = chosen(engine, containers, all=all or bool(filter), latest=latest, filters=filter)
    if not (attach or interactive):
        return each(names, lambda name: engine.containers.get(name).start())
    if len(names) > 1:
        raise UsageError("only one container can be attached to")
    from rootless.cli.ends import OwnEnds

    one = engine.containers.get(names[0])
    stdin = interactive and one.record["stdin"]
    ends = OwnEnds(stdin=stdin, tty=one.record["tty"], proxy=sig_proxy)
    return one.run(ends, detach_keys=detach_keys)


def attach(
    engine: Engine,
    container: opt.MaybeContainer = "",
    *,
    detach_keys: opt.AttachKeys = "ctrl-p,ctrl-q",
    latest: opt.TheLatest = False,
    no_stdin: opt.NoStdin = False,
    sig_proxy: opt.AttachSignals = True,
) -> int:
    """Attach to a running container.

    Its output is shown, what is typed goes to it, and the exit code is its own. In a terminal
    ctrl-p ctrl-q leaves it running. Several may attach to one container; who reads too slowly
    misses some of the output, but never holds it up.

    Examples:
        rootless attach web
        rootless attach --no-stdin --sig-proxy=false web
    """
    (name,) = chosen(engine, [container] if container else None, latest=latest)
    from rootless.cli.ends import OwnEnds

    one = engine.containers.get(name)
    stdin = not no_stdin and one.record["stdin"]
    ends = OwnEnds(stdin=stdin, tty=one.record["tty"], proxy=sig_proxy)
    return one.attach(ends, detach_keys=detach_keys)


def restart(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    filter: common.Filter = None,  # noqa: A002 - the option's name
    latest: opt.TheLatest = False,
    running: opt.Running = False,
    time: opt.Time = None,
) -> int:
    """Stop containers and start them again.

    One that does not run is started.

    Examples:
        rootless restart -t 2 web
        rootless restart --running
    """
    every = all or running or bool(filter)
    names = chosen(engine, containers, all=every, running=running, latest=latest, filters=filter)
    return each(names, lambda name: engine.containers.get(name).restart(time))


def stop(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    time: opt.Time = None,
    ignore: common.Ignore = False,
) -> int:
    """Stop containers.

    Their stop signal is sent first, and SIGKILL when the time is up.

    Examples:
        rootless stop web
        rootless stop -t 1 --all
    """
    names = chosen(engine, containers, all=all, running=True)
    if ignore:
        names = _existing(engine, names)
    return each(names, lambda name: engine.containers.get(name).stop(time))


def kill(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    signal: opt.Signal = "KILL",
) -> int:
    """Send a signal to the main process of containers.

    Examples:
        rootless kill -s HUP web
    """
    names = chosen(engine, containers, all=all, running=True)

    def end(name: str) -> None:
        one = engine.containers.get(name)
        if not one.kill(signal):
            raise Conflict(
                f"cannot kill container {one.name}: it is not running", "rootless ps lists those"
            )

    return each(names, end)


def rm(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    depend: opt.Depend = False,
    force: opt.Force = False,
    volumes: opt.Volumes = False,
    ignore: common.Ignore = False,
) -> int:
    """Remove containers.

    One whose network another container uses stays, unless that goes as well.

    Examples:
        rootless rm job
        # all of them, also running ones
        rootless rm -fa
    """
    names = chosen(engine, containers, all=all)
    missing = ignore or force  # cleaning up twice is no mistake

    def remove(name: str) -> None:
        engine.containers.remove(name, force=force, volumes=volumes, depend=depend)

    return _in_any_order(names, remove, missing=missing)


def _in_any_order(names: list[str], remove: Callable[[str], None], *, missing: bool) -> int:
    """Remove all that are named, each after those that use it; `missing` ones may be no failure."""
    from rootless.containers.users import InUse

    code, todo, last = exits.OK, names, len(names) == 1
    while todo:
        left = []
        for name in todo:
            try:
                remove(name)
            except Error as error:
                if isinstance(error, InUse) and not last:
                    left.append(name)  # perhaps its user is named behind it
                elif not (missing and isinstance(error, NotFound)):
                    complain(error)
                    code = exits.FAILED
            else:
                say(name)
        todo, last = left, len(left) == len(todo)
    return code


def wait(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    condition: opt.Condition = None,
    ignore: common.Ignore = False,
    latest: opt.TheLatest = False,
) -> int:
    """Wait until containers end, and print their exit codes.

    One that is started again by its restart policy has ended as well; `--condition exited` waits
    until it stays so. With conditions, until one of them is met; -1 stands for one that still runs
    then.

    Examples:
        rootless wait job
        rootless wait --condition healthy web
    """
    code = 0
    for name in chosen(engine, containers, latest=latest):
        try:
            say(str(engine.containers.get(name).wait(condition or ())))
        except NotFound as error:
            if ignore:
                say("-1")
            else:
                complain(error)
                code = exits.FAILED
        except Error as error:
            complain(error)
            code = exits.FAILED
    return code


def healthcheck_run(engine: Engine, container: common.Container) -> int:
    """Run the health check of a container now.

    Ends with 0 where it succeeds, with 1 where it fails. The result counts like any other.

    Examples:
        rootless healthcheck run web
    """
    return exits.OK if engine.containers.get(container).check_health() == 0 else exits.FAILED


def chosen(
    engine: Engine,
    given: list[str] | None,
    *,
    all: bool = False,  # noqa: A002 - the option's name
    running: bool = False,
    latest: bool = False,
    filters: list[str] | None = None,
) -> list[str]:
    """Return the containers that a command is about: those named, or all that fit."""
    if all or latest:
        if given:
            raise UsageError("names and --all, --latest or --filter contradict each other")
    elif not given:
        raise UsageError("which container?", "name one, or say --all")
    else:
        return given
    found = engine.containers.list()
    if latest:
        if not found:
            raise NotFound("there is no container yet")
        return [found[0].id]
    if filters:
        from rootless.containers.filters import Filters
        from rootless.containers.summary import listed

        fitting = Filters(filters, engine.containers, engine.images).keep(listed(found, Teller()))
        found = [one.container for one in fitting]
    return [one.id for one in found if not running or one.state().active]


def _existing(engine: Engine, names: list[str]) -> list[str]:
    found = []
    for name in names:
        try:
            engine.containers.get(name)
        except NotFound:
            continue
        found.append(name)
    return found
