"""When an unpacked layer may be believed after a power failure.

Writing a layer out to disk takes longer than unpacking it, because of its thousands of small
files, and nobody has to wait for that: the layer's blob is durable, and it can be unpacked again.
So a layer bears a mark, a link `boot` whose text names the host and the boot in which it was
unpacked, until a process in the background has had the file system written out. A mark of another
boot of this host says that it went down in between: then the layer is not believed, and unpacked
again. Where several hosts share the store, each judges its own marks only.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

_MARK = "boot"

_DATA = "data"
"""The link of a layer whose files have their content in a shared store: see `layers.datalayer`."""


def mark(layer: str) -> None:
    """Mark the directory of a layer before anything is unpacked into it."""
    os.symlink(f"{os.uname().nodename} {_boot_id()}", f"{layer}/{_MARK}")


def is_trusted(layer: str) -> bool:
    """Whether the layer at `layer`, its directory in the store, is there and can be believed."""
    if not has_survived(layer):
        return False
    if not os.path.isdir(f"{layer}/fs"):
        return False
    try:
        behind = os.readlink(f"{layer}/{_DATA}")
    except OSError:
        return True
    return os.path.isdir(f"{behind}/{os.path.basename(layer)}/fs")


def has_survived(layer: str) -> bool:
    """Whether what is in the marked directory `layer` is what was written, or none knows better."""
    try:
        host, _, boot = os.readlink(f"{layer}/{_MARK}").rpartition(" ")
    except OSError:
        return True  # it was written out long ago
    return host != os.uname().nodename or boot == _boot_id()


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        return file.read().strip()


def write_out_later(paths: Paths, directory: str = "") -> None:
    """Start the process that has marked layers written out and takes their marks away.

    `directory` is where they are, by default the store's directory of layers.

    It outlives the caller by the seconds that the disk takes. If it is killed, the next one does
    its work.
    """
    from rootless.linux import interpreter

    place = directory or paths.layers
    interpreter.spawn("write_out", place, site=interpreter.BARE, leads=True)


def write_out_beside(paths: Paths) -> None:
    """Do the same in a fork, which is there at once; the caller ends soon and has no threads."""
    if os.fork() == 0:
        from rootless.runtime.userns.worker import close_others

        try:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            close_others({0, 1, 2})
            write_out(paths.layers)
        finally:
            os._exit(0)


def write_out(layers: str) -> None:
    """Have the file system below `layers` written to its disk (syncfs(2)), then remove the marks.

    Only marks that are there before, and of this boot: others do not speak of what was written.
    """
    import ctypes

    marks = _marks(layers)
    fd = os.open(layers, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if ctypes.CDLL(None).syncfs(fd) != 0:
        return  # a failing disk: the layers stay marked
    now = _marks(layers)
    for path, identity in marks.items():
        if now.get(path) == identity:
            os.unlink(path)


def _marks(layers: str) -> dict[str, tuple[int, int]]:
    """Return the path of each mark of this boot, and by what it is told from a later one there.

    Its inode number would not do: the next link that is made may get it.
    """
    text = f"{os.uname().nodename} {_boot_id()}"
    found = {}
    for name in os.listdir(layers):
        path = f"{layers}/{name}/{_MARK}"
        try:
            if os.readlink(path) == text:
                status = os.lstat(path)
                found[path] = status.st_ino, status.st_ctime_ns
        except OSError:
            continue  # written out long ago, or a workspace
    return found
