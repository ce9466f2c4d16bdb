"""The kinds of network in one table: which driver makes which.

     kind                 namespace          inside               outside
     none                 its own            loopback             nobody
     host                 the host's         nothing              nobody
     container, ns        another's          nothing              nobody
     private              its own            loopback, TAP        our stack, in the supervisor
     pasta, slirp4netns   its own            loopback             a helper program
     named                its own            loopback, veth       a switch for each network

Only the driver that is wanted is loaded.
"""

from __future__ import annotations

from rootless.errors import LaunchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from rootless.netstack.addresses import Settings
    from rootless.netstack.ports import Port
    from rootless.runtime.spec import PrivateNetwork, Spec
    from rootless.runtime.switch.client import Guest, Plug
    from rootless.runtime.tree.operations import Operation

    class Outside(Protocol):
        """Who serves a network from outside, other than the supervisor itself."""

        def start(self, spaces: tuple[int, int], directory: str, ports: list[Port]) -> list[Port]:
            """Make the network, and return when it is there and the ports are published.

            `spaces` are the container's user and network namespace, `directory` is its own on the
            host; `ports` are free, to be bound by this side. Return those that are published.
            Raises LaunchError.
            """

    class Named(Protocol):
        """Networks with names, which have a switch each outside."""

        called: list[str]
        """What the container calls itself in /etc/hosts."""

        def attach(self, guest: Guest, netns: int, netlink: int) -> list[Plug]:
            """Bring the container onto all; see `Guest.attach`."""

    class Driver(Protocol):
        """What a kind of network needs, of the namespace, inside and outside."""

        @property
        def own(self) -> bool:
            """Whether the container has a network namespace of its own."""

        @property
        def settings(self) -> Settings | None:
            """The addresses of the link whose other end the supervisor gets, None without one."""

        @property
        def named(self) -> Named | None:
            """The networks with names that are come onto from outside."""

        @property
        def outside(self) -> Outside | None:
            """Who is to be started before the container's command; ports are its own to bind."""

        @property
        def home(self) -> int:
            """A descriptor of the user namespace that the container has to be in, -1 for ours."""

        def check(self) -> None:
            """Look whether it can be had, before anything has begun. Raises LaunchError."""

        def steps(self) -> list[Operation]:
            """Return what is done in the container's own new namespace, in order."""


def driver(kind: str, network: PrivateNetwork | None = None, path: str = "") -> Driver:
    """Return the driver of a kind (`runtime.spec.Kind`).

    `network` are the settings of one of the container's own, `path` is the namespace of another.
    Raises LaunchError for an unknown kind.
    """
    if kind not in _MAKERS:  # a record that a newer release has written
        raise LaunchError(f"there is no network of the kind {kind!r}")
    return _MAKERS[kind](network, path)


def of_spec(spec: Spec) -> Driver:
    """Return the driver of a container's network, by what its configuration says."""
    network = spec["rootless"]["network"]
    for space in spec["linux"]["namespaces"]:
        if space["type"] == "network":
            if path := space.get("path", ""):
                return driver("ns", path=path)
            kind = (network["helper"] or "private") if network else "none"
            if network and network.get("wires") and not network["settings"]["guest"]:
                kind = "named"
            return driver(kind, network)
    return driver("host")


def _none(_network: PrivateNetwork | None, _path: str) -> Driver:
    from rootless.runtime.networks.none import Alone

    return Alone()


def _host(_network: PrivateNetwork | None, _path: str) -> Driver:
    from rootless.runtime.networks.host import Host

    return Host()


def _joined(_network: PrivateNetwork | None, path: str) -> Driver:
    from rootless.runtime.networks.joined import Joined

    return Joined(path)


def _private(network: PrivateNetwork | None, _path: str) -> Driver:
    from rootless.runtime.networks.private import Private

    return Private(_wanted(network))


def _named(network: PrivateNetwork | None, _path: str) -> Driver:
    from rootless.runtime.networks.named import Wired

    return Wired(_wanted(network))


def _pasta(network: PrivateNetwork | None, _path: str) -> Driver:
    from rootless.runtime.networks.helper import Helped
    from rootless.runtime.networks.pasta import Pasta

    return Helped(Pasta(_wanted(network)["settings"]))


def _slirp4netns(network: PrivateNetwork | None, _path: str) -> Driver:
    from rootless.runtime.networks.helper import Helped
    from rootless.runtime.networks.slirp4netns import Slirp4netns

    return Helped(Slirp4netns(_wanted(network)["settings"]))


def _wanted(network: PrivateNetwork | None) -> PrivateNetwork:
    if network is None:
        raise LaunchError("the settings of the container's network are missing")
    return network


_MAKERS: dict[str, Callable[[PrivateNetwork | None, str], Driver]] = {
    "none": _none,
    "host": _host,
    "container": _joined,
    "ns": _joined,
    "private": _private,
    "named": _named,
    "pasta": _pasta,
    "slirp4netns": _slirp4netns,
}
