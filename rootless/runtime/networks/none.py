"""No network: a namespace with nothing but its loopback."""

from __future__ import annotations

from rootless.runtime.tree.operations import Loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.tree.operations import Operation


class Alone:
    """See `kinds.Driver`."""

    own = True
    settings = None
    outside = None
    named = None
    home = -1

    def check(self) -> None:
        """See Driver: it always can."""

    def steps(self) -> list[Operation]:
        """See Driver."""
        return [Loopback()]
