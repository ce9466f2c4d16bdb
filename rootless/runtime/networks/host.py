"""The host's network as it is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.tree.operations import Operation


class Host:
    """See `kinds.Driver`."""

    own = False
    settings = None
    outside = None
    named = None
    home = -1

    def check(self) -> None:
        """See Driver: it always can."""

    def steps(self) -> list[Operation]:
        """See Driver."""
        return []
