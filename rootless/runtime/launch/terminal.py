"""Pseudo terminals (pty(7)): made inside the container, where their names mean something."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from rootless.linux import mount as m
from rootless.linux.openat2 import open_in_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.spec import Process
    from rootless.runtime.tree.tree import Tree

TIOCGPTN = 0x80045430
TIOCSPTLCK = 0x40045431
TIOCGPTPEER = 0x5441


def open_pair(root: int, process: Process) -> tuple[int, int]:
    """Open a terminal for `process` in the devpts below `root`; return (master, slave).

    The slave is opened through the master (TIOCGPTPEER, Linux 4.13), not by a name that the
    container could have put something else under.
    """
    master = open_in_root(root, "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    if wanted := process.get("consoleSize"):
        resize(master, wanted["height"], wanted["width"])
    return master, slave


def set_size(process: Process, size: tuple[int, int] | None) -> None:
    """Let the terminal of `process` begin with (rows, columns), where they are known."""
    if size is not None:
        process["consoleSize"] = {"height": size[0], "width": size[1]}


def show_as_console(tree: Tree, master: int) -> None:
    """Bind the slave of `master` at /dev/console, as container tools do."""
    number = struct.unpack("I", fcntl.ioctl(master, TIOCGPTN, struct.pack("I", 0)))[0]
    target = tree.target("/dev/console", directory=False)
    try:
        source = open_in_root(tree.root, f"/dev/pts/{number}")
        try:
            m.mount(f"/proc/self/fd/{source}", f"/proc/self/fd/{target}", "", m.MS_BIND)
        finally:
            os.close(source)
    finally:
        os.close(target)


def take_as_controlling(slave: int) -> None:
    """Make `slave` the controlling terminal of this session, and its standard descriptors."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)


def resize(fd: int, rows: int, columns: int) -> None:
    """Set the window size of a terminal (TIOCSWINSZ); its foreground processes get SIGWINCH."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def size(fd: int) -> tuple[int, int]:
    """Return (rows, columns) of the terminal `fd`. Raises OSError where it is none."""
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))
    return rows, columns
