"""The supervisor: one small process that owns a container for its whole life.

It stays in the host's namespaces, as the user, in a session of its own. It writes the log, serves
the attached client, and when init ends it writes down how, and cleans up. While it lives it holds
the life lock of the container: that lock, and no pid, says that the container runs.

It begins as a fork of the command that started it (`startup`), with all that this command had
loaded. Once it has been idle for a moment it executes the interpreter again with nothing but this
module, which halves its memory; all that it holds passes on as its `charge`. So nothing here may
import ctypes, or anything else that the loop does not need.

Where other files have been installed meanwhile it does the same before it loads anything of them:
what is in memory goes on, or all is as it is there, but never some of both.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import time

from rootless.linux import interpreter
from rootless.linux.loop import Loop
from rootless.runtime.logs.files import writer
from rootless.runtime.supervision import handover, restart, streams
from rootless.runtime.supervision.charge import (
    descriptors,
    go_again,
    settle,
    tell,
    upgraded,
    write_state,
)
from rootless.runtime.supervision.clients import Clients
from rootless.runtime.supervision.relay import Input, Output
from rootless.runtime.supervision.uplink import Uplink
from rootless.store import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import NoReturn

    from rootless.netstack.names import Zone
    from rootless.runtime.supervision.charge import Charge
    from rootless.runtime.supervision.clients import Client
    from rootless.runtime.supervision.health import Checks, Health
    from rootless.runtime.supervision.notify import Notice, Notifier
    from rootless.runtime.supervision.plugs import Plugs
    from rootless.runtime.supervision.unread import Unread
else:
    import _signal

TIMED_OUT = 255
"""The exit code of a first process whose time was up."""

_SETTLED = 1000
"""Milliseconds without an event before the supervisor makes itself small."""

_QUIET = 15000
"""The same after the container has used its network: it may do so again soon."""


class Supervisor:
    """The loop around one running container."""

    def __init__(self, charge: Charge, *, new: bool) -> None:
        """`new` is whether the container has just started."""
        self._charge = charge
        self._loop = Loop()
        self._log = writer(charge["log"])
        self._output = Output(self._loop, self._deliver)
        for fd, stream in charge["outputs"].items():
            self._output.add(int(fd), stream)
        has_terminal = charge["terminal"] >= 0
        self._input = Input(self._loop, charge["stdin"], is_terminal=has_terminal)
        self._clients = Clients(self._loop, charge["listener"])
        self._clients.on_input = self._input.write
        self._clients.on_resize = self._resize
        self._clients.on_backlog = self._output.pause
        self._clients.on_lost = self._lose
        self._input.on_backlog = self._clients.pause
        self._ended = self._starts_again = False
        self._unread: dict[int, Unread] = {}
        """The streams that have lost their reader, until somebody writes there."""
        self._killed_as = 0
        """The exit code of the first process, where it was us who have killed it."""
        self._unwritten = charge["unwritten"]
        self._health = self._watch_health(charge["health"])
        self._clients.on_check = self._check
        self._patience: int | None = None
        """Milliseconds without an event until it makes itself small, None where it is."""
        own = charge["ports"] if charge["link"] >= 0 else []
        self._uplink = Uplink(self._loop, charge["link"], charge["network"], own)
        self._uplink.find_zone = self._find_zone
        self._uplink.on_wake = self._grow
        self._uplink.on_need = self._give_way
        self._plugs: Plugs | None = None
        if charge["plugs"]:
            self._make_plugs()
        if charge["link"] >= 0 or charge["plugs"]:
            self._clients.on_ports = self._change_ports
        self._clients.on_networks = self._change_networks
        self._notifier = self._make_notifier(charge["notice"])
        if new and self._notifier is not None:
            self._notifier.started()
        self._loop.watch(charge["init"], select.POLLIN, self._on_end)
        if charge["deadline"]:
            self._loop.at(charge["deadline"], self._run_out)
        _signal.signal(_signal.SIGTERM, lambda *_: self._on_term())
        _signal.signal(_signal.SIGALRM, lambda *_: self._signal(_signal.SIGKILL))
        _signal.signal(_signal.SIGCHLD, lambda *_: self._reap_orphans())

    def run(self, *, small: bool) -> NoReturn:
        """Live until the container has ended. Never returns."""
        self._patience = None if small else _SETTLED
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        try:
            self._take_up()
            while not self._ended:
                self._turn()
            if interpreter.is_replaced():
                self._uplink.close()  # what its connections hold
                self._pass_on()
            self._end()
        finally:
            os._exit(self._charge["state"].get("exit_code", 0))

    def _take_up(self) -> None:
        """Go on with what was under way in the life before this one."""
        charge = self._charge
        if charge["input"]:
            self._input.write(charge["input"].encode("latin-1"))
        if charge["input_ends"]:
            self._input.write(b"")
        for client in charge["clients"]:
            self._clients.add(client)

    def _turn(self) -> None:
        patience = self._patience
        try:
            happened = self._loop.turn(patience)
        except (ImportError, SyntaxError):
            # Files of ours are missing, or of two releases: an installer is at work.
            time.sleep(0.5)
            self._pass_on()
            raise
        if happened == 0 and patience is not None:
            self._become_small()
            if self._is_idle():
                self._patience = None  # it did not work: as it is, then

    def _deliver(self, stream: int, data: bytes) -> None:
        if stream in self._unread:
            self._look_who_writes(stream, data)
            return
        self._log.write(stream, data)
        self._clients.send(stream, data)

    def _resize(self, rows: int, columns: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        try:
            fcntl.ioctl(self._charge["terminal"], termios.TIOCSWINSZ, size)
        except (OSError, ValueError):
            pass  # there is none, or the last process has just closed it

    def _lose(self, stream: int) -> None:
        """Nobody reads a stream any more: who writes there is to know; a terminal is hung up."""
        from rootless.runtime.supervision import unread  # few lose their readers

        pid = self._charge["state"]["pid"]
        if self._charge["terminal"] >= 0:
            if not unread.expects(pid, _signal.SIGHUP):
                self._kill_for(_signal.SIGHUP)
            self._output.drop(stream)
            self._input.close()
            os.close(self._charge["terminal"])
            self._charge["terminal"] = -1
            return
        for fd in self._output.of(stream):
            self._unread[stream] = one = unread.Unread(pid, fd)
            if not one.is_open:
                self._close(stream)

    def _look_who_writes(self, stream: int, data: bytes) -> None:
        one = self._unread[stream]
        if not one.is_old(data):
            if one.is_by_first():
                self._kill_for(_signal.SIGPIPE)
            self._close(stream)

    def _close(self, stream: int) -> None:
        self._output.drop(stream)
        self._unread.pop(stream, None)

    def _kill_for(self, number: int) -> None:
        """End the first process as the signal `number` would, were it any other."""
        self._killed_as = 128 + number
        self._signal(_signal.SIGKILL)

    def _run_out(self) -> None:
        """End the first process: its time is up, which has an exit code of its own (podman)."""
        self._killed_as = TIMED_OUT
        self._signal(_signal.SIGKILL)

    def _on_end(self, _events: int) -> None:
        self._ended = True

    def _on_term(self) -> None:
        """A service manager, say, wants the container stopped."""
        self._charge["restart"] = restart.NEVER
        self._stop()

    def _stop(self) -> None:
        """Ask init to end, and end it after a while.

        The kernel keeps the time, also through execve(2): a handler may not touch the loop.
        """
        seconds = self._charge["stop_timeout"]
        self._signal(self._charge["stop_signal"] if seconds else _signal.SIGKILL)
        _signal.alarm(max(0, seconds))

    def _signal(self, number: int) -> None:
        try:
            _signal.pidfd_send_signal(self._charge["init"], number)
        except ProcessLookupError:
            pass  # it has ended already

    def _reap_orphans(self) -> None:
        """Reap what came to us because it has no pid namespace; not init, and no health check."""
        own = {self._charge["state"]["pid"], self._health.pid if self._health else -1}
        for pid in _children():
            if pid not in own:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass  # a signal came in between, and reaped it

    def _make_notifier(self, notice: Notice | None) -> Notifier | None:
        if notice is None:
            return None
        from rootless.runtime.supervision.notify import Notifier  # only services have one

        return Notifier(self._loop, notice)

    def _change_ports(self, client: Client, payload: bytes) -> None:
        """Publish other ports, and say so to the one who asked, when it is written down."""
        from rootless.runtime.supervision.uplink import read_wish

        self._give_way()
        try:
            added, removed = read_wish(payload, client.passed)
        except ValueError:
            client.close()  # who asked is told that it was not done
            return
        client.passed.clear()
        outside = self._uplink if self._charge["link"] >= 0 else self._make_plugs()
        try:
            for container, protocol in removed:
                outside.withdraw(container, protocol)
            for port in added:
                outside.publish(port)
        except OSError:
            client.close()
            return
        self._charge["ports"] = outside.ports
        self._charge["state"]["ports"] = [{**port, "fd": -1} for port in outside.ports]
        self._write_state()
        client.leave(streams.PORTS, b"")

    def _make_plugs(self) -> Plugs:
        """Return what serves the networks with names; most containers are on none."""
        if self._plugs is None:
            from rootless.runtime.supervision.plugs import Plugs

            self._plugs = Plugs(self._loop, self._charge)
        return self._plugs

    def _find_zone(self) -> Zone | None:
        """Return the names that the container knows beside those of its private network."""
        if not self._charge["plugs"]:
            return None
        from rootless.runtime.switch.table import View

        directory = self._charge["plugs"][0]["directory"]
        return View(None, os.path.basename(self._charge["directory"]), directory)

    def _change_networks(self, client: Client, payload: bytes) -> None:
        """Come onto a network with a name, or leave one; say how it went."""
        self._give_way()
        from rootless.errors import Error
        from rootless.oci import jsonio
        from rootless.runtime.supervision import plugs

        answer = {}
        try:
            self._make_plugs().change(jsonio.loads(payload))
        except (OSError, Error) as error:
            answer["error"] = getattr(error, "strerror", "") or str(error)
        except (ValueError, TypeError, KeyError):
            client.close()
            return
        self._uplink.look_again()
        self._charge["state"]["networks"] = plugs.shown(self._charge["plugs"])
        self._write_state()
        client.leave(streams.NETWORKS, jsonio.dump_bytes(answer))

    # -- health

    def _watch_health(self, checks: Checks | None) -> Health | None:
        if checks is None:
            return None
        from rootless.runtime.supervision.health import Health  # most containers have none

        health = Health(self._loop, checks, self._charge["root"], self._charge["directory"])
        health.on_status = self._note_health
        health.on_checked = self._catch_up
        health.on_action = self._act
        health.on_said = self._tell_result
        health.on_off = self._end_checks
        return health

    def _check(self, client: Client) -> None:
        """Run the health check at once, be it one that `update` has just wanted the first of."""
        if self._health is None:
            self._give_way()
            from rootless.runtime.supervision import health

            checks = health.changes(self._charge["directory"])
            if checks is None or checks.get(restart.OFF):
                client.leave(streams.CHECK, b"")
                return
            health.begin(checks, self._charge["directory"])
            self._charge["health"] = checks
            self._charge["state"]["health"] = checks["status"]
            self._write_state()
            self._health = self._watch_health(checks)
        if self._health is not None:
            self._health.answer(client)

    def _end_checks(self) -> None:
        """Nobody wants to know any more how the container is."""
        from rootless.runtime.supervision.health import forget

        if self._health is not None:
            self._health.end()
        self._health = self._charge["health"] = None
        forget(self._charge["directory"])
        self._charge["state"]["health"] = ""
        self._write_state()

    def _note_health(self, status: str) -> None:
        self._charge["state"]["health"] = status
        self._write_state()
        tell(self._charge, f"health_status: {status}")
        if status == "healthy" and self._notifier is not None:
            self._notifier.healthy()

    def _tell_result(self, output: str) -> None:
        tell(self._charge, f"health_status: {self._charge['state']['health']}", health_log=output)

    def _catch_up(self) -> None:
        """Write down what had no room on the disk before."""
        if self._unwritten:
            self._write_state()

    def _act(self, action: str) -> None:
        """Do what was asked for in case the container becomes unhealthy."""
        if action == "kill":
            self._signal(_signal.SIGKILL)
            return
        self._starts_again = action == "restart"
        if not self._starts_again:
            self._charge["restart"] = restart.NEVER
        self._stop()

    # -- memory

    def _grow(self) -> None:
        """The network was loaded; in the first moments that is the guest introducing itself."""
        if self._patience is None:
            self._patience = _QUIET

    def _become_small(self) -> None:
        """Execute the interpreter again with this module alone; return where it is impossible."""
        if self._is_idle():
            self._pass_on()

    def _give_way(self) -> None:
        """Let the installed files go on where they are not those that we were loaded from."""
        if interpreter.is_replaced():
            self._pass_on()

    def _pass_on(self) -> None:
        """Execute the interpreter again; return where it is impossible.

        All passes on but connections that the stack holds.
        """
        charge = self._charge
        for stream in list(self._unread):
            self._close(stream)
        charge["outputs"] = {str(fd): stream for fd, stream in self._output.sources.items()}
        charge["stdin"] = self._input.fd
        charge["input"] = self._input.waiting.decode("latin-1")
        charge["input_ends"] = self._input.ends
        charge["clients"] = self._clients.charges
        charge["unwritten"] = self._unwritten
        if self._health is not None:
            self._health.rest()
        name = os.path.basename(charge["directory"])
        kept = descriptors(charge)
        self._uplink.rest()
        handover.pass_on(charge, kept, "resume", name, site=interpreter.BARE)

    def _is_idle(self) -> bool:
        checked = self._health is None or self._health.is_idle
        own = self._input.is_idle and self._clients.are_idle and not self._unwritten
        return own and checked and not self._unread and self._uplink.is_idle

    # -- the end

    def _end(self) -> None:
        """Init has ended: keep how, deliver the rest, and start it again or clean up."""
        self._loop.unwatch(self._charge["init"])
        if self._health is not None:
            self._health.end()
        self._clients.close_listener()
        _forget(f"{self._charge['directory']}/{streams.SOCKET}")
        self._record_exit()
        self._uplink.close()
        if self._plugs is not None:
            self._plugs.close()
            for name in ("netns", "rtnetlink"):
                os.close(self._charge[name])
                self._charge[name] = -1
        self._read_rest()
        if self._charge["state"]["status"] == "restarting":
            self._clients.dismiss(self._charge["state"]["exit_code"])
            _forget(self._charge["membership"])
            go_again(self._charge)
        self._finish()

    def _record_exit(self) -> None:
        """Write down how init ended, and only then reap it: until then its pid is its own."""
        _signal.alarm(0)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # what we start from here on is our own
        state = self._charge["state"]
        result = os.waitid(os.P_PID, state["pid"], os.WEXITED | os.WNOWAIT)
        code = 255
        if result is not None:
            exited = result.si_code == os.CLD_EXITED
            code = result.si_status if exited else 128 + result.si_status
            if self._killed_as and code == 128 + _signal.SIGKILL:
                code = self._killed_as
        state.update(exit_code=code, finished=time.time())
        ran = max(0, int(state["finished"] - state["started"]))
        tell(self._charge, "die", exitCode=str(code), execDuration=str(ran))
        settle(self._charge, again=self._starts_again)
        _forget(f"{self._charge['directory']}/paused")
        reap_all()
        if self._charge["space"] >= 0:
            end_space(self._charge["space"])
        if state["cgroup"]:
            from rootless.runtime.supervision import cgroup

            cgroup.remove(state["cgroup"])

    def _write_state(self) -> None:
        charge = self._charge
        written = write_state(charge["directory"], charge["state"], durable=charge["durable"])
        self._unwritten = not written

    def _read_rest(self) -> None:
        """Take and deliver what was written before the end.

        In a pid namespace of its own nobody is left to write. Elsewhere somebody may hold the
        pipe for ever, so only what is there already is taken. A slow client is not waited for:
        what pipes hold is little, and others wait for the end (stop, rm).
        """
        self._clients.on_backlog = lambda _full: None
        self._output.pause(False)
        while self._output.sources and self._loop.turn(0):
            pass
        self._log.finish()

    def _finish(self) -> None:
        """Clean up, and tell the clients the exit code when all else is done."""
        charge = self._charge
        self._uplink.unpublish()
        # What is done inside U is done in ours, which is there already.
        clean_up(charge["root"], charge["directory"])
        _forget(charge["membership"])
        os.close(charge["userns"])
        os.close(charge["alive"])  # the life lock: for all but the clients, this is the end
        self._clients.dismiss(charge["state"]["exit_code"])
        if charge["durable"]:
            events.sync(charge["root"])


def resume(handed: int) -> NoReturn:
    """Go on as the supervisor whose charge is in the file `handed`. Never returns."""
    charge = upgraded(handover.receive(handed))
    supervisor = Supervisor(charge, new=False)
    handover.adopt(handed, descriptors(charge))
    set_name()
    supervisor.run(small=True)


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it was not there, or somebody found it stale


def set_name() -> None:
    """Set the name that ps shows of this process."""
    with open("/proc/self/comm", "w", encoding="utf-8") as file:
        file.write("rootless-super")


def clean_up(root: str, directory: str) -> None:
    """Call the door `after_exit`: what this part knows nothing of."""
    module = __import__("rootless.doors", fromlist=["after_exit"])
    module.after_exit(root, directory)


def reap_all() -> None:
    """End and reap what is left below us: fuse-overlayfs, or a tree without a pid namespace."""
    while True:
        for pid in _children():
            os.kill(pid, _signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def end_space(space: int) -> None:
    """Kill what `exec` has started in a container that has no pid namespace of its own.

    `space` is its mount namespace; it is closed. Open it kept its number for itself: the kernel
    gives that of a namespace which has gone to the next one, and strangers would be killed.
    """
    from rootless.runtime.supervision.members import left_in

    number = os.fstat(space).st_ino
    while pids := left_in(number):
        for pid in pids:
            try:
                os.kill(pid, _signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has just ended
        time.sleep(0.01)  # they are not our children: nothing tells of their end
    os.close(space)


def _children() -> list[int]:
    """Return the pids of the direct children of this process (proc(5), CONFIG_PROC_CHILDREN)."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="utf-8") as file:
        return [int(pid) for pid in file.read().split()]
