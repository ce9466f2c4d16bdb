"""volume create, rm and exists."""

from __future__ import annotations

from rootless.cli import exits, output
from rootless.cli.dialects import choice
from rootless.errors import Conflict, Error, NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import volumes as opt
    from rootless.engine import Engine


def volume_create(
    engine: Engine,
    name: opt.NewVolume = "",
    *,
    driver: opt.VolumeDriver = "local",
    ignore: opt.VolumeAgain = False,
    label: opt.VolumeLabel = None,
    opt: opt.VolumeOpt = None,  # noqa: A002, RUF100 - the option's name
) -> int:
    """Make a volume: a directory that outlives containers.

    With --opt it shows a directory of this machine, or is memory. Volumes that `run -v NAME:/PATH`
    names need not be made before.

    Examples:
        rootless volume create data
        rootless volume create --opt type=none --opt o=bind --opt device=/srv/data data
        rootless volume create --opt type=tmpfs --opt device=tmpfs --opt o=size=64m scratch
    """
    from rootless.volumes.options import check_driver

    check_driver(driver, name)
    labels, options = pairs(label, ""), pairs(opt, "opt")
    try:
        made = engine.volumes.create(name, labels=labels, options=options)
    except Conflict:
        if not (ignore or choice.current().same_volume):
            raise
        output.say(name)
    else:
        output.say(made.name)
    return exits.OK


def pairs(texts: list[str] | None, strict: str) -> dict[str, str]:
    """Return KEY=VALUE as a dictionary; `strict` is the option whose values may not be missing."""
    found = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not key or (strict and not equals):
            raise UsageError(f"--{strict or 'label'}: {text!r} is no pair", "KEY=VALUE")
        found[key] = value
    return found


def volume_exists(engine: Engine, volume: opt.VolumeName) -> int:
    """End with 0 if there is such a volume, else with 1."""
    return exits.OK if engine.volumes.exists(volume) else exits.FAILED


def volume_rm(
    engine: Engine,
    volumes: opt.SomeVolumes = None,
    *,
    all: opt.EveryVolume = False,  # noqa: A002 - the option's name
    force: opt.VolumeForce = False,
    time: opt.VolumeTime = None,
) -> int:
    """Remove volumes, with all that is in them.

    One that a container has stays, whether that runs or not. With --force and --time containers go
    first, as podman has it with --force alone; docker's --force leaves them alone.

    Examples:
        rootless volume rm data
        rootless volume rm --force --time 10 data
    """
    from rootless.system.volumes.users import Users, remove

    if bool(volumes) == all:
        raise UsageError("which volume?", "name some, or say --all")
    if time is not None and not force:
        raise UsageError("--time goes with --force only", "what uses a volume keeps it")
    removes = force and (time is not None or choice.current().volume_users_go)
    users = Users(engine.paths)
    code = exits.OK
    for name in engine.volumes.names() if all else volumes or ():
        try:
            remove(engine, name, users, force=removes, timeout=time)
        except NotFound as error:
            if not force:
                code = output.complain(error)
                continue
            if not choice.current().tells_of_none:
                continue
        except Error as error:
            code = output.complain(error)
            continue
        output.say(name)
    return code
