"""Names, ids and directories of objects: races, kills at each step, and what others have spoilt."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rootless.errors import Ambiguous, NotFound, StoreError
from rootless.oci.remove import remove_tree
from rootless.store import records
from rootless.store.objects import Objects, is_name, new_id
from tests.children import end, in_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A, B, C = "a" * 64, "ab" * 32, "c0" * 32


@pytest.fixture
def things(tmp_path: Path) -> Objects:
    """Objects of a kind that nobody else knows."""
    return Objects(
        str(tmp_path / "things"),
        "thing",
        record="thing.json",
        empty=remove_tree,
        absent="look",
        damaged="mend {id}",
    )


@pytest.fixture
def some(things: Objects) -> Objects:
    """The things `one` and `two`, with the ids A and B."""
    os.mkdir(things.directory)
    for one, name in ((A, "one"), (B, "two")):
        assert make(things, one, name)
    return things


def make(things: Objects, one: str, name: str, **wishes: Any) -> bool:
    record = {"id": one, "name": name, "created": 1.5}
    return let_go(things.make(one, record, name=name, **wishes))


def let_go(held: int | None) -> bool:
    """Give up the lock of what was made; False where nothing was."""
    if held is None:
        return False
    os.close(held)
    return True


def remove(things: Objects, one: str, name: str) -> None:
    held = records.lock(things.path(one))
    assert held is not None
    assert things.discard(one)
    things.free(name, one)
    os.close(held)


def entries(things: Objects, below: str = "") -> list[str]:
    return sorted(os.listdir(f"{things.directory}/{below}"))


def test_what_is_on_the_disk(some: Objects) -> None:
    assert entries(some) == [".names", A, B]
    assert os.readlink(f"{some.directory}/.names/one") == A
    assert entries(some, A) == ["thing.json"]
    assert records.read_record(f"{some.path(A)}/thing.json")["name"] == "one"
    assert os.stat(some.path(A)).st_mode & 0o7777 == 0o700


def test_nothing_is_there_before_the_first(things: Objects) -> None:
    assert things.ids(sweep=True) == things.names() == []
    assert things.holder("one") is None
    things.free("one", A)
    with pytest.raises(NotFound):
        things.find("one")
    assert not os.path.exists(things.directory)


@pytest.mark.parametrize(
    ("ref", "found"), [("one", A), ("two", B), (A, A), ("aa", A), ("ab", B), ("abababababab", B)]
)
def test_finding(some: Objects, ref: str, found: str) -> None:
    assert some.find(ref)["id"] == found


@pytest.mark.parametrize(
    "ref",
    ["", "three", "f", A[:-1] + "b", A + "a", ".", "..", ".names", ".names/one", "./one",
     "../things/one", f"../{A}", "one/", "a\0", "o\n", " one", "ö", "x" * 5000],
)  # fmt: skip
def test_what_is_not_there(some: Objects, ref: str) -> None:
    with pytest.raises(NotFound) as raised:
        some.find(ref)
    assert raised.value.message == f"no such thing: {ref}"
    assert raised.value.hint == "look"


def test_beginnings_of_several(some: Objects) -> None:
    with pytest.raises(Ambiguous, match="a is the beginning of 2 thing ids"):
        some.find("a")
    assert make(some, C, "a")  # a name comes first
    assert some.find("a")["id"] == C


def test_a_whole_id_is_nobodys_name(some: Objects) -> None:
    assert make(some, C, A)
    assert some.find(A)["id"] == A
    assert some.discard(A)
    assert some.find(A)["id"] == C


def test_removing(some: Objects) -> None:
    assert some.discard(A, durable=True)
    assert not some.discard(A)
    some.free("one", A)
    some.free("two", A)  # not his
    assert entries(some) == [".names", B]
    assert some.names() == ["two"]


def test_a_name_in_use(some: Objects) -> None:
    assert not make(some, C, "one")
    assert entries(some) == [".names", A, B]
    replaced: list[str] = []

    def replace(holder: str) -> None:
        replaced.append(holder)
        remove(some, holder, "one")

    assert make(some, C, "one", replace=replace)
    assert replaced == [A]
    assert some.find("one")["id"] == C


def test_who_never_goes_keeps_the_name(some: Objects) -> None:
    assert not make(some, C, "one", replace=lambda _: None)
    assert entries(some) == [".names", A, B]


def test_claims_of_renames(some: Objects) -> None:
    """Both links lead to it, then the record says which counts."""
    assert some.claim("other", A)
    assert some.claim("other", A)  # once more, after it was killed
    with pytest.raises(NotFound):
        some.find("other")
    assert some.find("one")["id"] == A
    assert some.holder("other") is None
    assert some.names() == ["one", "two"]


def test_a_name_that_may_become_true_stays(some: Objects) -> None:
    held = records.lock(some.path(A))
    assert some.claim("other", A)
    assert some.holder("other") == A
    assert some.find("other")["id"] == A
    assert held is not None
    os.close(held)
    assert some.holder("other") is None


@pytest.mark.parametrize("how", ["living", "killed", "failed"])
def test_one_that_is_being_made(some: Objects, how: str) -> None:
    """Its name is taken while its maker lives; after that all of it goes with the next listing."""
    making = f"{some.directory}/.new-{C}"
    os.mkdir(making)
    some.claim("soon", C)
    held = records.lock(making)
    assert held is not None
    if how != "living":
        os.close(held)
    if how == "failed":
        os.rmdir(making)
    assert sorted(some.ids(sweep=True)) == [A, B]
    assert os.path.exists(making) == (how == "living")
    assert some.names() == ["one", "soon", "two"][:: 1 if how == "living" else 2]
    if how == "living":
        assert not make(some, B, "soon")
        os.close(held)
    assert make(some, "d" * 64, "soon")


def test_others_work_on_what_is_locked(some: Objects) -> None:
    left = f"{some.directory}/.gone-{C}"
    os.makedirs(f"{left}/tree")
    held = records.lock(left)
    some.ids(sweep=True)
    assert os.path.exists(left)
    assert held is not None
    os.close(held)
    some.ids()
    assert os.path.exists(left)
    some.ids(sweep=True)
    assert not os.path.exists(left)


DAMAGED = {
    "no file": None,
    "empty": b"",
    "no JSON": b'{"id": "a',
    "a list": b"[]",
    "other keys": b"{}",
    "another's": json.dumps({"id": B, "name": "one", "created": 1.5}).encode(),
    "never made": json.dumps({"id": A, "name": "one", "created": 0}).encode(),
    "made by words": json.dumps({"id": A, "name": "one", "created": "today"}).encode(),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_records(some: Objects, kind: str) -> None:
    """It is listed, keeps its name, and is told of by what is asked for it."""
    path, text = f"{some.path(A)}/thing.json", DAMAGED[kind]
    os.unlink(path)
    if text is not None:
        with open(path, "wb") as file:
            file.write(text)
    for ref in ("one", A, "aa"):
        with pytest.raises(StoreError) as raised:
            some.find(ref)
        if kind not in ("empty", "no JSON", "a list"):  # else it is the record's own
            assert raised.value.message == f"damaged record of thing aaaaaaaaaaaa: {path}"
            assert raised.value.hint == "mend aaaaaaaaaaaa"
    assert sorted(some.ids(sweep=True)) == [A, B]
    assert not make(some, C, "one")


@pytest.mark.parametrize(
    "text", ["..", "../..", "/", "/etc", ".names", f"../things/{B}", f"{B}/", "a b"]
)
def test_links_lead_nowhere_else(some: Objects, text: str) -> None:
    """Somebody has made a link that is no claim: nothing is found by it, and it is in no way."""
    path = f"{some.directory}/.names/odd"
    os.symlink(text, path)
    assert some.named("odd") == ""
    with pytest.raises(NotFound):
        some.find("odd")
    some.ids(sweep=True)
    assert some.names() == ["one", "two"]
    os.symlink(text, path)
    assert make(some, C, "odd")
    assert some.find("odd")["id"] == C
    assert os.path.exists(some.path(B))


def test_what_is_no_link_stays_in_the_way(some: Objects) -> None:
    os.mkdir(f"{some.directory}/.names/odd")
    assert sorted(some.ids(sweep=True)) == [A, B]
    assert not make(some, C, "odd")
    assert some.holder("odd") is None
    assert entries(some) == [".names", A, B]


def test_a_link_in_the_place_of_an_object(some: Objects, tmp_path: Path) -> None:
    """A directory elsewhere is never emptied: only the link goes."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").touch()
    for entry in (f".gone-{C}", f".new-{C}"):
        os.symlink(tmp_path / "elsewhere", some.path(entry))
    assert sorted(some.ids(sweep=True)) == [A, B]
    assert (tmp_path / "elsewhere/file").exists()


def within(path: str) -> None:
    """Put a directory beside the record."""
    os.mkdir(f"{path}/in")


def test_without_names(things: Objects) -> None:
    """What is called by its id, which somebody may have used before, and may be long."""
    os.mkdir(things.directory)
    long = "x" * 255
    for one in ("plain", long):
        for made in (True, False):
            done = let_go(things.make(one, {"created": 1}, fill=within))
            assert done == made
        assert entries(things, one) == ["in", "thing.json"]
    assert entries(things) == ["plain", long]
    os.makedirs(f"{things.directory}/.gone-plain/full")  # one before could not be deleted
    assert things.discard("plain")
    assert things.discard(long)
    assert entries(things) == [".gone-plain"]
    os.symlink("nowhere", things.path("link"))
    with open(things.path("file"), "x"):
        pass
    assert not things.make("file", {})
    assert not things.make("link", {})
    assert entries(things) == [".gone-plain", "file", "link"]


def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    things = Objects(f"{tmp_path}/file", "thing", record="thing.json", empty=lambda path: None)
    with pytest.raises(StoreError, match=r"cannot list the things in .*: Not a directory"):
        things.ids()
    with pytest.raises(StoreError, match=r"cannot make a thing in .*: Not a directory"):
        make(things, A, "one")


def test_one_name_for_many(some: Objects) -> None:
    """Of all that want a name at once one gets it, and the others leave nothing."""
    makers = [
        in_child(lambda: os._exit(3 if make(some, new_id(), "wanted", durable=False) else 4))
        for _ in range(8)
    ]
    assert sorted(map(end, makers)) == [3] + 7 * [4]
    assert len(entries(some)) == 4
    assert some.find("wanted")["name"] == "wanted"


def test_one_id_for_many(things: Objects) -> None:
    os.mkdir(things.directory)
    record = {"id": "same", "created": 1}
    makers = [
        in_child(lambda: os._exit(3 if let_go(things.make("same", record, durable=False)) else 4))
        for _ in range(8)
    ]
    assert sorted(map(end, makers)) == [3] + 7 * [4]
    assert entries(things) == ["same"]


def test_coming_and_going(some: Objects) -> None:
    """Who has a name keeps it until he gives it up, whoever else looks for what was left behind."""

    def come_and_go() -> None:
        for _ in range(100):
            mine = new_id()
            if make(some, mine, "wanted", durable=False):
                assert some.named("wanted") == mine
                assert some.discard(mine)
                some.free("wanted", mine)

    def look() -> None:
        for _ in range(300):
            some.ids(sweep=True)
            some.holder("wanted")

    children = [in_child(come_and_go) for _ in range(4)] + [in_child(look)]
    assert [end(child) for child in children] == 5 * [0]
    some.ids(sweep=True)
    assert entries(some) == [".names", A, B]
    assert some.names() == ["one", "two"]


def test_a_name_is_given_up_by_one_at_a_time(some: Objects) -> None:
    """He who waited meanwhile does not take away what somebody else has claimed since."""
    held = records.lock(some.names_directory)
    assert held is not None

    def free() -> None:
        os.close(held)
        some.free("one", A)

    child = in_child(free)
    while not waits_for(child, some.names_directory):
        assert some.named("one") == A
    os.unlink(f"{some.names_directory}/one")
    assert some.claim("one", B)
    os.close(held)
    assert end(child) == 0
    assert some.named("one") == B


def waits_for(child: int, path: str) -> bool:
    """Whether a process sleeps, and has `path` open."""
    base = f"/proc/{child}"
    with open(f"{base}/stat", encoding="ascii") as file:
        state = file.read().rpartition(")")[2].split()[0]
    if state != "S":
        return False
    return path in [os.readlink(f"{base}/fd/{fd}") for fd in os.listdir(f"{base}/fd")]


def killed_at(step: int, what: Callable[[], object]) -> Callable[[], None]:
    """Return `what`, killed before its call number `step` that opens or changes something."""

    def die() -> None:
        left = [step]

        def count(event: str, _: object) -> None:
            if event in ("open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir"):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        what()

    return die


STORIES: dict[str, Callable[[Objects], object]] = {
    "make": lambda some: make(some, C, "three"),
    "make without a name": lambda some: let_go(some.make("three", {}, fill=within)),
    "replace": lambda some: make(some, C, "one", replace=lambda one: remove(some, one, "one")),
    "remove": lambda some: remove(some, A, "one"),
}


@pytest.mark.parametrize("story", STORIES)
def test_kills_at_each_step(some: Objects, story: str) -> None:
    """Then each object is whole, and of what was begun nothing is left that is in the way."""
    step, ended = 0, -signal.SIGKILL
    while ended == -signal.SIGKILL:
        step += 1
        ended = end(in_child(killed_at(step, lambda: STORIES[story](some))))
        assert ended in (0, -signal.SIGKILL)
        ids = some.ids(sweep=True)
        assert [entry for entry in entries(some) if entry not in ids] == [".names"]
        known = {one: some.read(one)["name"] for one in ids if one != "three"}
        assert {one: some.named(name) for one, name in known.items()} == {one: one for one in known}
        assert known.pop(B) == "two"
        if "three" in ids:
            assert entries(some, "three") == ["in", "thing.json"]
            some.discard("three")
        for one, name in known.items():
            remove(some, one, name)
        assert make(some, C, "three")  # whoever wants a name gets it
        remove(some, C, "three")
        assert make(some, A, "one")
        assert entries(some) == [".names", A, B]
        assert some.names() == ["one", "two"]
    assert step > 4


@pytest.mark.parametrize("text", ["a", "0", "A.b_c-d", "x" * 255])
def test_names(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize("text", ["", ".a", "-a", "_a", "a/b", "a b", "ä", "a\n", "x" * 256])
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)


def test_new_ids() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 64 and not one[:12].isdecimal() for one in ids)
