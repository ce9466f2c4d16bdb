"""The last steps of a process on its way into a container: user, limits, privileges, execve.

Shared by the start of a container and by exec. Everything here runs with the container's root
as its own, so nothing may be imported any more: a module would come from the container.
"""

from __future__ import annotations

import errno
import os
import resource
import sys

from rootless.errors import CommandNotExecutable, CommandNotFound, LaunchError
from rootless.linux import caps as kernel_caps
from rootless.linux.openat2 import RESOLVE_NO_MAGICLINKS, openat2
from rootless.linux.process import close_on_exec, die_with_parent, join_session_keyring
from rootless.linux.seccomp import seccomp_set_mode_filter
from rootless.runtime import caps

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from rootless.containers.options import Process, Rlimit
    from rootless.runtime.notify import Listening
    from rootless.runtime.users import User
else:
    import _signal

_AT_FDCWD = -100
_MAX_SHEBANGS = 5  # as many interpreters of interpreters as the kernel follows (execve(2))


def forbid_imports() -> None:
    """From now on an import fails: sys.path means the container's files after the pivot."""
    sys.meta_path.clear()
    sys.path_hooks.clear()
    sys.path.clear()


class Settlement:
    """What a process takes on before it becomes the container's command."""

    def __init__(self, process: Process, program: bytes, *, keep_groups: bool, dies: bool) -> None:
        self.process = process
        self.program = program
        """The seccomp filter, empty for none."""
        self.keep_groups = keep_groups
        self.dies = dies
        """Whether the process ends with its parent."""
        self.listening: Listening | None = None
        """Sockets at 3 and further on that the command keeps (sd_listen_fds(3))."""

    def prepare(self) -> None:
        """What is done while the host's root is still there: a session keyring of its own."""
        try:
            join_session_keyring()
        except OSError:
            pass  # an outer seccomp filter forbids it (docker's does): there is no key to hide then

    def take_on(self, user: User) -> None:
        """Become `user` with the capabilities and the filter of the configuration."""
        process = self.process
        sets = process.get("capabilities") or {}
        os.umask(process["user"].get("umask", 0o022))
        _enter_directory(process.get("cwd") or "/")
        caps.shed(sets)
        no_new_privileges = bool(process.get("noNewPrivileges"))
        if no_new_privileges:
            kernel_caps.set_no_new_privs()
        elif self.program:
            # Without no_new_privs the filter needs CAP_SYS_ADMIN, which is about to go.
            seccomp_set_mode_filter(self.program)
        if not self.keep_groups:
            _set_groups(user.groups)
        _become(user)
        caps.settle(sets)
        if self.dies:
            die_with_parent()
        if no_new_privileges and self.program:
            seccomp_set_mode_filter(self.program)

    def execute(self, user: User) -> None:
        """execve(2). Returns only by raising CommandNotFound or CommandNotExecutable."""
        environment = self.process.get("env") or []
        values = dict(item.partition("=")[::2] for item in environment)
        values.setdefault("HOME", user.home)
        arguments = self.process["args"]
        path = find_command(arguments[0], values.get("PATH", ""))
        reset_signals()
        if self.listening is None:
            close_on_exec()
        else:
            close_on_exec(keep=self.listening["count"])
            names = {"LISTEN_FDNAMES": self.listening["names"]} if self.listening["names"] else {}
            values |= {"LISTEN_FDS": str(self.listening["count"]), **names}
            values["LISTEN_PID"] = str(os.getpid())
        # Last, because they bind us too: a few open files, say, are not enough for the launcher.
        for limit in self.process.get("rlimits") or ():
            _set_limit(limit)
        try:
            os.execve(path, arguments, values)  # noqa: S606 - there is no shell to go through
        except OSError as error:
            raise not_executable(arguments[0], error) from error


def _set_limit(limit: Rlimit) -> None:
    wanted = _limit(limit["soft"]), _limit(limit["hard"])
    number = getattr(resource, limit["type"])
    try:
        resource.setrlimit(number, wanted)
    except (OSError, ValueError) as error:
        name = limit["type"].removeprefix("RLIMIT_").lower()
        most = resource.getrlimit(number)[1]
        raise LaunchError(
            f"cannot set ulimit {name}={limit['soft']}:{limit['hard']}: {error}",
            f"an ordinary user cannot go beyond the host's hard limit, {most}",
        ) from error


def _limit(value: int) -> int:
    """OCI writes "unlimited" as the largest 64 bit number, Python as -1."""
    return -1 if value < 0 or value >= 1 << 63 else value


def _enter_directory(path: str) -> None:
    """Make `path` the working directory; as docker does, make it first if it is not there.

    No magic link is followed: /proc/self/fd/N could be a descriptor of ours that leads out of
    the container (CVE-2024-21626).
    """
    try:
        fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in path.split("/"):
                below = _open_or_make(fd, name or ".")
                os.close(fd)
                fd = below
            os.fchdir(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise LaunchError(
            f"cannot enter the working directory {path}: {error.strerror}",
            "choose another one with -w",
        ) from error


def _open_or_make(parent: int, name: str) -> int:
    flags = os.O_PATH | os.O_DIRECTORY
    try:
        return openat2(parent, name, flags, resolve=RESOLVE_NO_MAGICLINKS)
    except FileNotFoundError:
        os.mkdir(name, 0o755, dir_fd=parent)
    return openat2(parent, name, flags, resolve=RESOLVE_NO_MAGICLINKS)


def _become(user: User) -> None:
    try:
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    # Where only one id exists the filter lets those calls succeed without doing anything.
    if (os.getuid(), os.getgid()) != (user.uid, user.gid):
        raise LaunchError(
            f"cannot become user {user.uid}:{user.gid}: the container has no such id",
            "only one id exists without subordinate ids; rootless doctor says how to get them",
        )


def _set_groups(groups: list[int]) -> None:
    try:
        os.setgroups(groups)
    except PermissionError:
        pass  # denied in a namespace of one id: the user's own groups stay (user_namespaces(7))


def reset_signals() -> None:
    """Give the command the default signals: ignored ones are inherited (execve(2)).

    Python and the supervisor ignore some, and nohup or a shell without job control others.
    """
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    for number in range(1, _signal.NSIG):
        if _signal.getsignal(number) == _signal.SIG_IGN:
            _signal.signal(number, _signal.SIG_DFL)


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
    """Refuse what cannot be executed, and what leads back to our own interpreter.

    The link /proc/self/exe (or an interpreter line that names it) would run the launcher's own
    program of the host with the container's libraries, which could then overwrite it through
    /proc/PID/exe (CVE-2019-5736). openat2 does not follow such links.
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
    words = head[2:].split(b"\n")[0].split()
    return os.fsdecode(words[0]) if words else ""


def not_executable(name: str, error: OSError) -> CommandNotExecutable:
    """Return the error for a command that is there but does not run."""
    reason = os.strerror(error.errno or 0).lower()
    return CommandNotExecutable(f'"{name}": {reason}', step="execve", errno=error.errno or 0)
