"""The command of a container: where it is, and why it cannot be executed.

Everything here runs with the container's root as the process's own, so nothing may be imported in
these functions.
"""

from __future__ import annotations

import errno
import os

from rootless.errors import CommandNotExecutable, CommandNotFound
from rootless.linux.openat2 import RESOLVE_NO_MAGICLINKS, openat2

_AT_FDCWD = -100
_MAX_SHEBANGS = 5  # as many interpreters of interpreters as the kernel follows (execve(2))


def find_command(name: str, search: str) -> str:
    """Return the path of the command `name` as execvp would find it.

    Raises CommandNotFound or CommandNotExecutable with docker's words.
    """
    if "/" in name:
        _check_command(name, name)
        return name
    refused: OSError | None = None
    for directory in search.split(":") if name else ():
        path = f"{directory or '.'}/{name}"
        try:
            _check_command(path, name)
        except CommandNotFound:
            continue
        except CommandNotExecutable as error:
            refused = refused or OSError(error.errno, "")
            continue
        return path
    if refused is not None:
        raise not_executable(name, refused)
    raise CommandNotFound(f'"{name}": executable file not found in $PATH')


def _check_command(path: str, name: str) -> None:
    """Refuse what cannot be executed, in words that say why.

    This is no defence: the file may be another one when it is executed. Links such as
    /proc/self/exe are refused because it would be the stub that they mean by then.
    """
    for _ in range(_MAX_SHEBANGS):
        try:
            fd = openat2(_AT_FDCWD, path, os.O_PATH, resolve=RESOLVE_NO_MAGICLINKS)
        except FileNotFoundError as error:
            raise CommandNotFound(f'"{name}": no such file or directory') from error
        except OSError as error:
            raise not_executable(name, error) from error
        os.close(fd)
        if os.path.isdir(path):
            raise not_executable(name, OSError(errno.EISDIR, os.strerror(errno.EISDIR)))
        if not os.access(path, os.X_OK, effective_ids=True):
            raise not_executable(name, OSError(errno.EACCES, os.strerror(errno.EACCES)))
        path = _interpreter(path)
        if not path:
            return


def _interpreter(path: str) -> str:
    """Return the program that the first line of a script names, "" for anything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""  # may be executed but not read
    try:
        head = os.read(fd, 256)
    except OSError:
        return ""
    finally:
        os.close(fd)
    if not head.startswith(b"#!"):
        return ""
    # The kernel knows no other blanks than these (fs/binfmt_script.c).
    line = head[2:].partition(b"\n")[0].lstrip(b" \t")
    word = line.replace(b"\t", b" ").partition(b" ")[0].partition(b"\0")[0]
    return os.fsdecode(word)


def code_of_failure(error: BaseException) -> int:
    """Return the exit code of a container that `error` kept from starting, as shells have it."""
    if isinstance(error, CommandNotFound):
        return 127
    return 126 if isinstance(error, CommandNotExecutable) else 125


def not_executable(name: str, error: OSError) -> CommandNotExecutable:
    """Return the error for a command that is there but does not run."""
    reason = os.strerror(error.errno or 0).lower()
    return CommandNotExecutable(f'"{name}": {reason}', step="execve", errno=error.errno or 0)
