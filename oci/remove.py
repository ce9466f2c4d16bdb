"""Removal of directory trees through directory descriptors.

`shutil.rmtree` recurses in Python and gives up on directories that their owner may not write;
layers hold both deep trees and such directories. Files owned by subordinate ids can only be
removed inside the user namespace, so callers run `remove_tree` there.
"""

from __future__ import annotations

import os
import stat

from rootless.oci.descent import OPEN, WINDOW, Directory


class _Level(Directory):
    """A directory that is being emptied, its name, and the directories that are left in it."""

    __slots__ = ("below", "name")

    def __init__(self, name: bytes, fd: int, below: list[bytes]) -> None:
        super().__init__(fd)
        self.name = name
        self.below = below


def remove_tree(name: bytes | str, dir_fd: int | None = None) -> None:
    """Remove the directory `name`, below `dir_fd` if given, with all in it; no symlink is followed.

    What disappears meanwhile is as good as removed. Raises OSError for the first thing that stays.
    Holds few descriptors, however deep it is (`descent`).
    """
    try:
        stack = [_Level(os.fsencode(name), *_enter(name, dir_fd))]
    except FileNotFoundError:
        return
    try:
        while stack:
            level = stack[-1]
            if level.below:
                child = level.below.pop()
                try:
                    stack.append(_Level(child, *_enter(child, level.fd)))
                except FileNotFoundError:
                    continue  # somebody else removes the same tree
                if len(stack) > WINDOW:
                    stack[-1 - WINDOW].rest()
                continue
            if len(stack) > 1:
                stack[-2].resume(level.fd)
            stack.pop().close()
            try:
                os.rmdir(level.name, dir_fd=stack[-1].fd if stack else dir_fd)
            except FileNotFoundError:
                pass
    finally:
        for level in stack:
            level.close()


def _enter(name: bytes | str, dir_fd: int | None) -> tuple[int, list[bytes]]:
    """Open a directory, unlink all that is no directory in it, and return what is left."""
    try:
        fd = os.open(name, OPEN, dir_fd=dir_fd)
    except PermissionError:
        # Ours, but mode 0: without CAP_DAC_OVERRIDE its bits bind us too.
        os.chmod(name, 0o700, dir_fd=dir_fd)
        fd = os.open(name, OPEN, dir_fd=dir_fd)
    try:
        if os.fstat(fd).st_mode & 0o700 != 0o700:
            _make_writable(fd)
        return fd, _unlink_files(fd)
    except BaseException:
        os.close(fd)
        raise


def _make_writable(fd: int) -> None:
    try:
        os.fchmod(fd, 0o700)
    except PermissionError:
        pass  # not the owner, but perhaps root: unlink tells


def _unlink_files(fd: int) -> list[bytes]:
    directories = []
    with os.scandir(fd) as entries:
        names = [
            (os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries
        ]
    for name, is_directory in names:
        if is_directory:
            directories.append(name)
            continue
        try:
            os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            pass
    return directories


def remove(name: bytes, dir_fd: int) -> int:
    """Remove whatever `name` is; return its mode as lstat(2) told it, 0 where there was nothing."""
    try:
        mode = os.lstat(name, dir_fd=dir_fd).st_mode
    except FileNotFoundError:
        return 0
    if stat.S_ISDIR(mode):
        remove_tree(name, dir_fd)
    else:
        os.unlink(name, dir_fd=dir_fd)
    return mode
