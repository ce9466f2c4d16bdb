"""-p, --expose and the options like them: ports and ranges of ports."""

from __future__ import annotations

from rootless.errors import UsageError, named
from rootless.netstack.dns import sockaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.request import Publish

_FORM = "[IP:][HOST[-END]:]CONTAINER[-END][/tcp|/udp]"


def parse(text: str, option: str = "publish") -> list[Publish]:
    """Return what one -p, or the option like it, asks for, a port each. Raises UsageError."""
    given = f"{named(option)} {text}"
    rest, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in ("tcp", "udp"):
        raise UsageError(f"{given}: unknown protocol {protocol!r}", "tcp or udp")
    ip = ""
    if rest.startswith("["):
        ip, bracket, rest = rest[1:].partition("]:")
        if not bracket:
            raise UsageError(f"{given}: the IPv6 address is not closed", f"[::1]: as in {_FORM}")
    elif rest.count(":") == 2:
        ip, _, rest = rest.partition(":")
    if ip:
        try:
            sockaddr(ip, 0)
        except OSError:
            raise UsageError(f"{given}: {ip!r} is no IP address", _FORM) from None
    host, colon, inside = rest.rpartition(":")
    first, last = _range(inside, given)
    if not colon or not host:
        mapped: list[int] = [0] * (last - first + 1)
    else:
        begin, end = _range(host, given)
        if end - begin == last - first:
            mapped = list(range(begin, end + 1))
        else:
            raise UsageError(f"{given}: the ranges differ in length", _FORM)
    return [
        {"ip": ip, "host": port, "container": first + number, "protocol": protocol}
        for number, port in enumerate(mapped)
    ]


def _range(text: str, given: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    try:
        numbers = [int(number) for number in (first, last if dash else first)]
        good = all(word.isascii() and word.isdigit() for word in (first, *([last] if dash else [])))
    except ValueError:
        good, numbers = False, [0, 0]
    if not good or not 0 < numbers[0] <= numbers[1] < 65536:
        raise UsageError(f"{given}: {text!r} is no port", f"1 to 65535: {_FORM}")
    return numbers[0], numbers[1]


def expose(text: str) -> list[str]:
    """Return what --expose names, PORT/PROTOCOL each. Raises UsageError."""
    found = parse(text, "expose")
    if any(port["host"] or port["ip"] for port in found):
        raise UsageError(
            f"{named('expose')} {text}: that is {named('publish')}'s", "PORT[-END][/tcp|/udp]"
        )
    return [f"{port['container']}/{port['protocol']}" for port in found]


def remaps(way: str) -> bool:
    """Parse --publish-privileged: error, or remap."""
    if way not in ("", "error", "remap"):
        raise UsageError(f"{named('publish_privileged')}: unknown way {way!r}", "error or remap")
    return way == "remap"
