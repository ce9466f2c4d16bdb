"""The last steps of a process on its way into a container: user, limits, privileges, the stub.

Shared by the start of a container and by exec. Everything here runs with the container's root
as its own, so nothing may be imported any more: a module would come from the container.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import sys

from rootless.errors import CommandNotExecutable, LaunchError
from rootless.linux import caps as kernel_caps
from rootless.linux.openat2 import RESOLVE_NO_MAGICLINKS, openat2
from rootless.linux.process import (
    PERSONALITIES,
    close_on_exec,
    die_with_parent,
    join_session_keyring,
    set_personality,
)
from rootless.linux.seccomp import seccomp_set_mode_filter
from rootless.runtime.launch import stub
from rootless.runtime.launch.command import find_command, not_executable
from rootless.runtime.privileges import caps
from rootless.values import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from rootless.errors import Error
    from rootless.runtime.launch.users import User
    from rootless.runtime.spec import Process, Rlimit, Spec
    from rootless.runtime.supervision.notify import Listening
else:
    import _signal


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
        self.preserved: list[int] = []
        """Others that it keeps, as they are."""
        self.personality = ""
        """Its execution domain in the words of the OCI specification, empty for what it is."""
        self.listened = False
        """Whether somebody answers what the filter leaves to a listener."""
        self.listener = -1
        """The descriptor for that, once the filter is in effect."""
        self.makes_directory = True
        """Whether its working directory is made where it is not there, as docker's run does."""
        self.no_directory: type[Error] = CommandNotExecutable
        """What it is called else, as which it ends the command."""
        self._stub = self._channel = -1

    def prepare(self, verdict: int) -> None:
        """What no filter is to forbid: the stub, and a session keyring of its own.

        `verdict` is where the stub says why it could not execute the command (`report`).
        """
        # Above the sockets that the command keeps; the stub itself sees to its end.
        first = 3 if self.listening is None else 3 + self.listening["count"]
        self._channel = fcntl.fcntl(verdict, fcntl.F_DUPFD, first)
        self._stub = stub.program(self._channel)
        try:
            join_session_keyring()
        except OSError:
            pass  # an outer seccomp filter forbids it (docker's does): there is no key to hide then

    def take_on(self, user: User, sets: dict[str, list[str]] | None = None) -> None:
        """Become `user` with the configuration's filter, and its capabilities or `sets`."""
        process = self.process
        if sets is None:
            sets = process.get("capabilities") or {}
        os.umask(process["user"].get("umask", 0o022))
        if self.personality:
            set_personality(PERSONALITIES[self.personality])
        _enter_directory(process.get("cwd") or "/", self.makes_directory, self.no_directory)
        caps.shed(sets)
        no_new_privileges = bool(process.get("noNewPrivileges"))
        if no_new_privileges:
            kernel_caps.set_no_new_privs()
        elif self.program:
            # Without no_new_privs the filter needs CAP_SYS_ADMIN, which is about to go.
            self.listener = seccomp_set_mode_filter(self.program, listened=self.listened)
        if not self.keep_groups:
            _set_groups(user.groups)
        _become(user)
        caps.settle(sets)
        if self.dies:
            die_with_parent()
        if no_new_privileges and self.program:
            self.listener = seccomp_set_mode_filter(self.program, listened=self.listened)

    def execute(self, user: User) -> None:
        """Become the stub, which executes the command. Returns only by raising an error.

        CommandNotFound or CommandNotExecutable, LaunchError.
        """
        values = self._environment(user)
        arguments = self.process["args"]
        path = find_command(arguments[0], values.get("PATH", PATH))
        reset_signals()
        if self.listening is None:
            close_on_exec(3, spare=self._channel, kept=self.preserved)
        else:
            first = 3 + self.listening["count"]
            close_on_exec(first, spare=self._channel, kept=self.preserved)
            names = {"LISTEN_FDNAMES": self.listening["names"]} if self.listening["names"] else {}
            values |= {"LISTEN_FDS": str(self.listening["count"]), **names}
            values["LISTEN_PID"] = str(os.getpid())
        # Last, because they bind us too: a few open files, say, are not enough for the launcher.
        for limit in self.process.get("rlimits") or ():
            _set_limit(limit)
        self._become(self._stub, [path, *arguments], values)

    def prepare_init(self) -> None:
        """Before the fork: keep for `init` what the command may send it at once."""
        _signal.pthread_sigmask(_signal.SIG_BLOCK, stub.PASSED_ON)
        _signal.signal(
            _signal.SIGCHLD, _signal.SIG_DFL
        )  # if it is ignored nobody can be waited for

    def execute_init(self, user: User, child: int) -> None:
        """Become the container's init, for the process `child` that becomes the command.

        It is the command's user, under the same filter, and keeps no capability but the one to send
        signals to who has become another user, if the command has it. Returns only by raising what
        `take_on` or `execute` raise.
        """
        program = stub.init(child)
        os.close(self._channel)
        sets = self.process.get("capabilities") or {}
        self.take_on(user, {name: ["CAP_KILL"] for name in sets if "CAP_KILL" in sets[name]})
        close_on_exec(0)
        self._become(program, ["init", "--", *self.process["args"]], self._environment(user))

    def _become(self, program: int, arguments: list[str], values: dict[str, str]) -> None:
        try:
            os.execve(program, arguments, values)  # noqa: S606 - there is no shell to go through
        except OSError as error:
            raise not_executable(self.process["args"][0], error) from error

    def _environment(self, user: User) -> dict[str, str]:
        values = dict(item.partition("=")[::2] for item in self.process.get("env") or [])
        values.setdefault("HOME", user.home)
        return values


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


def _enter_directory(path: str, make: bool, missing: type[Error]) -> None:
    """Make `path` the working directory; with `make` the directory first, else it is `missing`.

    No magic link is followed: /proc/self/fd/N could be a descriptor of ours that leads out of
    the container (CVE-2024-21626).
    """
    try:
        fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in path.split("/"):
                below = (_open_or_make if make else _open)(fd, name or ".")
                os.close(fd)
                fd = below
            os.fchdir(fd)
        finally:
            os.close(fd)
    except OSError as error:
        hint = "choose another one with -w"
        if not make and isinstance(error, FileNotFoundError | NotADirectoryError):
            raise missing(f"the working directory {path} does not exist", hint) from error
        cause = os.strerror(error.errno or 0)
        raise LaunchError(f"cannot enter the working directory {path}: {cause}", hint) from error


def _open(parent: int, name: str) -> int:
    return openat2(parent, name, os.O_PATH | os.O_DIRECTORY, resolve=RESOLVE_NO_MAGICLINKS)


def _open_or_make(parent: int, name: str) -> int:
    try:
        return _open(parent, name)
    except FileNotFoundError:
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        except FileExistsError:
            pass  # init and the command make it at the same time
    return _open(parent, name)


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
            "rootless doctor says which ids there are, and how to get more",
        )


def _set_groups(groups: list[int]) -> None:
    try:
        os.setgroups(groups)
    except PermissionError:
        pass  # denied in a namespace of one id: the user's own groups stay (user_namespaces(7))


def domain_of(spec: Spec) -> str:
    """Return the execution domain of a container's processes, see `Settlement.personality`."""
    wanted = spec["linux"].get("personality")
    return wanted["domain"] if wanted else ""


def adjust_oom_score(process: Process) -> str:
    """Set the score that is wanted (proc(5)); return in words what could not be.

    To be called while the process is dumpable, for else the file is root's.
    """
    wanted, path = process.get("oomScoreAdj"), "/proc/self/oom_score_adj"
    if wanted is None:
        return ""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(str(wanted))
    except OSError:
        with open(path, encoding="utf-8") as file:
            own = file.read().strip()
        # As with podman it runs all the same: it is a wish and no limit.
        return f"oom_score_adj: {own} and not {wanted}: without root it can only be raised"
    return ""


def reset_signals() -> None:
    """Give the command the default signals: ignored ones are inherited (execve(2)).

    Python and the supervisor ignore some, and nohup or a shell without job control others.
    """
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    for number in range(1, _signal.NSIG):
        if _signal.getsignal(number) == _signal.SIG_IGN:
            _signal.signal(number, _signal.SIG_DFL)
