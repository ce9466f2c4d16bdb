"""The process of a network with a name that is in use: uplink, name service, published ports.

     container ── veth ──┐
     container ── veth ──┤ bridge ── TAP ── Stack ── sockets of the host
                         └ in a network namespace of its own

What containers say to each other passes the bridge alone, in the kernel. The process starts with
the first container and ends soon after the last. It becomes small as a supervisor does: with
nothing to do it executes the interpreter again, and loads the stack with the next packet for us.

Each supervisor of a member holds the descriptors of the segment as well. So it lives on when this
process is killed, and the next one goes on with it.
"""

from __future__ import annotations

import _socket
import os
import select
import time

from rootless.linux import interpreter
from rootless.linux.loop import Loop
from rootless.runtime.supervision import handover
from rootless.runtime.switch import messages, place, wiring
from rootless.runtime.switch.table import Table, View, settings_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any, NoReturn, TypedDict

    from rootless.netstack import dns
    from rootless.netstack.addresses import Member as Guest
    from rootless.netstack.ports import Listener
    from rootless.netstack.stack import Stack
    from rootless.runtime.spec import Segment, Wire
    from rootless.runtime.switch.table import Address, Member

    class Charge(TypedDict):
        """What a switch holds: plain values, so that they outlive execve(2)."""

        version: int
        directory: str
        segment: Segment
        members: list[Member]
        listener: int
        netlink: int
        tap: int
        space: int
        userns: int
        """The user namespace, only kept open."""
        membership: str
        """File that offers it to others; removed at the end."""
else:
    import _signal

VERSION = 1

_HELD = ("listener", "netlink", "tap", "space", "userns")

_LINGER = 0.5
"""Seconds that a network without containers waits for the next one."""

_RETURN = 10.0
"""Seconds that those whom a killed switch has left have for coming back to their addresses."""

_SETTLED, _QUIET = 1000, 15000
"""Milliseconds without an event before it makes itself small: at first, and with the stack."""


class Switch:
    """The loop around one segment."""

    def __init__(self, charge: Charge) -> None:
        self._charge = charge
        self._loop = Loop()
        self._table = Table(charge["segment"], charge["directory"], charge["members"])
        self._netlink = _socket.socket(fileno=os.dup(charge["netlink"]))
        self._stack: Stack | None = None
        self._listeners: dict[str, list[Listener]] = {}
        self._connections: dict[int, _socket.socket] = {}
        self._owners: dict[int, str] = {}
        """Connection -> the container that came by it."""
        self._patience: int | None = None
        self._end = -1
        """The timer of the end."""
        listener = charge["listener"]
        self._listener = _socket.socket(fileno=os.dup(listener))
        self._listener.setblocking(False)
        self._loop.watch(self._listener.fileno(), select.POLLIN, self._accept)
        self._loop.watch(charge["tap"], select.POLLIN, self._wake)
        if self._table.left:
            self._loop.at(time.monotonic() + _RETURN, self._table.left.clear)
        for member in charge["members"]:
            self._know(_socket.socket(fileno=member["fd"]), member["id"])
            self._listen(member)
        self._await_end()

    def run(self, *, small: bool) -> NoReturn:
        """Live until nobody is on the network any more. Never returns."""
        self._patience = None if small else _SETTLED
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        try:
            while True:
                if not self._loop.turn(self._patience) and self._patience is not None:
                    self._become_small()
        finally:
            os._exit(0)

    # -- members

    def _accept(self, _events: int) -> None:
        try:
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return  # it has gone again
        self._know(_socket.socket(fileno=fd), "")
        self._loop.cancel(self._end)

    def _know(self, sock: _socket.socket, container: str) -> None:
        fd = sock.fileno()
        sock.setblocking(False)
        self._connections[fd] = sock
        self._owners[fd] = container
        self._loop.watch(fd, select.POLLIN, lambda _: self._hear(sock))

    def _hear(self, sock: _socket.socket) -> None:
        try:
            found = messages.receive(sock)
        except BlockingIOError:
            return
        except OSError:
            found = None
        if found is None:
            self._lose(sock)
            return
        wish, fds = found
        try:
            answer, given = self._answer(sock, wish, fds)
        except (ValueError, TypeError, KeyError) as error:
            answer, given = {"error": str(error)}, []
        except OSError as error:
            answer, given = {"error": error.strerror or str(error)}, []
        finally:
            for fd in fds:
                os.close(fd)
        try:
            messages.send(sock, answer, given)
        except OSError:
            pass  # it has gone: we hear of that

    def _answer(
        self, sock: _socket.socket, wish: dict[str, Any], fds: list[int]
    ) -> tuple[dict[str, Any], list[int]]:
        """Do what a supervisor wants; return the answer. Descriptors that stay are taken out."""
        charge = self._charge
        if "attach" in wish:
            address = self._attach(sock, wish, fds)
            return {"address": address}, [charge["netlink"], charge["tap"], charge["space"]]
        if "space" in wish:
            return {}, [charge["space"]]
        member = self._table.members[self._owners[sock.fileno()]]
        if "publish" in wish:
            for port in wish["publish"]:
                port.update(fd=fds.pop(0), guest=member["ipv4"])
                member["ports"].append(port)
            self._listen(member)
        elif "withdraw" in wish:
            self._withdraw(member, [tuple(one) for one in wish["withdraw"]])
        elif "names" in wish:
            member["names"] = _lower(wish["names"])
            self._table.add(member)
        else:
            raise ValueError("a newer release is needed for that")
        return {}, []

    def _attach(self, sock: _socket.socket, wish: dict[str, Any], fds: list[int]) -> Address:
        wire: Wire = wish["attach"]
        container, known = str(wish["id"]), wish.get("known")
        self._leave(container)  # of an earlier life, whose end we have not heard of yet
        address: Address
        if known:
            address = known
        else:
            address = self._table.address(container, wire)
            laid: Wire = {**wire, **address}
            cable = wiring.cable(container)
            wiring.plug(self._charge["segment"], self._netlink, cable, laid, (fds[0], fds[1]))
        member: Member = {
            **address,
            "id": container,
            "names": _lower(wire["names"]),
            "servers": wire["servers"],
            "ports": [],
            "fd": sock.fileno(),
        }
        self._owners[sock.fileno()] = container
        self._table.add(member)
        if self._stack is not None:
            self._add_guest(self._stack, member)
        return address

    def _lose(self, sock: _socket.socket) -> None:
        """A supervisor has hung up."""
        fd = sock.fileno()
        container = self._owners.pop(fd)
        self._loop.unwatch(fd)
        del self._connections[fd]
        sock.close()
        member = self._table.members.get(container)
        if member is not None and member["fd"] == fd:
            self._leave(container)
        self._await_end()

    def _leave(self, container: str) -> None:
        member = self._table.members.get(container)
        if member is None:
            return
        for listener in self._listeners.pop(container, []):
            listener.close()
        self._table.drop(container)
        if self._stack is not None:
            self._stack.remove_guest(member["ipv4"])
        wiring.unplug(self._netlink, wiring.cable(container))

    # -- ports

    def _listen(self, member: Member) -> None:
        """Publish those of the member's ports that are not published yet."""
        from rootless.netstack.ports import Listener  # few networks publish nothing, but some

        there = self._listeners.setdefault(member["id"], [])
        known = {listener.port["fd"] for listener in there}
        for port in member["ports"]:
            if port["fd"] not in known:
                there.append(Listener(self._loop, port, self._loaded))

    def _withdraw(self, member: Member, wanted: list[tuple[Any, ...]]) -> None:
        """Publish these ports of the container no more; their connections stay."""
        listeners = self._listeners.get(member["id"], [])
        for listener in list(listeners):
            port = listener.port
            if (port["container"], port["protocol"]) in wanted:
                listener.close()
                listeners.remove(listener)
                member["ports"].remove(port)

    # -- the stack

    def _wake(self, events: int) -> None:
        self._loaded().receive(events)

    def _loaded(self) -> Stack:
        """Return the stack, which is made when it is needed first."""
        if self._stack is None:
            if interpreter.is_replaced():
                self._pass_on()
            from rootless.linux import files
            from rootless.netstack.stack import Stack

            servers = _servers(self._charge["segment"]["servers"])
            settings = settings_of(self._charge["segment"])
            self._stack = Stack(self._loop, self._charge["tap"], settings, servers)
            self._stack.limit(files.allow_many() * 3 // 4)
            for member in self._table.members.values():
                self._add_guest(self._stack, member)
            self._patience = _QUIET
        return self._stack

    def _add_guest(self, stack: Stack, member: Member) -> None:
        guest: Guest = {"guest": member["ipv4"], "guest6": member["ipv6"], "mac": member["mac"]}
        own = _servers(member["servers"]) if member["servers"] else None
        added = stack.add_guest(guest, own)
        segment = self._charge["segment"]
        if segment["resolves"] or segment["internal"]:
            table = self._table if segment["resolves"] else None
            added.zone = View(table, member["id"], self._charge["directory"])
            # Or a question would leave a network that leads nowhere (CVE-2024-29018).
            added.zone.closed = segment["internal"]

    # -- memory, and the end

    def _become_small(self) -> None:
        if self._stack is None or self._stack.is_idle:
            self._pass_on()
        if self._stack is None:
            self._patience = None  # it did not work: as it is, then

    def _pass_on(self) -> None:
        """Execute the interpreter again; return where it is impossible."""
        from rootless.linux import files

        charge = self._charge
        if self._stack is not None:
            files.allow_as_before()
        charge["members"] = list(self._table.members.values())
        name = charge["segment"]["name"]
        handover.pass_on(charge, _descriptors(charge), "switch", name, site=interpreter.BARE)

    def _await_end(self) -> None:
        self._loop.cancel(self._end)
        if not self._connections:
            self._end = self._loop.at(time.monotonic() + _LINGER, self._finish)

    def _finish(self) -> None:
        """Nobody is there: end, unless somebody comes at this very moment."""
        with place.locked(self._charge["directory"]):
            self._accept(0)
            if self._connections:
                return
            self._table.forget()
            place.forget(self._charge["directory"])
            os.unlink(self._charge["membership"])
            if self._stack is not None:
                self._stack.close()
            os._exit(0)


def _descriptors(charge: Charge) -> list[int]:
    """Return all that is open and passes on with the charge."""
    found = [charge[name] for name in _HELD]  # type: ignore[literal-required]
    found += [member["fd"] for member in charge["members"]]
    return found + [port["fd"] for member in charge["members"] for port in member["ports"]]


def _lower(names: list[str]) -> list[str]:
    return [name.lower() for name in names]


def _servers(chosen: list[str]) -> dns.Servers:
    from rootless.netstack import dns

    return dns.Given(chosen) if chosen else dns.Servers()


def begin(charge: Charge) -> NoReturn:
    """Be the switch of a segment that was just made, or is taken over. Never returns."""
    set_name()
    Switch(charge).run(small=False)


def resume(handed: int) -> NoReturn:
    """Go on as the switch whose charge is in the file `handed`. Never returns."""
    charge: Charge = handover.receive(handed)
    switch = Switch(charge)
    handover.adopt(handed, _descriptors(charge))
    set_name()
    switch.run(small=True)


def set_name() -> None:
    """Set the name that ps shows of this process."""
    with open("/proc/self/comm", "w", encoding="utf-8") as file:
        file.write("rootless-net")
