"""The supervisor's plugs: the networks with names that its container is on.

A connection to the switch of each is all that is watched. When one breaks, that switch was killed:
what we hold of the segment goes to a new one, and the container has never left.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import select
import time

from rootless.runtime.switch import client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.linux.loop import Loop
    from rootless.netstack.ports import Port
    from rootless.runtime.spec import Wire
    from rootless.runtime.supervision.charge import Charge
    from rootless.runtime.switch.client import Plug

_AGAIN = 1.0
"""Seconds until the next try where there is no new switch to be had."""


class Plugs:
    """All of one container, watched."""

    def __init__(self, loop: Loop, charge: Charge) -> None:
        self._loop = loop
        self._charge = charge
        for plug in charge["plugs"]:
            self._watch(plug)

    def _watch(self, plug: Plug) -> None:
        self._loop.watch(plug["fd"], select.POLLIN, lambda _: self._mend(plug))

    def _guest(self) -> client.Guest:
        runtime = os.path.dirname(os.path.dirname(self._charge["plugs"][0]["directory"]))
        return self._guest_of(runtime)

    def _guest_of(self, runtime: str) -> client.Guest:
        charge = self._charge
        mode = os.path.basename(os.path.dirname(charge["membership"]))
        container = os.path.basename(charge["directory"])
        return client.Guest(container, (mode, charge["userns"]), runtime)

    def _mend(self, plug: Plug) -> None:
        """The switch has gone, without having been left."""
        if plug not in self._charge["plugs"]:
            return
        if plug["fd"] >= 0:
            self._loop.unwatch(plug["fd"])
        try:
            self._guest().mend(plug)
            if plug is publisher(self._charge["plugs"]) and self._charge["link"] < 0:
                client.publish(plug, self._charge["ports"])
        except OSError:
            self._loop.at(time.monotonic() + _AGAIN, lambda: self._mend(plug))
            return
        self._watch(plug)

    # -- ports, as Uplink has them

    @property
    def ports(self) -> list[Port]:
        """What is published now."""
        return self._charge["ports"]

    def publish(self, port: Port) -> None:
        """Publish a further port. Owns its descriptor. Raises OSError."""
        plug = publisher(self._charge["plugs"])
        if plug is not None:
            client.publish(plug, [port])
        self._charge["ports"].append(port)

    def withdraw(self, container: int, protocol: str) -> None:
        """Publish a port of the container no more; its connections stay. Raises OSError."""
        plug = publisher(self._charge["plugs"])
        if plug is not None:
            client.withdraw(plug, [(container, protocol)])
        for port in list(self._charge["ports"]):
            if (port["container"], port["protocol"]) == (container, protocol):
                os.close(port["fd"])
                self._charge["ports"].remove(port)

    # -- coming and going

    def change(self, wish: dict[str, Any]) -> None:
        """Do what a NETWORKS frame wants (see `streams`). Raises LaunchError, OSError."""
        if "attach" in wish:
            self._attach(wish["attach"], wish["runtime"])
        elif "detach" in wish:
            self._detach(wish["detach"])
        else:
            for plug in self._charge["plugs"]:
                client.rename(plug, wish["names"][plug["wire"]["segment"]["id"]])

    def _attach(self, wire: Wire, runtime: str) -> None:
        charge = self._charge
        if charge["rtnetlink"] < 0:
            charge["netns"], charge["rtnetlink"] = _opened(charge)
        plug = self._guest_of(runtime).attach(wire, charge["netns"], charge["rtnetlink"])
        before = publisher(charge["plugs"])
        charge["plugs"].append(plug)
        if before is None and charge["ports"] and charge["link"] < 0:
            client.publish(plug, charge["ports"])
        self._watch(plug)

    def _detach(self, network: str) -> None:
        charge = self._charge
        for plug in charge["plugs"]:
            if plug["wire"]["segment"]["id"] == network:
                break
        else:
            return  # it has gone meanwhile
        was = plug is publisher(charge["plugs"]) and charge["link"] < 0
        charge["plugs"].remove(plug)
        self._loop.unwatch(plug["fd"])
        client.close(plug)
        after = publisher(charge["plugs"])
        if was and after is not None:
            client.publish(after, charge["ports"])
        if plug["wire"]["route"] and after is not None and not after["wire"]["segment"]["internal"]:
            after["wire"]["route"] = True
            _route(charge, after)

    def close(self) -> None:
        """The container has ended."""
        for plug in self._charge["plugs"]:
            self._loop.unwatch(plug["fd"])
            client.close(plug)
        self._charge["plugs"].clear()


def publisher(plugs: list[Plug]) -> Plug | None:
    """Return the one through which ports are published: the first that leads anywhere."""
    found = [plug for plug in plugs if not plug["wire"]["segment"]["internal"]]
    return next(iter(found or plugs), None)


def shown(plugs: list[Plug]) -> dict[str, Any]:
    """Return what state.json has of them: name of the network -> addresses."""
    return {
        plug["wire"]["segment"]["name"]: {
            **plug["address"],
            "id": plug["wire"]["segment"]["id"],
            "gateway": plug["wire"]["segment"]["gateway"],
            "prefix": plug["wire"]["segment"]["prefix"],
            "gateway6": plug["wire"]["segment"]["gateway6"],
            "prefix6": plug["wire"]["segment"]["prefix6"],
            "names": plug["wire"]["names"],
            "route": plug["wire"]["route"],
        }
        for plug in plugs
    }


def host_lines(plugs: list[Plug], names: list[str]) -> bytes:
    """Return lines of /etc/hosts by which the container finds itself."""
    text = "".join(f"{plug['address']['ipv4']}\t{' '.join(names)}\n" for plug in plugs)
    return text.encode()


def _opened(charge: Charge) -> tuple[int, int]:
    """Return the network namespace of a container, and a socket of rtnetlink(7) in it."""
    from rootless.linux import namespaces, process, rtnetlink
    from rootless.runtime.switch import messages

    pid = charge["state"]["command_pid"]
    netns = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            namespaces.setns(charge["userns"], namespaces.CLONE_NEWUSER)
            namespaces.setns(netns, namespaces.CLONE_NEWNET)
            link = rtnetlink.opened()
            messages.send(theirs, {}, [link.fileno()])
        finally:
            os._exit(0)
    theirs.close()
    try:
        found = messages.receive(ours)
    finally:
        ours.close()
        process.reap(child)
    if found is None or not found[1]:
        os.close(netns)
        raise OSError(0, "its network namespace cannot be entered")
    return netns, found[1][0]


def _route(charge: Charge, plug: Plug) -> None:
    """Let the container reach the world by another segment than before."""
    from rootless.linux import rtnetlink
    from rootless.netstack.addresses import pack

    segment = plug["wire"]["segment"]
    with contextlib.closing(_socket.socket(fileno=os.dup(charge["rtnetlink"]))) as link:
        index = rtnetlink.index_of(plug["address"]["interface"], link)
        gateways = [segment["gateway"]] + [segment["gateway6"]] * bool(plug["address"]["ipv6"])
        rtnetlink.apply([rtnetlink.default_route(index, pack(one)) for one in gateways], link)


def publish(plugs: list[Plug], ports: list[Port]) -> None:
    """Publish the ports of a container that starts. Raises LaunchError."""
    from rootless.errors import LaunchError

    plug = publisher(plugs)
    if plug is not None and ports:
        try:
            client.publish(plug, ports)
        except OSError as error:
            name = plug["wire"]["segment"]["name"]
            raise LaunchError(f"cannot publish ports through network {name}: {error}") from error
