"""Options of `run` and `create`: files and volumes."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options.declare import option

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
