"""What volumes can do beyond a plain bind: begin with the image's files, change owner, `:O`.

And the devices of `--privileged`. Loaded only for containers that ask for one of these.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from rootless.errors import LaunchError
from rootless.linux import mount as m
from rootless.linux.openat2 import open_in_root
from rootless.oci.descent import OPEN, Walk
from rootless.oci.remove import remove_tree
from rootless.runtime.tree.binding import bind, on
from rootless.runtime.tree.copying import copy_tree
from rootless.runtime.tree.mount_options import Options
from rootless.runtime.tree.operations import NOT_HERE, Bind, Device
from rootless.runtime.tree.rootfs import mount_fuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.spec import Mount
    from rootless.runtime.spec import OverlayBind as Layer
    from rootless.runtime.tree.tree import Tree

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class CopyUp:
    """Fill a new volume with what the image has where the volume goes, once in its life.

    A file beside the volume's data says that it was done, so that what the user has emptied
    stays empty. The copy appears complete or not at all.
    """

    def __init__(self, source: str, destination: str, into: str = "") -> None:
        """`into` is a directory of the host that the volume shows."""
        self.source = source
        self.destination = destination
        self.into = into
        volume = os.path.dirname(source)
        self._mark = f"{volume}/filled"
        self._new = f"{volume}/new"

    def describe(self) -> str:
        """See Operation."""
        return f"copy the image's {self.destination} to the volume {self.source}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        if os.path.exists(self._mark):
            return
        volume = os.open(os.path.dirname(self.source), _OPEN_DIRECTORY)
        try:
            # Of two containers that start with the same new volume the second waits for the copy.
            fcntl.flock(volume, fcntl.LOCK_EX)
            if not os.path.exists(self._mark):
                self._fill(tree)
                os.close(os.open(self._mark, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        finally:
            os.close(volume)

    def _fill(self, tree: Tree) -> None:
        try:
            image = tree.open(self.destination, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return  # nothing there to begin with
        try:
            if self.into:
                self._fill_in_place(image)
                return
            remove_tree(self._new)  # of somebody who was killed
            if os.listdir(self.source):
                return
            os.mkdir(self._new, 0o700)
            copy = os.open(self._new, _OPEN_DIRECTORY)
            try:
                copy_tree(image, copy)
            finally:
                os.close(copy)
            os.rename(self._new, self.source)
        except OSError as error:
            remove_tree(self._new)
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise  # else somebody put a file into it meanwhile: it is in use as it is
        finally:
            os.close(image)

    def _fill_in_place(self, image: int) -> None:
        """Fill a directory that is not ours to exchange: who is killed leaves a part there."""
        if os.listdir(self.into):
            return
        there = os.open(self.into, _OPEN_DIRECTORY)
        try:
            copy_tree(image, there)
        finally:
            os.close(there)


class Below:
    """A part of a volume, looked up in it: what others write into it leads no mount out of it."""

    def __init__(self, mount: Mount, subpath: str) -> None:
        self.mount = mount
        self.subpath = subpath

    def describe(self) -> str:
        """See Operation."""
        return f"bind {self.subpath} of {self.mount['source']} at {self.mount['destination']}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        top = os.open(self.mount["source"], _OPEN_DIRECTORY)
        try:
            found = open_in_root(top, self.subpath)
        except OSError as error:
            raise LaunchError(
                f"cannot mount {self.subpath} of the volume at {self.mount['source']}: "
                f"{os.strerror(error.errno or 0)}",
                "make it in the volume first, or leave out the subpath",
                errno=error.errno or 0,
            ) from error
        finally:
            os.close(top)
        try:
            Bind(on(found), self.mount["destination"], self.mount["options"]).apply(tree)
        finally:
            os.close(found)


class OverlayBind:
    """A directory of the host below a throw-away layer (`-v source:destination:O`).

    The directories of the layer are there and empty.
    """

    def __init__(self, layer: Layer, options: list[str], *, native: bool) -> None:
        self.layer = layer
        self.options = Options(options)
        self.native = native
        """Whether the kernel's overlay is worth trying."""

    def describe(self) -> str:
        """See Operation."""
        return f"put a layer on {self.layer['source']} at {self.layer['destination']}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        target = tree.target(self.layer["destination"])
        try:
            if not self.native or not self._mount(on(target)):
                self._copy(tree)
                bind(self.layer["upper"], on(target), self.options, recursive=False)
        finally:
            os.close(target)

    def _mount(self, path: str) -> bool:
        data = f"{self.options.data},userxattr"
        try:
            m.mount("overlay", path, "overlay", self.options.flags, data)
        except OSError as error:
            if error.errno not in NOT_HERE:
                raise
            return False
        return True

    def _copy(self, tree: Tree) -> None:
        source = os.open(self.layer["source"], _OPEN_DIRECTORY)
        try:
            copy = os.open(self.layer["upper"], _OPEN_DIRECTORY)
            try:
                left_out = copy_tree(source, copy, lenient=True)
            finally:
                os.close(copy)
        finally:
            os.close(source)
        text = f"volume {self.layer['destination']}: a copy, an overlay was refused"
        if left_out:
            text += f"; {left_out} of its files could not be read"
        tree.degraded.append(text)


class FuseBind:
    """The same by fuse-overlayfs, mounted by the launcher as the root is (see rootfs.FuseRoot)."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._merged = f"{os.path.dirname(layer['upper'])}/merged"

    def describe(self) -> str:
        """See Operation."""
        return f"put a layer on {self.layer['source']} with fuse-overlayfs"

    def start(self) -> None:
        """Mount, and leave the helper running. Raises OSError where it fails."""
        os.mkdir(self._merged, 0o700)
        layer = self.layer
        mount_fuse([layer["source"]], layer["upper"], layer["work"], self._merged)

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        target = tree.target(self.layer["destination"])
        try:
            bind(self._merged, on(target), Options([]), recursive=False)
        finally:
            os.close(target)


class HostDevices:
    """All devices of the host that the user may open (`--privileged`)."""

    LEFT_OUT = ("/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/hugepages")  # noqa: S108

    def __init__(self, shown: tuple[str, ...]) -> None:
        self.shown = {*shown, "/dev/console", "/dev/ptmx"}
        """Those that the container has already, or of its own."""

    def describe(self) -> str:
        """See Operation."""
        return "show the host's devices"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        for directory, below, names in os.walk("/dev"):
            below[:] = [name for name in below if f"{directory}/{name}" not in self.LEFT_OUT]
            for name in names:
                path = f"{directory}/{name}"
                if path not in self.shown and _may_open(path):
                    Device(path).apply(tree)


def _may_open(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False  # it went away, or is not ours to look at
    is_device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    return is_device and (os.access(path, os.R_OK) or os.access(path, os.W_OK))


def give_away(sources: list[str], uid: int, gid: int) -> None:
    """Give all in `sources` to the ids `uid` and `gid` of U (`:U`); no link is followed.

    Raises LaunchError with the first path whose owner cannot be changed.
    """
    for source in sources:
        try:
            _give(source, None, (uid, gid))
            top = os.open(source, OPEN)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                continue  # it is no directory
            raise _refused(source, error) from error
        walk = Walk(top)
        name = ""
        try:
            for fd, entries in walk:
                for entry in entries:
                    name = entry.name
                    _give(name, fd, (uid, gid))
                name = ""
        except OSError as error:
            raise _refused(os.path.join(source, walk.path(), name), error) from error


def _give(name: str, directory: int | None, owner: tuple[int, int]) -> None:
    status = os.lstat(name, dir_fd=directory)
    if (status.st_uid, status.st_gid) == owner:
        return
    os.chown(name, *owner, dir_fd=directory, follow_symlinks=False)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISREG(status.st_mode) and mode & (stat.S_ISUID | stat.S_ISGID):
        os.chmod(name, mode, dir_fd=directory)  # chown(2) has cleared the bits


def _refused(path: str, error: OSError) -> LaunchError:
    return LaunchError(
        f"cannot give {path} to the container's user: {error.strerror}",
        "leave out :U: given away can be what is yours, or of your subordinate ids",
    )
