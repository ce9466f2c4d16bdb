"""exec: a further process inside a running container.

The joiner is a fork of the command. It enters all namespaces of the container's process with one
setns(2) on its pidfd (Linux 5.8), forks once more so that the new process is in the pid
namespace too, and waits for it. Like the launcher it is not dumpable while it is inside.
"""

from __future__ import annotations

import os

from rootless.errors import CommandNotFound
from rootless.linux import namespaces
from rootless.linux.process import (
    PR_SET_PDEATHSIG,
    forget_arguments,
    pidfd_pid,
    prctl,
    set_dumpable,
)
from rootless.runtime.launch import single, terminal, users
from rootless.runtime.launch.launch import own_stdio
from rootless.runtime.launch.report import Phase
from rootless.runtime.launch.settle import Settlement, adjust_oom_score, domain_of, forbid_imports
from rootless.runtime.userns import shift
from rootless.runtime.userns.worker import close_others

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from typing import NoReturn

    from rootless.runtime.launch.report import Report
    from rootless.runtime.spec import Process, Spec
else:
    import _signal


class Join:
    """What one exec needs to know; made before the fork."""

    def __init__(self, spec: Spec, process: Process, program: bytes, target: int) -> None:
        self.spec = spec
        """The container's configuration, for its namespaces and groups."""
        self.process = process
        self.program = program
        self.target = target
        """pidfd of a process of the container."""
        self.stdio = (-1, -1, -1)
        """What become descriptors 0 to 2, unless a terminal does."""
        self.preserved: list[int] = []
        """Further descriptors that the command gets as they are."""
        self.single = False
        """Whether one id exists, which is shown as that of any user."""
        self._ids: shift.OneId | None = None
        self.dies = False
        """Whether all of it ends when the caller does."""
        self.kept: set[int] = set()
        """Descriptors that the joiner keeps for `on_change`."""
        self.on_change: Callable[[int, int | None], None] = lambda _pid, _code: None
        """Called in the joiner with the pid of the command, and with its exit code at the end."""
        self._step = ""

    def joiner(self, report: Report) -> NoReturn:
        """Run in the first child: enter, fork, pass on the exit code. Never returns."""
        try:
            self._step = "enter the container's namespaces"
            adjust_oom_score(self.process)
            set_dumpable(False)
            forget_arguments()  # with the values of -e
            # Nothing else may come along: the caller's descriptors could lead out of the container.
            keep = {0, 1, 2, self.target, *report.filenos(), *self.kept, *self.stdio}
            keep.update(self.preserved)
            flags = self._flags()
            if self.single:
                self._ids = shift.OneId(pidfd_pid(self.target))
                keep.update(self._ids.filenos())
                flags &= ~namespaces.CLONE_NEWUSER
            close_others(keep)
            # We have all capabilities there, whatever our uid is called.
            if self._ids is not None:
                self._ids.enter()
            namespaces.setns(self.target, flags)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # our starter may have a handler
            self._step = "fork"
            child = os.fork()
            if child == 0:
                self._settle(report)
            # Or the ends of pipes that we hold here would be open for as long as it runs.
            close_others(self.kept)
            self.on_change(child, None)
            for number in (_signal.SIGINT, _signal.SIGQUIT, _signal.SIGHUP):
                _signal.signal(number, _signal.SIG_IGN)
            if self.dies:
                end_with_parent(child)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            code = code if code >= 0 else 128 - code
            self.on_change(child, code)
            os._exit(code)
        except BaseException as error:  # noqa: BLE001 - nothing may return to the caller's stack
            report.fail(self._step, error)
        os._exit(1)

    def _flags(self) -> int:
        """The namespaces of the container that are not ours too."""
        pid = pidfd_pid(self.target)
        flags = namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNS
        for space in self.spec["linux"]["namespaces"]:
            name, flag = namespaces.TYPES[space["type"]]
            # One that was refused when the container started is shared with its surroundings, and
            # entering it again needs a privilege there.
            if namespaces.identity(name, pid) != namespaces.identity(name):
                flags |= flag
        return flags

    def _settle(self, report: Report) -> NoReturn:
        try:
            forbid_imports()
            os.setsid()
            if self.spec["rootless"].get("shifted"):
                shift.become_root()
            root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            private = self.spec["rootless"]
            self._step = "look up the user"
            asked = self.process["user"].get("username", "")
            user = users.resolve(root, asked, private["groups"])
            self._step = "take standard input and output"
            if self.process.get("terminal"):
                master, slave = terminal.open_pair(root, self.process)
                report.send(Phase.TERMINAL, fd=master)
                terminal.take_as_controlling(slave)
            else:
                for number, fd in enumerate(self.stdio):
                    os.dup2(fd, number)
            own_stdio(user)
            settlement = Settlement(
                self.process, self.program, keep_groups=private["keep_groups"], dies=self.dies
            )
            settlement.preserved = self.preserved
            settlement.personality = domain_of(self.spec)
            settlement.makes_directory = False  # the container runs: its files are its own
            settlement.no_directory = CommandNotFound  # as of runc's exec
            single.tell_apt_again(self.process)
            self._step = "take on the user and his privileges"
            settlement.prepare(report.verdict)
            if self._ids is not None:
                self._ids.become(user.uid, user.gid)
            settlement.take_on(user)
            self._step = "execute the command"
            report.ready(self.process["args"][0])
            settlement.execute(user)
        except BaseException as error:  # noqa: BLE001 - nothing may return to the caller's stack
            report.fail(self._step, error)
        os._exit(1)


def end_with_parent(child: int) -> None:
    """Let SIGTERM, and the end of our parent, kill `child` and all of its process group."""

    def end(*_: object) -> NoReturn:
        for kill in (os.killpg, os.kill):  # it leads no group yet in its first moments
            try:
                kill(child, _signal.SIGKILL)
            except ProcessLookupError:
                pass
        os._exit(128 + _signal.SIGTERM)

    _signal.signal(_signal.SIGTERM, end)
    # Not before setns: taking on the capabilities of a namespace clears it (prctl(2)).
    prctl(PR_SET_PDEATHSIG, _signal.SIGTERM)
