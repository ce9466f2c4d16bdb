"""Where the container's root comes from: steps that mount it, and the choice between them.

    overlay         the kernel's own, with `userxattr` (Linux 5.11)
    fuse-overlayfs  the same by a helper program, where the kernel's is refused
    copy            the merged layers, copied: always works

The choice is tried out once for each store and remembered with the kernel's release.
"""

from __future__ import annotations

import errno
import os
import stat

from rootless.errors import HostError
from rootless.linux import mount as m
from rootless.runtime.tree.binding import bind
from rootless.runtime.tree.mount_options import Options
from rootless.runtime.tree.tree import holds_files
from rootless.runtime.userns.identity import find_program
from rootless.store.paths import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.tree.tree import Tree
    from rootless.store.paths import Paths

SECOND = "withheld/fs"
"""Where the second tree of a layer is, beside its `fs`: see oci.layers.withheld."""

DRIVERS = ("overlay", "fuse-overlayfs", "copy")

_MAX_DATA = 4000
"""mount(2) takes one page of options; longer lists go by descriptor names."""


def choose_driver(paths: Paths) -> str:
    """Return the driver for this store: ROOTLESS_DRIVER, else the remembered, else tried, one."""
    asked = os.environ.get("ROOTLESS_DRIVER", "")
    if asked:
        if asked not in DRIVERS:
            raise HostError(f"ROOTLESS_DRIVER={asked} is none of {', '.join(DRIVERS)}")
        return asked
    note = f"{paths.root}/driver"
    driver = remembered(note, DRIVERS)
    if not driver:
        driver = _try_out(paths)
        remember(note, driver)
    return driver


def remembered(note: str, answers: tuple[str, ...]) -> str:
    """Return the answer found out on this kernel, of which the file `note` tells; "" if none is."""
    try:
        with open(note, encoding="utf-8") as file:
            answer, _, tried_with = file.read().strip().partition(" ")
    except OSError:
        return ""
    return answer if answer in answers and tried_with == os.uname().release else ""


def remember(note: str, answer: str) -> None:
    """Write what was found out on this kernel for `remembered`. Raises OSError."""
    temporary = f"{note}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(f"{answer} {os.uname().release}\n")
    os.rename(temporary, note)


def _try_out(paths: Paths) -> str:
    from rootless.runtime.userns.worker import call

    if call(paths, overlay_works, paths.containers):
        return "overlay"
    if fuse_works():
        return "fuse-overlayfs"
    return "copy"


def overlay_works(directory: str) -> bool:
    """In the user namespace: whether an overlay with its upper layer in `directory` can be had.

    It must also take a whiteout, which needs more of the upper file system than the mount does.
    """
    from rootless.oci.remove import remove_tree

    base = f"{directory}/.try-{os.getpid()}"
    names = ("", "/lower", "/upper", "/work", "/root")
    try:
        for name in names:
            os.mkdir(base + name, 0o700)
        os.close(os.open(f"{base}/lower/file", os.O_CREAT | os.O_WRONLY, 0o600))
        data = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work,userxattr"
        m.mount("overlay", f"{base}/root", "overlay", 0, data)
        try:
            os.unlink(f"{base}/root/file")
            os.mkdir(f"{base}/root/file")  # writes user.overlay.opaque
        finally:
            m.umount2(f"{base}/root", m.MNT_DETACH)
        return stat.S_ISDIR(os.lstat(f"{base}/upper/file").st_mode)
    except OSError:
        return False
    finally:
        remove_tree(base)


def fuse_works() -> bool:
    """Whether fuse-overlayfs is installed and /dev/fuse may be opened."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return bool(find_program("fuse-overlayfs"))


def layered(
    paths: Paths, directory: str, lowers: list[str], *, volatile: bool
) -> OverlayRoot | FuseRoot | DirectoryRoot:
    """Return the root made of `lowers`, topmost first, with the changes kept in `directory`.

    `directory` holds the subdirectories rootfs, upper and work.
    """
    upper, work, merged = (f"{directory}/{name}" for name in ("upper", "work", "rootfs"))
    # Who was copied once has his changes in the copy, whatever the driver is now.
    driver = "copy" if holds_files(merged) else choose_driver(paths)
    changed = holds_files(upper)
    check_finds_data(driver, lowers)
    if driver == "copy":
        from rootless.runtime.tree.copying import merge_once

        merge_once(paths, [upper, *lowers] if changed else lowers, merged, durable=not volatile)
        return DirectoryRoot(merged)
    if not changed:
        # The root's own mode is the upper directory's: it must be the image's.
        try:
            os.chmod(upper, stat.S_IMODE(os.stat(lowers[0]).st_mode))
        except PermissionError:
            pass  # an earlier start has done it, and then `begin_with_owner`
    if driver == "overlay":
        return OverlayRoot(lowers, upper, work, volatile=volatile)
    return FuseRoot(lowers, upper, work)


def stacked(layers: list[str]) -> list[str]:
    """Return the trees of unpacked layers, topmost first, each with its second above it.

    The second has what others must not reach (oci.layers.withheld). It is looked for at each use
    and noted nowhere: a repair may add it to a layer on which containers were made.
    """
    found = []
    for layer in layers:
        second = f"{os.path.dirname(layer)}/{SECOND}"
        if os.path.isdir(second):
            found.append(second)
        found.append(layer)
    return found


def begin_with_owner(root: object) -> None:
    """In the user namespace: give the upper directory, while it is empty, the owner of the image's.

    Where the layers have other owners than the engine, so has the root (see runtime.userns.shift).
    """
    if isinstance(root, (OverlayRoot, FuseRoot)) and not holds_files(root.upper):
        status = os.stat(root.lowers[0])
        os.chown(root.upper, status.st_uid, status.st_gid)


def check_finds_data(driver: str, lowers: list[str]) -> None:
    """Raises HostError where `driver` does not find the content of the layers' files."""
    if driver != "overlay" and (behind := data_layers(lowers)):
        raise HostError(
            f"the image's files are in the shared store {os.path.dirname(behind[0])}, "
            f"where {driver} does not find them",
            "use the driver overlay, or pull the image into your own store",
        )


def data_layers(lowers: list[str]) -> list[str]:
    """Return the directories in which files of the layers have their content (layers.datalayer)."""
    found: dict[str, None] = {}
    for lower in lowers:
        link = f"{os.path.dirname(lower)}/data"
        try:
            found[os.readlink(link)] = None
            for number in range(1, 500):  # as many layers as overlay takes
                found[os.readlink(f"{link}.{number}")] = None
        except OSError:
            pass  # no more of them; nearly all layers have their content themselves
    # The kernel takes the first that has a path: what is ours goes before a stranger's.
    return sorted(found, key=lambda link: not is_ours(link)) if len(found) > 1 else list(found)


class OverlayRoot:
    """Layers, topmost first, below a writable directory, merged by the kernel."""

    def __init__(self, lowers: list[str], upper: str, work: str, *, volatile: bool) -> None:
        self.lowers = lowers
        self.upper = upper
        self.work = work
        self.volatile = volatile

    def describe(self) -> str:
        """See Operation."""
        return f"mount an overlay of {len(self.lowers)} layers"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        target = _mount_point(self.upper)
        # volatile (5.10): unmounting does not sync the whole file system that the upper layer is
        # on. Its mark forbids a second mount; who mounts again has decided that the files count.
        extra = ",volatile" if self.volatile else ""
        _remove_volatile_mark(self.work)
        data = f"upperdir={escaped(self.upper)},workdir={escaped(self.work)},userxattr"
        try:
            mount_overlay(self.lowers, target, data + extra)
        except OSError as error:
            if error.errno != errno.EINVAL or not self.volatile:
                raise
            mount_overlay(self.lowers, target, data)
        tree.enter(target)


def mount_overlay(lowers: list[str], target: str, data: str, flags: int = 0) -> None:
    """Mount `lowers`, topmost first, merged, with the further options `data`. Raises OSError."""
    paths = [*lowers, *data_layers(lowers)]
    below = _lowerdir([escaped(path) for path in paths], len(lowers))
    held: list[int] = []
    if len(below) + len(data) > _MAX_DATA:
        held = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in paths]
        below = _lowerdir([str(fd) for fd in held], len(lowers))
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if held:
            os.chdir("/proc/self/fd")
        m.mount("overlay", target, "overlay", flags, f"lowerdir={below},{data}")
    finally:
        os.fchdir(before)
        os.close(before)
        for fd in held:
            os.close(fd)


def _lowerdir(names: list[str], count: int) -> str:
    """The value of overlay's option `lowerdir`: behind `count` layers come data-only ones."""
    return "::".join([":".join(names[:count]), *names[count:]])


def _mount_point(upper: str) -> str:
    """The directory beside the writable layer on which the root is mounted in our namespace."""
    return f"{os.path.dirname(upper)}/rootfs"


def escaped(path: str) -> str:
    """Protect the characters that separate overlay's options."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _remove_volatile_mark(work: str) -> None:
    try:
        os.rmdir(f"{work}/work/incompat/volatile")
        os.rmdir(f"{work}/work/incompat")
    except OSError:
        pass  # there is none


class FuseRoot:
    """The same by fuse-overlayfs.

    The helper serves the mount, so it must live outside the container: it is started by the
    launcher, in a mount namespace from which the container's is then copied.
    """

    def __init__(self, lowers: list[str], upper: str, work: str) -> None:
        self.lowers = lowers
        self.upper = upper
        self.work = work

    def describe(self) -> str:
        """See Operation."""
        return f"mount {len(self.lowers)} layers with fuse-overlayfs"

    def start(self) -> None:
        """Mount, and leave the helper running. Raises OSError where it fails."""
        mount_fuse(self.lowers, self.upper, self.work, _mount_point(self.upper))

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        tree.enter(_mount_point(self.upper))


def mount_fuse(lowers: list[str], upper: str, work: str, target: str) -> None:
    """Mount by fuse-overlayfs, which stays behind as a child of our subreaper.

    Without `upper` it is read-only. Raises OSError where the program is not installed, HostError
    with its own words where it fails.
    """
    program = find_program("fuse-overlayfs")
    if not program:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), "fuse-overlayfs")
    below = ":".join(escaped(path) for path in lowers)
    data = f"lowerdir={below}"
    data += f",upperdir={escaped(upper)},workdir={escaped(work)}" if upper else ",ro"
    words, theirs = os.pipe()
    # It goes to the background by itself, closing its standard error, when the mount is there.
    pid = os.posix_spawn(
        program,
        ["fuse-overlayfs", "-o", data, target],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 2)],
    )
    os.close(theirs)
    said = b""
    while chunk := os.read(words, 4096):
        said += chunk
    os.close(words)
    if os.waitpid(pid, 0)[1] != 0:
        reason = said.decode(errors="replace").strip().rpartition("\n")[2] or "no reason given"
        raise HostError(f"cannot mount with fuse-overlayfs: {reason}", "try ROOTLESS_DRIVER=copy")


class DirectoryRoot:
    """A directory of the host as it is."""

    def __init__(self, path: str) -> None:
        self.path = path

    def describe(self) -> str:
        """See Operation."""
        return f"use the directory {self.path} as root"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        bind(self.path, self.path, Options([]), recursive=True)
        tree.enter(self.path)


class HostRoot:
    """The machine's own programs, read-only, and an empty writable rest."""

    SHOWN = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "opt", "nix", "gnu")
    MADE = (
        *("dev", "proc", "sys", "run", "mnt", "media", "srv", "home"),
        *("var", "var/lib", "var/cache", "var/log", "var/spool"),
    )
    OPEN = (("tmp", 0o1777), ("var/tmp", 0o1777), ("run/lock", 0o1777), ("root", 0o700))
    LINKS = (("var/run", "/run"), ("var/lock", "/run/lock"))

    def __init__(self, target: str) -> None:
        self.mount_point = target

    def describe(self) -> str:
        """See Operation."""
        return "show the host's programs"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        m.mount(
            "tmpfs",
            self.mount_point,
            "tmpfs",
            m.MS_NODEV,
            tree.in_parent("mode=0755", "uid=0,gid=0"),
        )
        tree.enter(self.mount_point)
        for name in self.MADE:
            os.mkdir(f"{self.mount_point}/{name}", 0o755)
        for name, mode in self.OPEN:
            os.mkdir(f"{self.mount_point}/{name}")
            os.chmod(f"{self.mount_point}/{name}", mode)
        for name, target in self.LINKS:
            os.symlink(target, f"{self.mount_point}/{name}")
        made = (*self.MADE, *(name for name, _ in (*self.OPEN, *self.LINKS)))
        for name in made:
            tree.give(name, tree.root)
        for name in self.SHOWN:
            self._show(name, tree)

    def _show(self, name: str, tree: Tree) -> None:
        try:
            link = os.readlink(f"/{name}")
        except FileNotFoundError:
            return
        except OSError:
            os.mkdir(f"{self.mount_point}/{name}")
            options = Options(["ro", "nosuid", "nodev"])
            path = f"{self.mount_point}/{name}"
            bind(f"/{name}", path, options, recursive=True, recursive_ro=True)
        else:
            os.symlink(link, f"{self.mount_point}/{name}")
            tree.give(name, tree.root)
