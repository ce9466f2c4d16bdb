"""What a supervisor holds, and what is told and written down of its container.

Plain values, so that they outlive execve(2) (`handover`): a process may have several lives.
"""

from __future__ import annotations

import os

from rootless.errors import Error
from rootless.linux import interpreter
from rootless.runtime.supervision import handover, restart
from rootless.store import events, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from rootless.netstack.addresses import Settings
    from rootless.netstack.ports import Port
    from rootless.runtime.logs.charge import LogCharge
    from rootless.runtime.supervision.clients import ClientCharge
    from rootless.runtime.supervision.health import Checks
    from rootless.runtime.supervision.notify import Listening, Notice
    from rootless.runtime.switch.client import Plug

    class Charge(TypedDict):
        """What a supervisor holds: plain values, so that they outlive execve(2).

        The next life may be of another release. Keys are added where a neutral value is among
        `_NEUTRAL`; whoever changes what one means raises VERSION, and `upgraded` translates.
        """

        version: int
        root: str
        """The data directory."""
        directory: str
        """The container's own."""
        event: dict[str, Any]
        """id, name, attributes and image_name of the container's events."""
        durable: bool
        """Whether the records of this container must outlive a power cut."""
        state: dict[str, Any]
        """state.json."""
        unwritten: bool
        """Whether the disk had no room for the state."""
        membership: str
        """File that offers our user namespace to others; removed at the end."""
        init: int
        """pidfd of the container's first process."""
        outputs: dict[str, int]
        """Descriptor -> stream."""
        stdin: int
        input: str
        """What the container has not taken yet of its input (Latin-1)."""
        input_ends: bool
        """Whether nothing more comes after that."""
        terminal: int
        """Master side, -1 without one."""
        link: int
        """Our end of the private network, -1 without one."""
        network: Settings | None
        """Its addresses."""
        ports: list[Port]
        """What is published."""
        plugs: list[Plug]
        """The networks with names that the container is on."""
        netns: int
        """Its network namespace where it is on such, else -1."""
        rtnetlink: int
        """What that is changed by (linux.rtnetlink), -1 likewise."""
        clients: list[ClientCharge]
        listener: int
        """Socket through which others attach, -1 without one."""
        log: LogCharge
        alive: int
        """The life lock."""
        userns: int
        """The user namespace, only kept open."""
        space: int
        """The mount namespace of a container without a pid namespace of its own, else -1."""
        restart: str
        """Restart policy."""
        delay: float
        """Seconds that the container waited for this start, 0 for the first."""
        deadline: float
        """When it is killed (time.monotonic), 0 for never."""
        health: Checks | None
        notice: Notice | None
        listening: Listening | None
        stop_signal: int
        stop_timeout: int


VERSION = 1
"""Of what a charge means. That of the release before the first with a number is 0."""

_NEUTRAL: dict[str, Any] = {
    "unwritten": False,
    "stdin": -1,
    "input": "",
    "input_ends": False,
    "terminal": -1,
    "link": -1,
    "network": None,
    "ports": [],
    "plugs": [],
    "netns": -1,
    "rtnetlink": -1,
    "clients": [],
    "listener": -1,
    "space": -1,
    "delay": 0.0,
    "deadline": 0.0,
    "health": None,
    "notice": None,
    "listening": None,
}
"""What a charge of another release may be without."""


def client_of(fd: int, *, first: bool) -> ClientCharge:
    """Return a client that has just been attached."""
    return {
        "fd": fd,
        "first": first,
        "attached": True,
        "unsent": "",
        "missed": 0,
        "unread": "",
        "passed": [],
    }


def upgraded(charge: dict[str, Any]) -> Charge:
    """Return a charge of any release as one of this.

    Of a newer one it takes what it knows: for one release, that keeps what keys mean.
    """
    whole = {**_NEUTRAL, **charge}
    if charge.get("version", 0) < 1:
        whole["clients"] = [client_of(fd, first=bool(first)) for fd, first in whole["clients"]]
    whole["version"] = VERSION
    return whole  # type: ignore[return-value]


def descriptors(charge: Charge) -> list[int]:
    """Return all that is open and passes on with the charge."""
    names = ["init", "stdin", "terminal", "link", "listener", "alive", "userns", "space"]
    names += ["netns", "rtnetlink"]
    found = [int(charge[name]) for name in names]  # type: ignore[literal-required]
    found.append(charge["log"]["fd"])
    if charge["notice"] is not None:
        found.append(charge["notice"]["fd"])
    found += handed_over(charge)
    found += [fd for client in charge["clients"] for fd in (client["fd"], *client["passed"])]
    found += [port["fd"] for port in charge["ports"]]
    held = ("fd", "netlink", "tap", "space")
    found += [plug[name] for plug in charge["plugs"] for name in held]  # type: ignore[literal-required]
    return [fd for fd in (*found, *map(int, charge["outputs"])) if fd >= 0]


def handed_over(charge: Charge) -> list[int]:
    """Return the sockets that a service manager has handed to the container (sd_listen_fds(3))."""
    return list(range(3, 3 + charge["listening"]["count"])) if charge["listening"] else []


def settle(charge: Charge, *, again: bool = False) -> None:
    """Write down that the container has ended: for good, or until its next start."""
    state = charge["state"]
    policy, count = _policy(charge), state.get("restart_count", 0)
    again = again or restart.is_wanted(policy, state["exit_code"], count)
    state["status"] = "exited"
    if again and not os.path.exists(f"{charge['directory']}/{restart.STOPPED}"):
        ran = state["finished"] - state["started"]
        charge["delay"] = restart.next_delay(charge["delay"], ran)
        state.update(status="restarting", restart_count=count + 1)
    write_state(charge["directory"], state, durable=charge["durable"])


def _policy(charge: Charge) -> str:
    """Return the restart policy, which `update` may have changed."""
    directory = charge["directory"]
    if charge["restart"] != restart.NEVER and os.path.exists(f"{directory}/{restart.UPDATED}"):
        try:
            charge["restart"] = str(records.read_record(f"{directory}/config.json")["restart"])
        except (OSError, KeyError, Error):
            pass  # removed, or damaged: as it was
    return charge["restart"]


def go_again(charge: Charge) -> None:
    """Wait as the restart policy wants, and start the container anew in this same process.

    Returns only where somebody stops the container meanwhile; that is written down then.
    """
    directory = charge["directory"]
    if restart.rest(directory, charge["delay"]):
        tell(charge, restart.AGAIN)
        kept = [charge["alive"], *handed_over(charge), *(port["fd"] for port in charge["ports"])]
        name = os.path.basename(directory)
        # A filter that is not in the cache is compiled by a library.
        handover.pass_on(charge, kept, "again", name, site=interpreter.ISOLATED)
    charge["state"]["status"] = "exited"
    write_state(directory, charge["state"], durable=charge["durable"])


def tell(charge: Charge, action: str, **attributes: str) -> None:
    """Record an event of the container; it is synced later, when nobody waits."""
    event = charge["event"]
    _follow_rename(charge["directory"], event)
    every = {**event["attributes"], **attributes}
    told = events.happened("container", action, event["id"], event["name"], every)
    whole = {"image_name": event.get("image_name", "")}  # not in charges of before
    if action == "start":
        _tell_of_volumes(charge, "mount")
    events.record(charge["root"], {**told, **whole}, durable=False)
    if action == "die":
        _tell_of_volumes(charge, "unmount")


def _tell_of_volumes(charge: Charge, action: str) -> None:
    """Tell of the volumes that it has, as docker does."""
    for name, destination in charge["event"].get("volumes", ()):  # not in charges of before
        about = {"container": charge["event"]["id"], "destination": destination, "driver": "local"}
        happened = events.happened("volume", action, name, name, about)
        events.record(charge["root"], happened, durable=False)


def _follow_rename(directory: str, event: dict[str, Any]) -> None:
    """Know the container by the name that it has now. Most keep theirs: then its link is there."""
    base, identity = os.path.split(directory)
    try:
        if os.readlink(f"{base}/.names/{event['name']}") == identity:
            return
    except OSError:
        pass  # it was renamed, or removed
    try:
        name = records.read_record(f"{directory}/config.json")["name"]
    except (OSError, KeyError, Error):
        return  # removed, or damaged
    event["name"] = event["attributes"]["name"] = name


def reason(error: BaseException) -> dict[str, Any]:
    """Return what state.json keeps of a start that failed: its words, and those for a front end."""
    said = error.marked if isinstance(error, Error) else (str(error), "")
    return {"error": str(error), "reason": said}


ROOM = 512
"""Bytes that a container's state may grow by until its end, and has on the disk from its start."""


def write_state(directory: str, state: dict[str, Any], *, durable: bool) -> bool:
    """Write state.json; False where it could not be: whoever looks finds what was before.

    A full disk is no reason not to say how a container has ended, or that it is not healthy: what
    was said before has room for that.
    """
    name = "state.json"
    try:
        records.write_record(directory, name, state, durable=durable, room=ROOM)
    except Error:
        try:
            records.overwrite_record(directory, name, state, durable=durable)
        except OSError:
            return False
    return True
