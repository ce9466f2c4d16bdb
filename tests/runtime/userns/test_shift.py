"""Which ids a nested user namespace shows."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest

from rootless.errors import LaunchError
from rootless.runtime.userns import identity, namespace, shift
from rootless.runtime.userns.identity import Identity
from rootless.store.paths import Paths
from tests.children import end, in_child

MAPPED = Identity("mapped", [(0, 1000, 1), (1, 100000, 65536)], [(0, 1000, 1), (1, 100000, 65536)])
SINGLE = Identity("single", [(0, 1000, 1)], [(0, 1000, 1)])


def maps(userns: str, who: Identity = MAPPED, uid: int = 0, gid: int = 0) -> shift.Shift | None:
    found = shift.wanted(userns, who, uid, gid)
    if found is not None:
        os.close(found._proc)
    return found


def test_host_needs_none() -> None:
    assert maps("host") is None
    assert maps("host", uid=1000) is None
    assert maps("host", SINGLE) is None


@pytest.mark.parametrize("mine", [0, 1, 5, 1000, 65535, 65536, 65537, 5000000])
def test_keep_id_shows_every_id_once(mine: int) -> None:
    found = maps(f"keep-id:uid={mine},gid={mine}")
    assert found is not None
    total = 65537
    inside = [n for first, _, count in found.uid_map for n in (first, first + count - 1)]
    outside = sorted((start, start + count) for _, start, count in found.uid_map)
    assert outside[0][0] == 0
    assert outside[-1][1] == total
    assert all(a[1] == b[0] for a, b in itertools.pairwise(outside))
    assert sum(count for _, _, count in found.uid_map) == total
    assert len(inside) == len(found.uid_map) * 2
    assert [inner for inner, outer, _ in found.uid_map if outer == 0] == [mine]


def test_keep_id_takes_uid_and_gid_apart() -> None:
    found = maps("keep-id:uid=5,gid=7")
    assert found is not None
    assert (5, 0, 1) in found.uid_map
    assert (7, 0, 1) in found.gid_map


def test_nomap_hides_the_user() -> None:
    found = maps("nomap")
    assert found is not None
    assert found.uid_map == [(0, 1, 65536)]


def test_one_id_is_whoever_the_image_wants() -> None:
    found = maps("host", SINGLE, 1000, 100)
    assert found is not None
    assert (found.uid_map, found.gid_map, found.single) == ([(1000, 0, 1)], [(100, 0, 1)], True)


def test_ids_of_the_parent_namespace() -> None:
    extents = [(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64536)]
    assert [shift.in_parent(number, extents) for number in (0, 999, 1000, 1001)] == [
        1,
        1000,
        0,
        1001,
    ]
    with pytest.raises(LaunchError, match="70000 is not mapped"):
        shift.in_parent(70000, extents)


def test_owners_there_and_back() -> None:
    owners = shift.owners_of("keep-id:uid=1000,gid=5", MAPPED)
    assert owners is not None
    assert (owners.root, owners.uid(1000), owners.gid(5)) == ((1, 1), 0, 0)
    for number in (0, 1, 4, 5, 6, 999, 1000, 1001, 65535):
        assert owners.shown(owners.uid(number), owners.gid(number)) == (number, number)


TWO = [(0, 1000, 1), (1, 100000, 10), (11, 500000, 90)]
"""As of a user with two lines in /etc/subuid."""


@pytest.mark.parametrize(
    ("userns", "expected"),
    [
        ("nomap", [(0, 1, 10), (10, 11, 90)]),
        ("keep-id:uid=5,gid=5", [(0, 1, 5), (5, 0, 1), (6, 6, 5), (11, 11, 90)]),
        ("keep-id:uid=50,gid=50", [(0, 1, 10), (10, 11, 40), (50, 0, 1), (51, 51, 50)]),
        ("keep-id:uid=1000,gid=1000", [(0, 1, 10), (10, 11, 90), (1000, 0, 1)]),
        ("map:uid=0-0-101,gid=0-0-101", [(0, 0, 1), (1, 1, 10), (11, 11, 90)]),
        ("map:uid=0-9-3+7-20-1,gid=0-9-3+7-20-1", [(0, 9, 2), (2, 11, 1), (7, 20, 1)]),
    ],
)
def test_no_part_of_a_map_reaches_across_two_ranges(
    userns: str, expected: list[tuple[int, int, int]]
) -> None:
    """Or the kernel refuses it."""
    found = maps(userns, Identity("mapped", TWO, TWO))
    assert found is not None
    assert (found.uid_map, found.gid_map) == (expected, expected)


@pytest.mark.modes("mapped", "root")
def test_the_kernel_takes_a_map_over_two_ranges(rootless_root: str) -> None:
    own = identity.detect()

    def two(extents: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        inside, outside, count = extents[-1]
        return [*extents[:-1], (inside, outside, 9), (inside + 9, outside + 9, count - 9)]

    who = Identity(own.mode, two(own.uid_map), two(own.gid_map))
    entry = namespace.Entry(Paths(rootless_root), who)

    def inside() -> None:
        entry.enter()
        change = shift.wanted("keep-id:uid=1000,gid=1000", who, 0, 0)
        assert change is not None
        change.apply()
        assert [one[0] for one in identity.current_map("uid")] == [0, 9, 1000, 1001]

    pid = in_child(inside)
    os.close(entry.serve(pid))
    assert end(pid) == 0


def test_ids_that_are_not_here_are_left_out() -> None:
    """An outer container may have gaps in its map."""
    gaps = [(0, 0, 10), (100, 100, 10)]
    found = maps("nomap", Identity("root", gaps, gaps))
    assert found is not None
    assert found.uid_map == [(0, 1, 9), (99, 100, 10)]


def test_whose_files_are_shifted() -> None:
    def private(userns: str, **marks: bool) -> Any:
        return {"userns": userns, **marks}

    keep = "keep-id:uid=1000,gid=1000"
    assert shift.apparent(private(keep), MAPPED) is None, "a container of old"
    assert shift.apparent(private(keep, shifted=False), MAPPED) is None
    assert shift.apparent(private(keep, shifted=True), SINGLE) is None
    assert shift.apparent(private("keep-id:uid=0,gid=0", shifted=True), MAPPED) is None
    for userns in (keep, "nomap"):
        found = shift.apparent(private(userns, shifted=True), MAPPED)
        assert found is not None
        assert found.root == (1, 1)


OWN = "map:uid=0-1-1000+1000-0-1,gid=0-0-5"


def test_maps_of_the_users_own() -> None:
    found = maps(OWN)
    assert found is not None
    assert (found.uid_map, found.gid_map) == ([(0, 1, 1000), (1000, 0, 1)], [(0, 0, 1), (1, 1, 4)])
    shift.check(OWN, MAPPED)
    shift.check("nomap", SINGLE)


@pytest.mark.parametrize(
    ("userns", "who"),
    [
        ("map:uid=0-0-65538,gid=0-0-1", MAPPED),
        ("map:uid=0-0-1,gid=0-65537-1", MAPPED),
        (OWN, SINGLE),
    ],
)
def test_maps_of_ids_that_there_are_not(userns: str, who: Identity) -> None:
    with pytest.raises(LaunchError, match="cannot map ids up to"):
        shift.check(userns, who)


def test_root_may_stay_where_others_move() -> None:
    """Then the files of the image have other owners all the same."""
    private: Any = {"userns": "map:uid=0-0-1+1-11-5,gid=0-0-1", "shifted": True}
    owners = shift.apparent(private, MAPPED)
    assert owners is not None
    assert (owners.root, owners.uid(3)) == ((0, 0), 13)
