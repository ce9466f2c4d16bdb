"""The first moments of a supervisor: it forks the launcher, follows it, and says how it went.

The process is a fork of the command that starts the container. Only when the container's command
runs, or cannot run, does that command hear from it and go on.
"""

from __future__ import annotations

import fcntl
import os
import select
import time

from rootless.errors import LaunchError
from rootless.linux import process
from rootless.linux.boot import boot_id
from rootless.runtime.launch.command import code_of_failure
from rootless.runtime.launch.report import Phase, Report
from rootless.runtime.logs.files import open_log
from rootless.runtime.supervision import cgroup, clients, streams
from rootless.runtime.supervision.charge import ROOM, VERSION, client_of, reason, tell, write_state
from rootless.runtime.supervision.supervisor import Supervisor, clean_up, reap_all, set_name
from rootless.runtime.userns.namespace import Entry, Membership
from rootless.runtime.userns.worker import close_others
from rootless.store import events, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterable
    from typing import Any, NoReturn

    from rootless.netstack.ports import Port
    from rootless.runtime.launch.launch import Launch
    from rootless.runtime.logs.charge import LogCharge
    from rootless.runtime.networks.kinds import Named, Outside
    from rootless.runtime.supervision.charge import Charge
    from rootless.runtime.supervision.health import Checks
    from rootless.runtime.supervision.notify import Listening, Notice
    from rootless.runtime.switch.client import Plug
    from rootless.store.paths import Paths
else:
    import _signal


_TOLD = ("network:", "oom_score_adj:")
"""What begins those degradations that whoever starts the container is told of."""


class Wishes:
    """What the life of a container is to be like, beyond its start."""

    def __init__(self, *, log: LogCharge) -> None:
        self.log = log
        """Its log, not open yet."""
        self.open_stdin = False
        self.detached = False
        """Whether it is to outlive the session of who starts it."""
        self.durable = True
        self.restart = "no"
        self.health: Checks | None = None
        self.notice: Notice | None = None
        """What a service manager is told."""
        self.listening: Listening | None = None
        """Sockets that a service manager has handed to us, for the container."""
        self.preserved: list[int] = []
        """Further descriptors of the starter's, for this start alone."""
        self.ports: list[Port] = []
        """Published ports, bound."""
        self.forwarded: list[Port] = []
        """Those that others are to publish (`networks.kinds.Outside`), not bound."""
        self.notes: list[str] = []
        """What the user is told when it runs."""
        self.event: dict[str, Any] = {}
        """id, name and attributes of its events."""
        self.stop_signal = int(_signal.SIGTERM)
        self.stop_timeout = 10
        self.timeout = 0
        """Seconds after which the container is killed, 0 for never."""
        self.pidfile = ""
        """Where the pid of its first process is written, empty for nowhere."""
        self.own_pidfile = ""
        """The same for the supervisor's."""


class Startup:
    """What becomes a supervisor. Made before the fork; `run` is the child's way."""

    def __init__(self, paths: Paths, launch: Launch, wishes: Wishes) -> None:
        self._paths = paths
        self._launch = launch
        self._wishes = wishes
        self._init = -1
        self._init_pid = -1
        self._terminal = -1
        self._link = -1
        self._plugs: list[Plug] = []
        self._space = self._rtnetlink = -1
        """The container's network namespace, and what changes it, where it has plugs."""
        self._hosts = -1
        """Its /etc/hosts, open as long as it lacks its own address: it will be another's file."""
        self._stdin = -1
        self._outputs: dict[str, int] = {}
        self._membership: Membership | None = None
        self._alive = self._userns = -1
        self._cgroup = ""
        self._bound = False
        self._passed: tuple[int, int, int] | None = None
        """The starter's own standard descriptors, which the container gets (passthrough)."""

    @property
    def ports(self) -> list[Port]:
        """The sockets of published ports, which whoever forks closes."""
        return self._wishes.ports

    def let_go(self) -> None:
        """Close, where the fork was made, what only its child needs."""
        for fd in {*(port["fd"] for port in self.ports), self._launch.network.home} - {-1}:
            os.close(fd)

    @property
    def notes(self) -> list[str]:
        """What the user is told when it runs."""
        return self._wishes.notes

    def preserve(self, descriptors: Iterable[int]) -> None:
        """Have the command get further descriptors of this process, by their numbers."""
        self._launch.preserved = self._wishes.preserved = list(descriptors)

    def bind(self, bound: bool) -> None:
        """Have the container end with the process that starts it, or let it outlive that."""
        self._bound = bound

    def run(self, starter: Report, client: int, alive: int) -> NoReturn:
        """Start the container and supervise it. Never returns.

        `starter` is told when the container runs or why it does not; `client` is the descriptor
        of the stream to an attached client, -1 without one; `alive` holds the life lock.
        """
        self._alive = alive
        try:
            self._detach(starter, client)
            try:
                steps, charge = self._start({}, client)
                lost = [text for text in charge["state"]["degraded"] if text.startswith(_TOLD)]
                starter.send(Phase.READY, steps=steps, notes=lost)
            except BaseException as error:  # noqa: BLE001 - the starter is to know of all
                self._give_up(starter, error)
            else:
                starter.close()
                if charge["durable"]:
                    events.sync(charge["root"])
                Supervisor(charge, new=True).run(small=False)
        finally:
            os._exit(0)

    def run_again(self, before: Charge) -> NoReturn:
        """Start the container once more, in the process that has supervised it before.

        Never returns where it starts; else raises what went wrong, with all ended that began.
        """
        self._alive = before["alive"]
        try:
            _, charge = self._start(before["state"], -1)
        except BaseException:
            self._withdraw()
            raise
        charge["delay"] = before["delay"]
        Supervisor(charge, new=True).run(small=False)

    def _detach(self, starter: Report, client: int) -> None:
        """Leave the session of the starter and all its descriptors."""
        os.setsid()
        set_name()
        process.set_subreaper()
        # What the user types at the starter's terminal is not for us; SIGTERM ends the container.
        for number in process.HANGUPS:
            _signal.signal(number, _signal.SIG_IGN)
        _signal.signal(_signal.SIGTERM, interrupt)
        if self._bound:
            process.prctl(process.PR_SET_PDEATHSIG, _signal.SIGTERM)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # the starter may have a handler
        if self._wishes.log["driver"] == "passthrough":
            self._passed = (os.dup(0), os.dup(1), os.dup(2))
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        kept = {0, 1, 2, *starter.filenos(), client, self._alive, *(self._passed or ())}
        kept.update(port["fd"] for port in self._wishes.ports)
        if self._wishes.notice is not None:
            kept.add(self._wishes.notice["fd"])
        if self._wishes.listening is not None:
            kept.update(range(3, 3 + self._wishes.listening["count"]))
        kept.update(self._wishes.preserved)
        kept.add(self._launch.network.home)
        close_others(kept - {-1})

    def _start(self, before: dict[str, Any], client: int) -> tuple[list[Any], Charge]:
        """Start the container; return the time line and what the supervisor gets.

        `before` is the state that goes on: nothing for a start that a user has asked for.
        """
        directory = self._launch.directory
        if not before and self._wishes.detached:
            from rootless.runtime.supervision.scope import leave_session

            leave_session(os.path.basename(directory)[:12])
        if self._launch.network.named is not None:
            try:
                self._hosts = os.open(
                    f"{directory}/hosts", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
                )
            except FileNotFoundError:
                pass  # none is wanted
        report, theirs = Report.pair()
        for_init = self._make_pipes()
        launcher = self._fork_launcher(theirs, report)
        theirs.close()
        for fd in (*for_init, *self._wishes.preserved):
            os.close(fd)
        ready = self._await_ready(report, launcher)
        state = {
            "status": "running",
            "pid": self._init_pid,
            "start_ticks": process.start_time(self._init_pid),
            "command_pid": ready["sender"],
            "supervisor": os.getpid(),
            "started": time.time(),
            "boot": boot_id(),
            "degraded": ready["degraded"],
            "cgroup": self._cgroup,
            "restart_count": before.get("restart_count", 0),
            "exit_code": before.get("exit_code", 0),  # of the life before, for who waits for that
            "ports": self._wishes.forwarded + [{**port, "fd": -1} for port in self._wishes.ports],
        }
        if self._plugs:
            from rootless.runtime.supervision import plugs

            state["networks"] = plugs.shown(self._plugs)
        if self._wishes.health is not None:
            state["health"] = self._wishes.health["status"]
        charge = self._charge(state, client)
        _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTERM,))  # the loop is to have it
        durable = self._wishes.durable
        if before:  # a full disk is no reason not to start again
            charge["unwritten"] = not write_state(directory, state, durable=durable)
        else:
            records.write_record(directory, "state.json", state, durable=durable, room=ROOM)
        # In a directory that can be slow, or full: what runs is on record by now.
        _write_pid(self._wishes.pidfile, self._init_pid)
        _write_pid(self._wishes.own_pidfile, os.getpid())
        tell(charge, "start")
        return ready["steps"], charge

    def _charge(self, state: dict[str, Any], client: int) -> Charge:
        wishes = self._wishes
        if wishes.health is not None:
            from rootless.runtime.supervision.health import begin

            begin(wishes.health, self._launch.directory)
        return {
            "version": VERSION,
            "root": self._paths.root,
            "directory": self._launch.directory,
            "event": wishes.event,
            "durable": wishes.durable,
            "state": state,
            "unwritten": False,
            "membership": self._membership.path if self._membership else "",
            "init": self._init,
            "outputs": self._outputs,
            "stdin": self._stdin,
            "input": "",
            "input_ends": False,
            "terminal": self._terminal,
            "link": self._link,
            "network": self._launch.network.settings,
            "ports": wishes.ports if self._link >= 0 or self._plugs else [],
            "plugs": self._plugs,
            "netns": self._space,
            "rtnetlink": self._rtnetlink,
            "clients": [client_of(client, first=True)] if client >= 0 else [],
            "listener": clients.listen(self._launch.directory),
            "log": open_log(wishes.log),
            "alive": self._alive,
            "userns": self._userns,
            "space": _shared_space(state["command_pid"]),
            "restart": wishes.restart,
            "delay": 0.0,
            "deadline": time.monotonic() + wishes.timeout if wishes.timeout else 0.0,
            "health": wishes.health,
            "notice": wishes.notice,
            "listening": wishes.listening,
            "stop_signal": wishes.stop_signal,
            "stop_timeout": wishes.stop_timeout,
        }

    def _make_pipes(self) -> list[int]:
        """Make the container's standard descriptors; return those to close after the fork."""
        if self._launch.spec["process"].get("terminal"):
            return []
        if self._passed:
            self._launch.stdio = self._passed
            return list(self._passed)
        stdin = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        for_init = [stdin]
        if self._wishes.open_stdin:
            stdin, self._stdin = os.pipe()
            for_init.append(stdin)
        writers = []
        for stream in (streams.STDOUT, streams.STDERR):
            ours, theirs = os.pipe()
            writers.append(theirs)
            self._outputs[str(ours)] = stream
        self._launch.stdio = (stdin, writers[0], writers[1])
        return for_init + writers

    def _fork_launcher(self, theirs: Report, report: Report) -> int:
        """Fork the launcher and let it into the user namespace; return its pid."""
        lock_path = f"{self._paths.runtime}/userns.lock"
        os.close(os.open(lock_path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        # Of several that start at once, one makes the namespace and the others find it.
        lock = records.lock(lock_path)
        try:
            entry = Entry(self._paths, self._launch.who, self._launch.network.home)
            pid = os.fork()
            if pid == 0:
                report.close()
                if self._hosts >= 0:
                    os.close(self._hosts)  # a file of the host's is nothing for init
                self._launch.launcher(entry, theirs)
            self._userns = entry.serve(pid)
            self._membership = Membership(self._paths.runtime, self._launch.who.mode, self._userns)
        finally:
            if lock is not None:
                # Closing alone would not do: the launcher has inherited it.
                fcntl.flock(lock, fcntl.LOCK_UN)
                os.close(lock)
        return pid

    def _await_ready(self, report: Report, launcher: int) -> dict[str, Any]:
        """Follow the launcher and init until the command runs; return what init said last."""
        ready: dict[str, Any] = {}
        try:
            _await_report(report, launcher)
            while (message := report.receive()) is not None:
                if message["phase"] == Phase.FORKED:
                    os.waitpid(launcher, 0)
                    self._init_pid = message["pid"]
                    self._init = os.pidfd_open(self._init_pid)
                    name = os.path.basename(self._launch.directory)[:12]
                    self._cgroup = cgroup.make(name, self._init_pid)
                    if (outside := self._launch.network.outside) is not None:
                        self._serve(outside, message["fd"])
                    elif (named := self._launch.network.named) is not None:
                        self._attach(named, message["fd"])
                    report.send(Phase.GO)
                elif message["phase"] == Phase.TERMINAL:
                    self._take_terminal(message["fd"])
                elif message["phase"] == Phase.LINK:
                    self._link = message["fd"]
                elif message["phase"] == Phase.OWNERS:
                    self._record_owners(message["fd"])
                elif message["phase"] == Phase.READY:
                    ready = message
        finally:
            report.close()
        if not ready:
            raise LaunchError("the container's first process was killed while it was set up")
        return ready

    def _serve(self, outside: Outside, netns: int) -> None:
        """Have the network made from outside, before init goes on."""
        wishes, spaces = self._wishes, (self._userns, netns)
        try:
            wishes.forwarded = outside.start(spaces, self._launch.directory, wishes.forwarded)
        finally:
            os.close(netns)

    def _attach(self, named: Named, netns: int) -> None:
        """Bring the container onto its networks with names, before init goes on."""
        from rootless.runtime.supervision import plugs
        from rootless.runtime.switch.client import Guest

        container = os.path.basename(self._launch.directory)
        guest = Guest(container, (self._launch.who.mode, self._userns), self._paths.runtime)
        self._space, self._rtnetlink, self._link = netns, self._link, -1
        self._plugs = named.attach(guest, netns, self._rtnetlink)
        if self._launch.network.settings is None:  # else they are the private network's
            plugs.publish(self._plugs, self._wishes.ports)
        if self._hosts >= 0:
            os.write(self._hosts, plugs.host_lines(self._plugs, named.called))
            os.close(self._hosts)

    def _record_owners(self, listener: int) -> None:
        """Have a child remember the owners that files are given; it ends with the container."""
        from rootless.runtime.supervision import ownership  # only builds want it

        try:
            ownership.begin(listener, self._userns, f"{self._launch.directory}/{ownership.LINKS}")
        finally:
            os.close(listener)

    def _take_terminal(self, master: int) -> None:
        self._terminal = master
        self._outputs[str(os.dup(master))] = streams.STDOUT
        if self._wishes.open_stdin:
            self._stdin = os.dup(master)

    def _give_up(self, starter: Report, error: BaseException) -> None:
        """The start failed: end what is there, keep the reason, tell the starter."""
        self._withdraw()
        state = {
            "status": "created",
            "exit_code": code_of_failure(error),
            **reason(error),
        }
        # Where the disk is full the starter still says why.
        write_state(self._launch.directory, state, durable=self._wishes.durable)
        for port in self._wishes.ports:
            os.close(port["fd"])
        for plug in self._plugs:
            os.close(plug["fd"])
        clean_up(self._paths.root, self._launch.directory)
        starter.fail(getattr(error, "step", "") or "start the container", error)

    def _withdraw(self) -> None:
        """End what has begun."""
        reap_all()
        if self._cgroup:
            cgroup.remove(self._cgroup)
        if self._membership is not None:
            self._membership.leave()


def _await_report(report: Report, launcher: int) -> None:
    """Wait until the launcher has said something. Raises LaunchError where it was killed.

    The end of the channel would not tell: init has it open, too, and waits for us.
    """
    opened = os.pidfd_open(launcher)
    try:
        poll = select.poll()
        for fd in (report.fileno(), opened):
            poll.register(fd, select.POLLIN)
        # What it has said last is there before its end is.
        if report.fileno() not in [fd for fd, _ in poll.poll()]:
            raise LaunchError("the container's launcher was killed")
    finally:
        os.close(opened)


def _shared_space(command: int) -> int:
    """Open the mount namespace of a container without a pid namespace of its own; else -1.

    Where there is one, the kernel ends all processes with the first. Here that is for us to do.
    """
    try:
        if os.readlink(f"/proc/{command}/ns/pid") != os.readlink("/proc/self/ns/pid"):
            return -1
        return os.open(f"/proc/{command}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1  # it has ended already, or may not be looked at


def _write_pid(path: str, pid: int) -> None:
    """Write a pid as conmon does, for service managers. Raises LaunchError."""
    if not path:
        return
    from rootless.store import outside

    try:
        outside.replace(path, b"%d" % pid)
    except OSError as error:
        raise LaunchError(f"cannot write the pid file {path}: {error.strerror}") from error


def interrupt(*_: object) -> NoReturn:
    """SIGTERM while the container starts: whoever started it has changed his mind."""
    raise LaunchError("the start of the container was interrupted")
