"""Networks with names: a cable to the switch of each, laid from outside."""

from __future__ import annotations

from rootless.runtime.tree.operations import Loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.spec import PrivateNetwork
    from rootless.runtime.switch.client import Guest, Plug
    from rootless.runtime.tree.operations import Operation


class Wired:
    """See `kinds.Driver`."""

    own = True
    settings = None
    outside = None
    home = -1

    def __init__(self, network: PrivateNetwork) -> None:
        self._wires = network["wires"]
        self.called = network["called"]

    @property
    def named(self) -> Wired:
        """See Driver."""
        return self

    def check(self) -> None:
        """See Driver: the switches say what is not possible."""

    def steps(self) -> list[Operation]:
        """See Driver."""
        return [Loopback()]

    def attach(self, guest: Guest, netns: int, netlink: int) -> list[Plug]:
        """See `kinds.Named`."""
        from rootless.runtime.switch import client  # the supervisor's business, not init's

        plugs: list[Plug] = []
        try:
            for wire in self._wires:
                plug = guest.attach(wire, netns, netlink)
                plugs.append(plug)
        except BaseException:
            for plug in plugs:
                client.close(plug)
            raise
        return plugs
