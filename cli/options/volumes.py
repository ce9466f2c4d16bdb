"""Options about files and volumes: those of `run` and `create`, and of the group `volume`."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options.declare import argument, option

FILES = "Files and volumes"

Volume = Annotated[
    list[str],
    option(
        "--volume",
        "-v",
        metavar="SRC:DST[:OPTS]",
        panel=FILES,
        about="Show a directory or file of ours; OPTS: ro, rw, O, U, z, Z, rslave, ...",
    ),
]
Mount = Annotated[
    list[str],
    option(
        "--mount", metavar="type=TYPE,...", panel=FILES, about="bind, tmpfs and more, see docs."
    ),
]
VolumesFrom = Annotated[
    list[str],
    option(
        "--volumes-from",
        metavar="CONTAINER[:ro]",
        panel=FILES,
        about="All that another container has mounted.",
    ),
]
ImageVolume = Annotated[
    str,
    option(
        "--image-volume",
        metavar="WAY",
        panel=FILES,
        about="The image's volumes: anonymous, tmpfs, ignore. (anonymous)",
    ),
]
Tmpfs = Annotated[
    list[str],
    option("--tmpfs", metavar="DIR[:OPTS]", panel=FILES, about="An empty file system in memory."),
]
ReadOnly = Annotated[
    bool, option("--read-only", panel=FILES, about="Forbid writing to the root file system.")
]
ReadOnlyTmpfs = Annotated[
    bool,
    option(
        "--read-only-tmpfs",
        panel=FILES,
        about="With --read-only: /tmp, /run in memory. (as podman: true)",
    ),
]
Rootfs = Annotated[
    bool,
    option("--rootfs", panel=FILES, about="IMAGE is a directory; DIR:O keeps it untouched."),
]
ShmSize = Annotated[
    str, option("--shm-size", metavar="SIZE", panel=FILES, about="Size of /dev/shm. (64m)")
]

ChrootDirs = Annotated[
    list[str],
    option(
        "--chrootdirs",
        metavar="DIR,...",
        panel=FILES,
        about="Roots inside that get /etc/hosts, hostname, resolv.conf too.",
    ),
]


ShmSizeSystemd = Annotated[
    str,
    option(
        "--shm-size-systemd",
        metavar="SIZE",
        panel=FILES,
        about="Size of /run, /tmp, ... for systemd. (half of the memory)",
    ),
]


class FilesAsked(TypedDict, total=False):
    """Its files."""

    volume: Volume
    mount: Mount
    volumes_from: VolumesFrom
    image_volume: ImageVolume
    tmpfs: Tmpfs
    read_only: ReadOnly
    read_only_tmpfs: ReadOnlyTmpfs
    rootfs: Rootfs
    shm_size: ShmSize
    shm_size_systemd: ShmSizeSystemd
    chrootdirs: ChrootDirs


NewVolume = Annotated[str, argument("[NAME]", "Its name; without one it is anonymous.")]
VolumeName = Annotated[str, argument("VOLUME", "Name of a volume.")]
SomeVolumes = Annotated[list[str] | None, argument("[VOLUME]...", "Names of volumes.")]
VolumeDriver = Annotated[
    str, option("--driver", "-d", metavar="DRIVER", about="local, which is the only one.")
]
VolumeLabel = Annotated[
    list[str] | None,
    option("--label", "-l", metavar="KEY[=VALUE]", about="Write something on it."),
]
VolumeOpt = Annotated[
    list[str] | None,
    option("--opt", "-o", metavar="KEY=VALUE", about="type=, device= and o=, as for mount(8)."),
]
VolumeAgain = Annotated[bool, option("--ignore", about="Do not mind where there is one already.")]
VolumeQuiet = Annotated[bool, option("--quiet", "-q", about="Print names only.")]
EveryVolume = Annotated[bool, option("--all", "-a", about="All volumes.")]
VolumeForce = Annotated[
    bool, option("--force", "-f", about="Do not mind where there is none; see above.")
]
VolumeTime = Annotated[
    int | None,
    option(
        "--time",
        "-t",
        metavar="SECONDS",
        about="With --force: remove what uses it, which has so long to end.",
    ),
]
NewName = Annotated[str, argument("NAME", "A name that no volume has.")]
VolumePause = Annotated[
    bool, option("--pause", about="Let containers that have it stand still meanwhile.")
]
ImportFrom = Annotated[str, argument("[SOURCE]", "A file, a URL, or - for stdin. (-)")]
PruneNamed = Annotated[bool, option("--all", "-a", about="Also those with names.")]
