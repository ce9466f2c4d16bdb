"""Who is on a segment: addresses, and the names that stand for them.

The table lies in a file as well, for who looks at the network, for the switches of others that a
container is on as well, and for the switch that comes after one that was killed.
"""

from __future__ import annotations

import os

from rootless.netstack.addresses import pack, unpack
from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypedDict

    from rootless.netstack.addresses import Settings
    from rootless.netstack.ports import Port
    from rootless.runtime.spec import Segment, Wire

    class Address(TypedDict):
        """How a container is known on a segment: plain values."""

        ipv4: str
        ipv6: str
        """Empty without IPv6."""
        mac: str
        interface: str
        """In the container."""

    class Member(Address):
        """One container on a segment."""

        id: str
        names: list[str]
        """In lower case."""
        servers: list[str]
        """See Wire."""
        ports: list[Port]
        """What is published, with our descriptors."""
        fd: int
        """The connection of its supervisor."""


FILE = "members.json"

ZONE = "dns.podman"
"""The domain in which names are looked up as well: what podman's users have in their files."""


class Table:
    """The members of one segment."""

    def __init__(self, segment: Segment, directory: str, members: Iterable[Member]) -> None:
        self.segment = segment
        self._path = f"{directory}/{FILE}"
        self.members = {member["id"]: member for member in members}
        self.left = {} if self.members else self._read_left()
        """Addresses of those whom a switch that was killed has left: container -> (v4, v6)."""
        self._next: dict[str, int] = {}
        self._turn = 0
        self._names: dict[str, list[Member]] = {}
        self._index()

    def _read_left(self) -> dict[str, tuple[str, str]]:
        try:
            with open(self._path, encoding="utf-8") as file:
                return {one["id"]: (one["ipv4"], one["ipv6"]) for one in read(file.read())}
        except OSError:
            return {}  # the first of this network

    # -- addresses

    def address(self, container: str, wire: Wire) -> Address:
        """Choose what a container gets. Raises ValueError, whose text says what is taken."""
        segment = self.segment
        first, last = segment["range"]
        ipv4 = self._choose(container, (first, last), wire["ipv4"], wire["before"][0])
        ipv6 = ""
        if segment["gateway6"]:
            low, high = segment["range6"]
            ipv6 = self._choose(container, (low, high), wire["ipv6"], wire["before"][1])
        mac = wire["mac"] or "02:42:" + pack(ipv4).hex(":")  # as docker makes them
        if any(mac == one["mac"] for one in self._others(container)):
            raise ValueError(f"the link address {mac} is taken")
        return {"ipv4": ipv4, "ipv6": ipv6, "mac": mac, "interface": wire["interface"]}

    def _choose(self, container: str, span: tuple[str, str], wanted: str, before: str) -> str:
        taken = {self.segment["gateway"], self.segment["gateway6"]}
        for one in self._others(container):
            taken.update((one["ipv4"], one["ipv6"]))
        for other, addresses in self.left.items():
            if other != container:
                taken.update(addresses)
        if wanted:
            if wanted in taken:
                raise ValueError(f"the address {wanted} is taken")
            return wanted
        if (
            before
            and before not in taken
            and _number(span[0]) <= _number(before) <= _number(span[1])
        ):
            return before
        return self._free(span, taken)

    def _free(self, span: tuple[str, str], taken: set[str]) -> str:
        """The next one that nobody has; those that were given back last come last."""
        low, high = map(_number, span)
        size = len(pack(span[0]))
        start = self._next.get(span[0], low)
        for step in range(min(high - low + 1, len(taken) + 1 + start - low)):
            number = low + (start - low + step) % (high - low + 1)
            found = unpack(number.to_bytes(size, "big"))
            if found not in taken:
                self._next[span[0]] = number + 1
                return found
        raise ValueError(f"no address between {span[0]} and {span[1]} is free")

    def _others(self, container: str) -> list[Member]:
        return [one for one in self.members.values() if one["id"] != container]

    # -- who comes and goes

    def add(self, member: Member) -> None:
        """Know a further container, or one by other names."""
        self.members[member["id"]] = member
        self.left.pop(member["id"], None)
        self._index()
        self.write()

    def drop(self, container: str) -> None:
        """Know one no more."""
        self.members.pop(container, None)
        self._index()
        self.write()

    def _index(self) -> None:
        self._names = {}
        for member in self.members.values():
            for name in dict.fromkeys(member["names"]):
                self._names.setdefault(name, []).append(member)

    def write(self) -> None:
        """Write the file; where that fails it is as it was."""
        shown = ("id", "names", "ipv4", "ipv6", "mac", "interface")
        found = [{key: one[key] for key in shown} for one in self.members.values()]  # type: ignore[literal-required]
        value = {"network": self.segment["name"], "members": found}
        try:
            with open(f"{self._path}.new", "wb") as file:
                file.write(jsonio.dump_bytes(value))
            os.rename(f"{self._path}.new", self._path)
        except OSError:
            pass  # no room: whoever looks sees what was before

    def forget(self) -> None:
        """Nobody is there any more."""
        try:
            os.unlink(self._path)
        except OSError:
            pass  # it was never written

    # -- names

    def find(self, name: str) -> list[bytes] | None:
        """Return the addresses of a name, another first each time."""
        found = self._names.get(name)
        if found is None:
            return None
        self._turn += 1
        turn = self._turn % len(found)
        return _addresses([*found[turn:], *found[:turn]])

    def name_of(self, address: bytes) -> str | None:
        """Return the first name of an address, "" for one of the segment without, else None."""
        text = unpack(address)
        for member in self.members.values():
            if text in (member["ipv4"], member["ipv6"]):
                return f"{member['names'][0]}.{self.segment['name']}" if member["names"] else ""
        return "" if self._is_ours(address) else None

    def _is_ours(self, address: bytes) -> bool:
        segment = self.segment
        four = len(address) == 4
        gateway = segment["gateway"] if four else segment["gateway6"]
        if not gateway:
            return False
        shift = len(address) * 8 - (segment["prefix"] if four else segment["prefix6"])
        return int.from_bytes(address, "big") >> shift == _number(gateway) >> shift


def settings_of(segment: Segment) -> Settings:
    """Return the settings of a network whose guests are added later."""
    return {
        "guest": "",
        "gateway": segment["gateway"],
        "prefix": segment["prefix"],
        "guest6": "",
        "gateway6": segment["gateway6"],
        "prefix6": segment["prefix6"],
        "mtu": segment["mtu"],
        "host_loopback": False,
        "internal": segment["internal"],
    }


def _number(address: str) -> int:
    return int.from_bytes(pack(address), "big")


def _addresses(members: Iterable[Any]) -> list[bytes]:
    texts = [one[key] for one in members for key in ("ipv4", "ipv6")]
    return [pack(text) for text in texts if text]


def read(text: str) -> list[dict[str, Any]]:
    """Return the members that a file of `Table.write` names."""
    try:
        value = jsonio.loads(text)
        return [one for one in value["members"] if isinstance(one["ipv4"], str)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


class View:
    """The names as one container sees them: of this segment, and of the others that it is on."""

    def __init__(self, table: Table | None, container: str, directory: str) -> None:
        """`table` is that of the segment, None in a network without names of its own.

        `directory` is that of its switch, or of any network that the container is on.
        """
        self.closed = False
        self._table = table
        self._container = container
        self._others = os.path.dirname(directory)
        self._own = os.path.basename(directory) if table is not None else ""

    def find(self, name: str) -> list[bytes] | None:
        """See netstack.names.Zone."""
        short = self._short(name)
        found = self._table.find(short) if self._table is not None else None
        return self._elsewhere(short) if found is None else found

    def _short(self, name: str) -> str:
        own = [self._table.segment["name"].lower()] if self._table is not None else []
        for suffix in (*own, ZONE):
            if name.endswith(f".{suffix}"):
                return name[: -len(suffix) - 1]
        return name

    def _elsewhere(self, name: str) -> list[bytes] | None:
        for members in self._read_others():
            if any(one["id"] == self._container for one in members):
                found = [one for one in members if name in one["names"]]
                if found:
                    return _addresses(found)
        return None

    def _read_others(self) -> Iterable[list[dict[str, Any]]]:
        try:
            names = os.listdir(self._others)
        except OSError:
            return
        for name in names:
            if name != self._own:
                try:
                    with open(f"{self._others}/{name}/{FILE}", encoding="utf-8") as file:
                        yield read(file.read())
                except OSError:
                    continue  # nobody is there

    def name_of(self, address: bytes) -> str | None:
        """See netstack.names.Zone."""
        return self._table.name_of(address) if self._table is not None else None

    def denies(self, name: str) -> bool:
        """See netstack.names.Zone: what has no dot is a container's, or nobody's."""
        return self.closed or "." not in name or self._short(name) != name
