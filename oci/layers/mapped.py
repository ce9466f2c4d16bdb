"""Which owners of an archive the disk can be given: those that the user namespace knows."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.oci.layers.tar import Entry

_LARGEST = (1 << 32) - 2  # (uid_t) -1 means "leave it" to chown(2)


class Mapped:
    """The ids of the user namespace that this process is in."""

    def __init__(self) -> None:
        self._uids, self._gids = _ranges("uid"), _ranges("gid")
        self._found: dict[tuple[int, int], tuple[int, int]] = {}

    def owner(self, entry: Entry) -> tuple[int, int]:
        """Return uid and gid of an entry, each of them 0 where the namespace has no such id.

        Raises ValueError for numbers that are no ids at all.
        """
        pair = (entry.uid, entry.gid)
        found = self._found.get(pair)
        if found is None:
            uid, gid = known(entry)
            found = (uid if _has(self._uids, uid) else 0, gid if _has(self._gids, gid) else 0)
            self._found[pair] = found
        return found


def known(entry: Entry) -> tuple[int, int]:
    """Return uid and gid of an entry. Raises ValueError for numbers that are no ids."""
    if entry.uid > _LARGEST or entry.gid > _LARGEST:
        raise ValueError(f"its owner {entry.uid}:{entry.gid} is out of range")
    return entry.uid, entry.gid


def _ranges(kind: str) -> list[tuple[int, int]]:
    """Return first id and number of ids of each line of the map (user_namespaces(7))."""
    with open(f"/proc/self/{kind}_map", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return [(int(first), int(count)) for first, _, count in lines]


def _has(ranges: list[tuple[int, int]], number: int) -> bool:
    return any(first <= number < first + count for first, count in ranges)
