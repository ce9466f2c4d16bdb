"""start, attach, stop, restart, kill, rm, wait and healthcheck."""

from __future__ import annotations

from rootless.cli import exits
from rootless.cli.commands.containers import choosing
from rootless.cli.dialects import choice
from rootless.cli.output import complain, each, say
from rootless.errors import Conflict, Error, NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.containers.container import Container
    from rootless.containers.handle import Handle
    from rootless.engine import Engine


def start(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    attach: opt.Attach = False,
    detach_keys: opt.AttachKeys = None,
    interactive: opt.AttachInput = False,
    sig_proxy: opt.AttachSignals = True,
    **which: Unpack[opt.WhichToStart],
) -> int:
    """Start containers that were created, or have ended.

    --filter takes what `ps` takes, and chooses among those named, or among all. Of
    restart-policy=POLICY it is what a boot has to start: `unless-stopped` leaves out those that
    were stopped on purpose.

    Examples:
        rootless start web
        # see its output, and end as it ends
        rootless start -a job
        # after a boot; see also rootless boot
        rootless start --all --filter restart-policy=always
    """
    names = choosing.some(engine, containers, which)
    if not (attach or interactive):
        return each(names, lambda name: engine.containers.get(name).start())
    if len(names) != 1:
        raise UsageError(f"only one container can be attached to, not {', '.join(names) or 'none'}")
    from rootless.cli.ends import OwnEnds

    one = engine.containers.get(names[0])
    stdin = interactive and one.record["stdin"]
    ends = OwnEnds(stdin=stdin, tty=one.record["tty"], proxy=sig_proxy)
    return one.run(ends, detach_keys=ends.keys(detach_keys))


def attach(
    engine: Engine,
    container: opt.MaybeContainer = "",
    *,
    detach_keys: opt.AttachKeys = None,
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
    from rootless.cli.ends import OwnEnds, check_terminal

    one = engine.containers.get(choosing.one(engine, container, latest=latest))
    if one.record["tty"] and not no_stdin:
        check_terminal("attach", attached=True)
    stdin = not no_stdin and one.record["stdin"]
    ends = OwnEnds(stdin=stdin, tty=one.record["tty"], proxy=sig_proxy)
    return one.attach(ends, detach_keys=ends.keys(detach_keys))


def restart(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    running: opt.Running = False,
    signal: opt.FirstSignal = "",
    time: opt.Time = None,
    **which: Unpack[opt.Which],
) -> int:
    """Stop containers and start them again.

    One that does not run is started.

    Examples:
        rootless restart -t 2 web
        rootless restart --running
    """
    if running and not containers:
        which["all"] = True
    names = choosing.some(engine, containers, which, running=running)
    return each(names, lambda name: engine.containers.get(name).restart(time, signal or None))


def stop(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    ignore: common.Ignore = False,
    signal: opt.FirstSignal = "",
    time: opt.Time = None,
    **which: Unpack[opt.Which],
) -> int:
    """Stop containers.

    Their stop signal is sent first, and SIGKILL when the time is up. --filter takes what `ps`
    takes, and chooses among those named, or among all that run.

    Examples:
        rootless stop web
        rootless stop -t 1 --all
    """
    names = choosing.some(engine, containers, which, running=True, ignore=ignore)
    if ignore:
        names = _existing(engine, names)
    from rootless.containers.running.stopping import stop_all

    dialect = choice.current()
    found = [_found(engine, name) for name in names]
    killed: list[Handle] = []
    ends = zip(found, stop_all(found, time, signal or None, killed.append), strict=True)

    def end(name: str) -> None:
        one, ended = next(ends)
        if isinstance(one, Error):
            raise one
        if isinstance(ended, Error):
            raise ended
        if one in killed and (told := dialect.stopped(name, one, time)):
            say(told, to_stderr=True)

    return each(names, end)


def kill(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    signal: opt.Signal = "KILL",
    **which: Unpack[opt.Which],
) -> int:
    """Send a signal to the main process of containers.

    With SIGKILL, which is the default, it waits until they have ended, for up to ten seconds.

    Examples:
        rootless kill -s HUP web
    """
    names = choosing.some(engine, containers, which, running=True)

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
    depend: opt.Depend = False,
    force: opt.Force = False,
    volumes: opt.Volumes = False,
    ignore: common.Ignore = False,
    time: opt.RmTime = None,
    **which: Unpack[opt.WhichToRemove],
) -> int:
    """Remove containers.

    One whose network another container uses stays, unless that goes as well.

    Examples:
        rootless rm job
        # all of them, also running ones
        rootless rm -fa
    """
    if time is not None and not force:
        raise UsageError("--time goes with --force only", "what runs is not removed without it")
    missing = ignore or force  # cleaning up twice is no mistake
    names = choosing.some(engine, containers, which, ignore=missing)

    if force and time is None and not choice.current().stops_first:
        time = 0
    stopped: dict[str, str] = {}
    if force and time != 0 and len(names) > 1:
        stopped = _stop_going(engine, names, time)

    def remove(name: str) -> list[str]:
        try:
            gone = engine.containers.remove(
                name, force=force, volumes=volumes, depend=depend, timeout=time
            )
        except NotFound:
            if name not in stopped:
                raise
            gone = [stopped[name]]  # it was --rm, and its end has removed it
        return gone if depend else [name]

    return _in_any_order(names, remove, missing=missing)


def _stop_going(engine: Engine, names: list[str], time: int | None) -> dict[str, str]:
    """Stop at once those that are to be removed; return the ids of those that are there."""
    from rootless.containers.running.stopping import stop_going

    found = {name: one for name in names if not isinstance(one := _found(engine, name), Error)}
    stop_going(found.values(), time)
    return {name: one.id for name, one in found.items()}


def _found(engine: Engine, name: str) -> Container | Error:
    """Return a container, or why there is none."""
    try:
        return engine.containers.get(name)
    except Error as error:
        return error


def _in_any_order(names: list[str], remove: Callable[[str], list[str]], *, missing: bool) -> int:
    """Remove all that are named, each after those that use it; `missing` ones may be no failure.

    `remove` returns what is said of it.
    """
    from rootless.containers.users import InUse

    code, todo, last = exits.OK, names, len(names) == 1
    while todo:
        left = []
        for name in todo:
            try:
                gone = remove(name)
            except Error as error:
                if isinstance(error, InUse) and not last:
                    left.append(name)  # perhaps its user is named behind it
                elif not (missing and isinstance(error, NotFound)):
                    code = complain(error)
            else:
                for one in gone:
                    say(one)
        todo, last = left, len(left) == len(todo)
    return code


def wait(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    condition: opt.Condition = None,
    ignore: opt.WaitIgnore = False,
    interval: opt.Interval = "",
    return_on_first: opt.ReturnOnFirst = False,
    **which: Unpack[opt.Named],
) -> int:
    """Wait until containers end, and print their exit codes.

    One that is started again by its restart policy has ended as well; `--condition exited` waits
    until it stays so. With conditions, until one of them is met; -1 stands for one that still runs
    then.

    Examples:
        rootless wait job
        rootless wait --condition healthy web
        # the first of two to end
        rootless wait --return-on-first job1 job2
    """
    if interval:
        _check_interval(interval)
    names = choosing.named(engine, containers, which, ignore=ignore)
    if return_on_first:
        from rootless.containers.running.waiting import wait_for_one

        if ignore:
            names = _existing(engine, names)
        say(str(wait_for_one([engine.containers.get(name) for name in names], condition or ())))
        return exits.OK
    code = 0
    for name in names:
        try:
            say(str(engine.containers.get(name).wait(condition or ())))
        except NotFound as error:
            if ignore:
                say("-1")
            else:
                code = complain(error)
        except Error as error:
            code = complain(error)
    return code


def _check_interval(text: str) -> None:
    """Raise UsageError for what is neither a span of time nor, as for podman, milliseconds."""
    from rootless import times

    if times.span(text) is None and not text.isdecimal():
        raise UsageError(f"--interval {text!r} is no time", "for example 250ms or 2s")


def healthcheck_run(engine: Engine, container: common.Container) -> int:
    """Run the health check of a container now.

    Ends with 0 where it succeeds, with 1 where it fails. The result counts like any other.

    Examples:
        rootless healthcheck run web
    """
    return exits.OK if engine.containers.get(container).check_health() == 0 else exits.FAILED


def _existing(engine: Engine, names: list[str]) -> list[str]:
    found = []
    for name in names:
        try:
            engine.containers.get(name)
        except NotFound:
            continue
        found.append(name)
    return found
