"""--uidmap and --gidmap: which ids a container has, one range after the other."""

from __future__ import annotations

from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.containers.request import Request

_MOST = 340
"""Ranges that the kernel takes (user_namespaces(7))."""


def check(request: Request) -> None:
    """Raise UsageError for maps that the kernel does not take, or that have no root."""
    if request["userns"]["mode"] != "host":
        raise UsageError(f"{named('uidmap')} and {named('userns')} exclude each other")
    for field, ranges in (("uidmap", request["uidmap"]), ("gidmap", request["gidmap"])):
        if not ranges or len(ranges) > _MOST:
            raise UsageError(f"{named(field)}: {len(ranges)} ranges, it can have 1 to {_MOST}")
        if any(len(one) != 3 or one[2] < 1 for one in ranges):
            raise UsageError(f"{named(field)}: a range is the first id inside, outside, how many")
        for side, what in enumerate(("inside", "outside")):
            spans = sorted((one[side], one[side] + one[2]) for one in ranges)
            if any(end > start for (_, end), (start, _) in _neighbours(spans)):
                raise UsageError(f"{named(field)}: an id {what} is there twice")
            if side == 0 and spans[0][0] > 0:
                raise UsageError(
                    f"{named(field)}: the container would have no root, whose files are 0's",
                    "map 0 as well, for example 0:1:1000",
                )


def _neighbours(spans: list[tuple[int, int]]) -> Iterable[tuple[tuple[int, int], tuple[int, int]]]:
    """As itertools.pairwise, which starts of containers do without."""
    return ((spans[number - 1], spans[number]) for number in range(1, len(spans)))


def written(request: Request) -> str:
    """Return the maps as the runtime has them (see runtime.spec.Private)."""
    uids, gids = (
        "+".join("-".join(map(str, one)) for one in ranges)
        for ranges in (request["uidmap"], request["gidmap"])
    )
    return f"map:uid={uids},gid={gids}"
