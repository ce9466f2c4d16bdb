"""volume export, import, mount, unmount, reload, rename and clone: what is in volumes."""

from __future__ import annotations

import sys

from rootless.cli import exits, output
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common
    from rootless.cli.options import volumes as opt
    from rootless.engine import Engine


def volume_export(
    engine: Engine,
    volume: opt.VolumeName,
    *,
    output: common.Output = "-",
    pause: opt.VolumePause = False,
) -> int:
    """Write what is in a volume as a tar archive.

    Owners, modes, links and attributes are in it. Where a container runs that has the volume, it
    must stand still meanwhile (--pause): the archive is of one moment.

    Examples:
        rootless volume export -o data.tar data
        rootless volume export data | zstd > data.tar.zst
    """
    from rootless.system.volumes.archives import export

    if output == "-" and sys.stdout.isatty():
        raise UsageError("refusing to write an archive to a terminal", "use -o FILE, or redirect")
    sys.stdout.flush()
    export(engine, volume, output, pause=pause)
    return exits.OK


def volume_import(engine: Engine, volume: opt.VolumeName, source: opt.ImportFrom = "-") -> int:
    """Put what is in a tar archive into a volume, over what is there.

    The volume changes when all of the archive was read and was good, and no container with it may
    run. The archive may be compressed.

    Examples:
        rootless volume import data data.tar.zst
        ssh other rootless volume export data | rootless volume import data -
    """
    from rootless.cli.teller import Teller
    from rootless.system.volumes.archives import import_

    with Teller() as teller:
        import_(engine, volume, source, teller)
    return exits.OK


def volume_clone(
    engine: Engine,
    volume: opt.VolumeName,
    name: opt.NewVolume = "",
    *,
    pause: opt.VolumePause = False,
) -> int:
    """Make another volume with the same in it.

    Where the file system can share what two files have in common, as btrfs and XFS do, that takes
    no room. A running container that has the volume must stand still meanwhile (--pause).

    Examples:
        rootless volume clone data data-before-upgrade
        rootless volume clone --pause data snapshot
    """
    from rootless.system.volumes.cloning import clone

    output.say(clone(engine, volume, name, pause=pause).name)
    return exits.OK


def volume_rename(engine: Engine, volume: opt.VolumeName, name: opt.NewName) -> int:
    """Give a volume another name.

    No container may have it, not even one that has ended: a container knows its volumes by name.

    Examples:
        rootless volume rename data old-data
    """
    from rootless.system.volumes.users import Users

    engine.volumes.rename(volume, name, Users(engine.paths).names)
    return exits.OK


def volume_mount(engine: Engine, volume: opt.VolumeName) -> int:
    """Print where the files of a volume are.

    They are there without being mounted. Those of other users of the container are for
    `rootless unshare` to see.

    Examples:
        rootless unshare sh -c 'du -sh "$(rootless volume mount data)"'
    """
    from rootless.system.volumes.still import place

    output.say(place(engine.volumes.get(volume)))
    return exits.OK


def volume_unmount(engine: Engine, volume: opt.VolumeName) -> int:
    """Nothing but print the name: volumes are not mounted outside of containers."""
    output.say(engine.volumes.get(volume).name)
    return exits.OK


def volume_reload(engine: Engine) -> int:
    """Nothing: there are no plugins that could have volumes unknown to us."""
    return exits.OK
