"""The command of a container: where it is, and why it cannot be executed.

Everything here runs with the container's root as the process's own, so nothing may be imported in
these functions.
"""

from __future__ import annotations

import errno
import os

from rootless.errors import CommandNotExecutable, CommandNotFound, LaunchError
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
    lost: CommandNotFound | None = None
    for directory in search.split(":") if name else ():
        path = f"{directory or '.'}/{name}"
        try:
            _check_command(path, name)
        except CommandNotFound as error:
            lost = lost or (error if error.hint else None)
            continue
        except CommandNotExecutable as error:
            refused = refused or OSError(error.errno, "")
            continue
        return path
    if refused is not None:
        raise not_executable(name, refused)
    raise lost or CommandNotFound(f'"{name}": executable file not found in $PATH')


def _check_command(path: str, name: str) -> None:
    """Refuse what cannot be executed, in words that say why.

    This is no defence: the file may be another one when it is executed. Links such as
    /proc/self/exe are refused because it would be the stub that they mean by then.
    """
    interpreter = ""
    for _ in range(_MAX_SHEBANGS):
        try:
            fd = openat2(_AT_FDCWD, path, os.O_PATH, resolve=RESOLVE_NO_MAGICLINKS)
        except FileNotFoundError as error:
            raise _missing(name, interpreter) from error
        except OSError as error:
            raise not_executable(name, error) from error
        os.close(fd)
        if os.path.isdir(path):
            raise not_executable(name, OSError(errno.EISDIR, os.strerror(errno.EISDIR)))
        if not os.access(path, os.X_OK, effective_ids=True):
            raise not_executable(name, OSError(errno.EACCES, os.strerror(errno.EACCES)))
        path = interpreter = _interpreter(path)
        if not path:
            return


def _missing(name: str, interpreter: str) -> CommandNotFound:
    """Return the error for what is not there: the command, or what its first line names."""
    if not interpreter:
        return CommandNotFound(f'"{name}": no such file or directory')
    hint = "install that program in the image, or name another one there"
    if interpreter.endswith("\r"):
        interpreter = interpreter.rstrip("\r")
        hint = "a carriage return ends that line: save the script with line feeds alone (dos2unix)"
    return CommandNotFound(f'"{name}": no such file or directory: its "#!{interpreter}"', hint)


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


def not_executable(name: str, error: OSError) -> LaunchError:
    """Return the error for a command that is there but does not run."""
    if error.errno == errno.ENOENT:  # execve(2): it was seen, so it is what the program asks for
        return CommandNotFound(
            f'"{name}": no such file or directory: the loader that it was built for',
            "the image has another C library (musl, glibc), or none of that architecture",
            step="execve",
            errno=errno.ENOENT,
        )
    reason = os.strerror(error.errno or 0).lower()
    return CommandNotExecutable(f'"{name}": {reason}', step="execve", errno=error.errno or 0)
