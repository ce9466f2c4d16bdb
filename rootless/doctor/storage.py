"""The store: its file system, and how root file systems are put together on it."""

from __future__ import annotations

import ctypes
import os
import struct
import tempfile

from rootless.doctor import probe
from rootless.doctor.finding import BLOCKED, DEGRADED, OK, Finding
from rootless.errors import Error
from rootless.linux.libc import check, libc
from rootless.oci.layers import withheld
from rootless.runtime.tree import rootfs
from rootless.runtime.userns.identity import find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

_GIB = 1 << 30

TYPES = {
    # f_type of statfs(2) and linux/magic.h -> name
    0xEF53: "ext4",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0x2FC12FC1: "zfs",
    0xCA451A4E: "bcachefs",
    0xF2F52010: "f2fs",
    0x01021994: "tmpfs",
    0x858458F6: "ramfs",
    0x794C7630: "overlay",
    0x65735546: "fuse",
    0x6969: "nfs",
    0xFF534D42: "cifs",
    0xFE534D42: "smb",
    0x0BD00BD0: "lustre",
    0x47504653: "gpfs",
    0x19830326: "beegfs",
    0x00C36400: "ceph",
    0x5346414F: "afs",
    0x01021997: "9p",
    0x6A656A63: "virtiofs",
    0x61756673: "aufs",
    0xF15F: "ecryptfs",
    0x4D44: "vfat",
    0x73717368: "squashfs",
}

NETWORK = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p", "fuse")
"""Where the kernel refuses an overlay's upper layer, or files of other ids."""


def findings(paths: Paths) -> list[Finding]:
    """Return the findings about the store of `paths`."""
    store = store_directory(paths)
    overlay = overlay_mounts(paths, works=store.level != BLOCKED)
    return [
        store,
        extended_attributes(paths),
        space(paths),
        *opened(paths),
        overlay,
        fuse(needed=not overlay.ok),
    ]


def file_system(path: str) -> str:
    """Return the type of the file system that `path` is on, by its number where it has no name."""
    # struct statfs begins with f_type, a long; it holds a 32 bit number.
    buffer = ctypes.create_string_buffer(256)
    check(libc.statfs(ctypes.c_char_p(os.fsencode(path)), buffer), "statfs", path)
    number = struct.unpack_from("@l", buffer.raw)[0] & 0xFFFFFFFF
    return TYPES.get(number, f"type 0x{number:x}")


def _elsewhere() -> str:
    return f"export ROOTLESS_ROOT=/var/tmp/{os.getuid()}-rootless  (a local disk)"


def store_directory(paths: Paths) -> Finding:
    """Where the store is, on what, and whether it can be written and executed from."""
    place = probe.writable_ancestor(paths.root)
    kind = file_system(place)
    found = f"{paths.root} on {kind}" + ("" if place == paths.root else ", not made yet")
    failure = probe.attempt(lambda: tempfile.TemporaryFile(dir=place).close())
    below = os.path.relpath(paths.root, place).partition("/")[0]
    if place != paths.root and os.path.lexists(f"{place}/{below}"):
        failure = f"{place}/{below} is not a directory"
    if failure:
        remedy = "name another directory with --root or ROOTLESS_ROOT"
        return Finding("store", BLOCKED, f"{found}: {failure}", "nothing can be kept", remedy)
    flags = os.statvfs(place).f_flag
    if flags & os.ST_NOEXEC:
        return Finding(
            "store",
            BLOCKED,
            f"{found}, mounted noexec",
            "no program of an image can be executed",
            _elsewhere(),
        )
    if kind in NETWORK:
        effect = "layers are copied for each container, and unpacking is slow"
        return Finding("store", DEGRADED, found, effect, _elsewhere())
    if kind in ("tmpfs", "ramfs"):
        return Finding("store", OK, found, "it is memory, and gone after the next boot")
    if flags & os.ST_NOSUID:
        return Finding(
            "store", OK, f"{found}, mounted nosuid", "sudo, su and ping have no effect inside"
        )
    return Finding("store", OK, found)


def extended_attributes(paths: Paths) -> Finding:
    """user.* attributes: the kernel's overlay and fuse-overlayfs mark directories with them."""
    place = probe.writable_ancestor(paths.root)

    def write() -> None:
        with tempfile.NamedTemporaryFile(dir=place) as file:
            os.setxattr(file.fileno(), "user.rootless.probe", b"1")

    failure = probe.attempt(write)
    if not failure:
        return Finding("extended attributes", OK, "user.* can be written")
    effect = "no overlay on this store: layers are copied for each container"
    return Finding("extended attributes", DEGRADED, f"user.*: {failure}", effect, _elsewhere())


def space(paths: Paths) -> Finding:
    """Room for images."""
    place = probe.writable_ancestor(paths.root)
    status = os.statvfs(place)
    free = status.f_bavail * status.f_frsize
    found = f"{free / _GIB:.1f} GiB free"
    if status.f_files and status.f_favail < 20000:
        found += f", {status.f_favail} inodes"
    elif free >= _GIB:
        return Finding("space", OK, found)
    return Finding(
        "space", DEGRADED, found, "larger images will not fit", "rootless rm, rootless rmi"
    )


def opened(paths: Paths) -> list[Finding]:
    """What others may reach of a store that was opened to them; nothing of one that was not."""
    if not all(map(_is_open, (paths.root, paths.layers))):
        return []
    private = [path for path in (paths.containers, paths.volumes) if _is_open(path)]
    if private:
        names = " and ".join(os.path.basename(path) for path in private)
        return [
            Finding(
                "open store",
                DEGRADED,
                f"others may enter {names} in {paths.root}",
                "programs in there that are set-user-id run as you, whoever starts them",
                f"chmod 700 {' '.join(private)}",
            )
        ]
    try:
        found = probe.inside(paths, _programs, paths.layers)
    except (Error, OSError) as error:
        return [Finding("open store", DEGRADED, f"cannot be looked at: {error}", "see identity")]
    if not found:
        return [Finding("open store", OK, f"others may read {paths.layers}")]
    return [
        Finding(
            "open store",
            DEGRADED,
            f"{found} layers of an earlier release have set-user-id programs, or directories that "
            "all may write",
            "others run these as you, or put files into your containers",
            "rootless system check --repair",
        )
    ]


def _programs(layers: str) -> int:
    """In the user namespace: how many layers have programs where others reach them."""
    found = [f"{layers}/{name}" for name in os.listdir(layers) if not name.startswith(".")]
    old = [layer for layer in found if _is_open(layer) and not withheld.is_withheld(layer)]
    return sum(withheld.is_open(f"{layer}/fs") for layer in old)


def _is_open(path: str) -> bool:
    """Whether others may enter the directory `path`."""
    try:
        return bool(os.stat(path).st_mode & 0o011)
    except OSError:
        return False  # not made yet


def overlay_mounts(paths: Paths, *, works: bool = True) -> Finding:
    """The kernel's overlay with its upper layer on the store: mounted, written to, removed."""
    if not works:
        return Finding("overlay", DEGRADED, "not tried", "see store")
    place = probe.writable_ancestor(paths.containers)
    try:
        mounted = probe.inside(paths, rootfs.overlay_works, place)
    except (Error, OSError) as error:
        return Finding("overlay", DEGRADED, f"cannot be tried: {error}", "see identity")
    kind = file_system(place)
    if mounted:
        return Finding("overlay", OK, f"the kernel's, with its upper layer on {kind}")
    if rootfs.fuse_works():
        effect = "fuse-overlayfs is used, which is slower"
    else:
        effect = "layers are copied for each container"
    remedy = _elsewhere() if kind in (*NETWORK, "overlay", "ecryptfs", "vfat") else ""
    return Finding("overlay", DEGRADED, f"refused with its upper layer on {kind}", effect, remedy)


def fuse(*, needed: bool) -> Finding:
    """fuse-overlayfs and /dev/fuse: the second choice."""
    program = find_program("fuse-overlayfs")
    failure = probe.attempt(lambda: os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)))
    found = f"{program or 'fuse-overlayfs is not installed'}, /dev/fuse {failure or 'opens'}"
    if program and not failure:
        return Finding("fuse", OK, found)
    if not needed:
        return Finding("fuse", OK, found, "not needed: the kernel's overlay works")
    remedy = "sudo apt-get install fuse-overlayfs  (or: sudo dnf install fuse-overlayfs)"
    if failure:
        remedy = "sudo modprobe fuse && sudo chmod 0666 /dev/fuse"
    return Finding("fuse", DEGRADED, found, "layers are copied for each container", remedy)
