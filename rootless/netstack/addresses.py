"""The addresses of a private network, and which of the world's the guest may reach through it."""

from __future__ import annotations

import _socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NotRequired, TypedDict

    class Settings(TypedDict):
        """A private network, and its first guest: plain values."""

        guest: str
        """Empty where all guests are added later."""
        gateway: str
        prefix: int
        guest6: str
        """Empty without IPv6."""
        gateway6: str
        prefix6: int
        mtu: int
        host_loopback: bool
        """Whether the gateway's address stands for the host's loopback."""
        buffers: NotRequired[int]
        """Bytes that may wait in the stack, for each guest."""
        mac: NotRequired[str]
        """The guest's link address, GUEST_MAC where it is missing."""
        internal: NotRequired[bool]
        """Whether nothing outside can be reached."""
        extra: NotRequired[list[str]]
        """Options of the program that makes the network in the place of our stack."""

    class Member(TypedDict):
        """A further guest of a network: plain values."""

        guest: str
        """Its IPv4 address, in the network's own range."""
        guest6: str
        """Empty without IPv6."""
        mac: str
        """Its link address, six bytes in hexadecimal with colons between."""


CIDR = "10.0.2.0/24"
MTU = 65520
"""The largest that a TAP device takes, in whole units of 16 bytes."""

MIN_MTU = 1280
"""RFC 8200, 5."""

BUFFERS = 64 << 20
"""Bytes of all connections together that may wait for those who read them: 64 MiB."""

_BUFFERS = (4 << 20, 1 << 40)
_UNITS = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30}

GUEST_MAC = bytes.fromhex("020000000001")
GATEWAY_MAC = bytes.fromhex("020000000002")
"""Locally administered (IEEE 802, U/L bit). A link of one guest has these two alone."""

INTERFACE = "eth0"


class Addresses:
    """The same for one guest, in the form that packets have them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.mtu = settings["mtu"]
        self.buffers = settings.get("buffers", BUFFERS)
        self.guest4 = pack(settings["guest"]) if settings["guest"] else b""
        self.gateway4 = pack(settings["gateway"])
        self.guest6 = pack(settings["guest6"]) if settings["guest6"] else b""
        self.gateway6 = pack(settings["gateway6"]) if settings["gateway6"] else b""
        self.mac = _pack_mac(settings["mac"]) if settings.get("mac") else GUEST_MAC
        self._subnet = _network(self.gateway4, settings["prefix"])
        self._subnet6 = _network(self.gateway6, settings["prefix6"]) if self.gateway6 else b""

    def all(self) -> list[bytes]:
        """Return the guest's addresses, one or two."""
        return [address for address in (self.guest4, self.guest6) if address]

    def guest(self, version: int) -> bytes:
        """Return the guest's address, empty where it has none of that version."""
        return self.guest4 if version == 4 else self.guest6

    def gateway(self, version: int) -> bytes:
        """Return our own address, empty where we have none of that version."""
        return self.gateway4 if version == 4 else self.gateway6

    def is_on_link(self, address: bytes) -> bool:
        """Whether the address belongs to the private network itself."""
        if len(address) == 4:
            return _network(address, self.settings["prefix"]) == self._subnet
        return _network(address, self.settings["prefix6"]) == self._subnet6

    def outside(self, address: bytes) -> str:
        """Return the host's name for what the guest calls `address`, "" for what is not reachable.

        That is all that means the host's loopback, unless the gateway was made to stand for it,
        and what has no meaning outside of this link: link-local, multicast, unspecified.
        """
        if address in (self.gateway4, self.gateway6):
            if not self.settings["host_loopback"] or self.settings.get("internal"):
                return ""
            return "127.0.0.1" if len(address) == 4 else "::1"
        if self.is_on_link(address) or _is_special(address) or self.settings.get("internal"):
            return ""
        return unpack(address)

    def inside(self, peer: str) -> bytes:
        """Return the address under which the guest sees the peer of a published port.

        It is the peer's own. One of the host's loopback means something else inside, and one of
        this network is taken, so these come from the gateway.
        """
        address = pack(peer.partition("%")[0])
        if address[:12] == _MAPPED and len(address) == 16:
            address = address[12:]
        if _is_special(address) or self.is_on_link(address):
            return self.gateway(4 if len(address) == 4 else 6)
        return address


def link_address(text: str) -> str:
    """Return a guest's link address in one spelling: six bytes with colons between.

    Raises ValueError for what is none, or that of the gateway.
    """
    mac = _pack_mac(text.replace("-", ":").replace(".", ""))
    if mac == GATEWAY_MAC:
        raise ValueError(f"{text} is the link address of the gateway")
    return mac.hex(":")


def _pack_mac(text: str) -> bytes:
    """Return the bytes of a link address. Raises ValueError for what no single guest can have."""
    try:
        mac = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        mac = b""
    if len(mac) != 6 or mac[0] & 1 or not any(mac):  # IEEE 802: the lowest bit is for groups
        raise ValueError(f"no link address of a guest: {text!r:.60}")
    return mac


_MAPPED = bytes(10) + b"\xff\xff"
"""RFC 4291, 2.5.5.2: an IPv4 address in the place of one of IPv6."""


def pack(address: str) -> bytes:
    """Return the 4 or 16 bytes of a numeric address. Raises OSError for anything else."""
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    return _socket.inet_pton(family, address)


def unpack(address: bytes) -> str:
    """Return an address of 4 or 16 bytes as text."""
    return _socket.inet_ntop(_socket.AF_INET if len(address) == 4 else _socket.AF_INET6, address)


def of_host() -> str:
    """Return the host's own IPv4 address on its way to the world, "" where it has none."""
    kind = _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC
    sock = _socket.socket(_socket.AF_INET, kind)
    try:
        sock.connect(("198.41.0.4", 53))  # a.root-servers.net; nothing is sent
        own: str = sock.getsockname()[0]
        return "" if _is_special(pack(own)) else own
    except OSError:
        return ""
    finally:
        sock.close()


def after(address: str) -> str:
    """Return the IPv4 address that follows `address`."""
    return unpack((int.from_bytes(pack(address), "big") + 1).to_bytes(4, "big"))


def _is_special(address: bytes) -> bool:
    if len(address) == 4:  # "this host", loopback, multicast, reserved (RFC 6890)
        return address[0] in (0, 127) or address[0] >= 224
    # ::, ::1, mapped and compatible IPv4; link-local and site-local; multicast (RFC 4291)
    return not any(address[:8]) or address[0] == 0xFF or (address[0] == 0xFE and address[1] >= 0x80)


def _network(address: bytes, prefix: int) -> bytes:
    bits = len(address) * 8
    number = int.from_bytes(address, "big") >> (bits - prefix) << (bits - prefix)
    return number.to_bytes(len(address), "big")


def parse(options: str) -> Settings:
    """Return the settings for the options after "private:" (cidr=, mtu=, ipv6=, host-loopback=,
    buffers=).

    Raises ValueError, whose text names the option and what it takes.
    """
    given = {
        "cidr": CIDR,
        "mtu": str(MTU),
        "ipv6": "on",
        "host-loopback": "off",
        "buffers": str(BUFFERS),
    }
    for word in options.split(",") if options else ():
        key, _, value = word.partition("=")
        if key not in given:
            raise ValueError(f"unknown option {word!r}: {'=, '.join(given)}=")
        given[key] = value
    for key in ("ipv6", "host-loopback"):
        if given[key] not in ("on", "off"):
            raise ValueError(f"{key}={given[key]}: on or off")
    mtu = given["mtu"]
    if not (mtu.isascii() and mtu.isdigit() and MIN_MTU <= int(mtu[:6]) <= MTU):
        raise ValueError(f"mtu={mtu}: a number from {MIN_MTU} to {MTU}")
    gateway, guest, prefix = _parse_cidr(given["cidr"])
    ipv6 = given["ipv6"] == "on"
    return {
        "guest": guest,
        "gateway": gateway,
        "prefix": prefix,
        "guest6": "fd00::100" if ipv6 else "",
        "gateway6": "fd00::2" if ipv6 else "",
        "prefix6": 64,
        "mtu": int(mtu),
        "host_loopback": given["host-loopback"] == "on",
        "buffers": _parse_buffers(given["buffers"]),
    }


def _parse_buffers(text: str) -> int:
    lower = text.lower()
    number = lower.rstrip("bikmg")
    unit = lower[len(number) :].removesuffix("ib")
    if number.isascii() and number.isdigit() and len(number) < 14 and unit in _UNITS:
        size = int(number) << _UNITS[unit]
        if _BUFFERS[0] <= size <= _BUFFERS[1]:
            return size
    raise ValueError(f"buffers={text}: bytes from 4m to 1024g, for example 64m")


def _parse_cidr(text: str) -> tuple[str, str, int]:
    """Return gateway, guest and prefix: the hosts 2 and 100, as slirp4netns has them."""
    base, _, bits = text.partition("/")
    try:
        if not (bits.isascii() and bits.isdigit() and 8 <= int(bits[:3]) <= 28):
            raise ValueError
        prefix = int(bits)
        network = _network(_socket.inet_pton(_socket.AF_INET, base), prefix)
        if _is_special(network):
            raise ValueError
    except (OSError, ValueError):
        raise ValueError(f"cidr={text}: an IPv4 network like {CIDR}, with 8 to 28 bits") from None
    first = int.from_bytes(network, "big")
    guest = first + (100 if prefix <= 25 else 10)
    return unpack((first + 2).to_bytes(4, "big")), unpack(guest.to_bytes(4, "big")), prefix
