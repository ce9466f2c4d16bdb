"""Entries end up where and how they should, and nothing ever outside the layer's directory."""

from __future__ import annotations

import gc
import os
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import tars
from tars import END, directory, extract, file, header, link, pax, stack, symlink, tree

from rootless.oci.errors import LayerError
from rootless.oci.layers import owners
from rootless.oci.layers.tar import Limits

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once
OPAQUE = b".wh..wh..opq"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where layers are unpacked; beside it lies what must never be touched."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"precious")
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def unpacked(place: Path, *parts: bytes, **options: Any) -> dict[str, tuple[Any, ...]]:
    """Unpack an archive of `parts`, see that nothing outside changed, return the tree."""
    outside = place.parent / "outside"
    before = outside.lstat()
    try:
        extract(b"".join(parts) + END, place, **options)
    finally:
        assert sorted(os.listdir(place.parent)) == ["outside", "place"]
        assert os.listdir(place) == ["layer"]
        assert set(os.listdir(place / "layer")) <= {"fs", "layer.json", "owners", "withheld"}
        assert os.listdir(outside) == ["precious"]
        assert (outside / "precious").read_bytes() == b"precious"
        after = outside.lstat()
        assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    return stack(place / "layer")


def refused(place: Path, *parts: bytes, match: str, **options: Any) -> None:
    with pytest.raises(LayerError, match=match):
        unpacked(place, *parts, **options)


def truths(place: Path) -> dict[str, owners.Truth]:
    return dict(owners.read(str(place / "layer")))


def opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, "user.overlay.opaque") == b"y"
    except OSError:
        return False


# -- plain -------------------------------------------------------------------------------------


def test_the_same_tree_as_gnu_tar(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Types, modes, contents, links and times, of an archive with all of them."""
    source = tmp_path_factory.mktemp("source")
    (source / "d" / "e").mkdir(parents=True)
    (source / "d" / "f").write_bytes(b"content" * 1000)
    (source / "d" / "hard").hardlink_to(source / "d" / "f")
    (source / "soft").symlink_to("d/f")
    (source / "dangling").symlink_to("/nowhere/at/all")
    (source / "set").write_bytes(b"")
    os.mkfifo(source / "fifo")
    for name, mode in (("set", 0o6755), ("d/f", 0o640), ("fifo", 0o600), ("d/e", 0o1777)):
        os.chmod(source / name, mode)
    for name, when in (("soft", 1), ("d/f", 1_234_567_890_123_456_789), ("d/e", 5 * 10**9)):
        os.utime(source / name, ns=(when, when), follow_symlinks=False)
    data = subprocess.run(
        ["tar", "-C", source, "--format=posix", "-c", "."], capture_output=True, check=True
    ).stdout
    found = unpacked(place, data)
    assert found == tree(source)
    for path in found:
        ours, theirs = (os.lstat(top / path) for top in (place / "layer" / "fs", source))
        assert ours.st_mtime_ns == theirs.st_mtime_ns, path
        assert ours.st_nlink == theirs.st_nlink, path


def test_directories_get_mode_and_time_last(place: Path) -> None:
    """A directory without w, whose content follows; parents come after children as well."""
    unpacked(
        place,
        directory(b"./", mode=0o711, mtime=3),
        directory(b"ro", mode=0o555, mtime=1000),
        file(b"ro/f", b"x"),
        directory(b"ro/sub", mode=0o500, mtime=2000),
        file(b"ro/sub/f", b"y"),
        file(b"late/f"),
        directory(b"late", mode=0o2750, mtime=4000),
        file(b"late/g"),
    )
    fs = place / "layer" / "fs"
    for name, mode, when in (
        (".", 0o711, 3),
        ("ro", 0o555, 1000),
        ("ro/sub", 0o500, 2000),
        ("late", 0o2750, 4000),
    ):
        status = (fs / name).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (mode, when), name
    assert not stat.S_IMODE((fs / "late" / "g").stat().st_mode) & 0o7000


def test_set_id_and_sticky_bits_survive(place: Path) -> None:
    found = unpacked(place, *(file(b"f%o" % mode, b"data", mode=mode) for mode in (0o4755, 0o7711)))
    assert found == {"f4755": ("file", 0o4755, b"data"), "f7711": ("file", 0o7711, b"data")}


def test_odd_spellings_of_names(place: Path) -> None:
    found = unpacked(
        place,
        file(b"/absolute/f", b"1"),
        file(b"././a//b/./c", b"2"),
        file(b"a/b/d/.", b"3"),
        directory(b"."),
        directory(b"/"),
        file(b"//two"),
        file("sp ace\n\N{SNOWMAN}".encode() + b"\xff\xfe"),
    )
    assert found["absolute/f"] == ("file", 0o644, b"1")
    assert found["a/b/c"] == ("file", 0o644, b"2")
    assert found["a/b/d"] == ("file", 0o644, b"3")
    assert "two" in found
    assert "sp ace\n\N{SNOWMAN}\udcff\udcfe" in found


def test_fifos_and_devices(place: Path) -> None:
    devices = header(b"null", b"3", device=(1, 3), mode=0o666) + header(b"sda", b"4", device=(8, 0))
    usual = header(b"./dev/full", b"3", device=(1, 7))  # containers have their own: no warning
    record = extract(header(b"pipe", b"6", mode=0o620) + devices + usual + END, place)
    fs = place / "layer" / "fs"
    assert stat.S_ISFIFO((fs / "pipe").stat().st_mode)
    if os.geteuid() == 0 and stat.S_ISCHR((fs / "null").stat().st_mode):
        assert (fs / "null").stat().st_rdev == os.makedev(1, 3)
        return
    assert tree(fs)["null"] == ("file", 0o644, b"")
    assert record["warned"] == 2
    assert "'null'" in record["warnings"][0]
    _full, null, sda = truths(place).values()
    assert (null.kind, null.device, sda.kind, sda.device) == ("c", (1, 3), "b", (8, 0))
    assert null.mode == 0o666


def test_a_device_that_looks_like_a_whiteout_is_none(place: Path) -> None:
    assert unpacked(place, header(b"x", b"3", device=(0, 0))) == {"x": ("file", 0o644, b"")}


def test_sparse_files_stay_sparse(place: Path) -> None:
    """10 GiB with three bytes in it."""
    size = 10 << 30
    parts = pax(
        (b"GNU.sparse.map", b"%d,3" % (5 << 30)),
        (b"GNU.sparse.size", b"%d" % size),
        (b"GNU.sparse.name", b"big"),
    )
    extract(parts + file(b"GNUSparseFile.0/big", b"abc") + file(b"next", b"n") + END, place)
    big = place / "layer" / "fs" / "big"
    assert big.stat().st_size == size
    assert big.stat().st_blocks * 512 <= 1 << 20
    with big.open("rb") as handle:
        handle.seek(5 << 30)
        assert handle.read(4) == b"abc\0"
    assert (place / "layer" / "fs" / "next").read_bytes() == b"n"


# -- one path twice ----------------------------------------------------------------------------

ROUND = {
    "file": file(b"x", b"new"),
    "directory": directory(b"x") + file(b"x/in", b"side"),
    "symlink": symlink(b"x", b"../../outside"),
    "hard link": link(b"x", b"other"),
    "fifo": header(b"x", b"6"),
}


@pytest.mark.parametrize("second", ROUND)
@pytest.mark.parametrize("first", ROUND)
def test_the_last_entry_of_a_path_wins(first: str, second: str, place: Path) -> None:
    found = unpacked(place, file(b"other", b"other"), ROUND[first], ROUND[second], file(b"z"))
    expected = {
        "file": ("file", 0o644, b"new"),
        "directory": ("directory", 0o755),
        "symlink": ("link", "../../outside"),
        "hard link": ("file", 0o644, b"other"),
        "fifo": ("other", stat.S_IFIFO, 0o644),
    }
    assert found["x"] == expected[second]
    assert found["other"] == ("file", 0o644, b"other")
    assert ("x/in" in found) == (second == "directory")


def test_a_file_over_a_name_of_a_linked_file_leaves_the_other_name(place: Path) -> None:
    found = unpacked(place, file(b"a", b"1"), link(b"b", b"a"), file(b"a", b"2"))
    assert (found["a"][2], found["b"][2]) == (b"2", b"1")


def test_a_directory_over_a_directory_keeps_its_content(place: Path) -> None:
    found = unpacked(place, directory(b"d"), file(b"d/f"), directory(b"d", mode=0o700))
    assert found == {"d": ("directory", 0o700), "d/f": ("file", 0o644, b"")}


def test_a_deep_tree_is_replaced(place: Path) -> None:
    deep = b"/".join([b"d"] * 200)
    found = unpacked(place, file(deep + b"/f"), file(b"d", b"flat"))
    assert found == {"d": ("file", 0o644, b"flat")}


def test_tables_forget_what_was_replaced(place: Path) -> None:
    """Owners and directory modes of what is gone must not fall on what came instead."""
    unpacked(
        place,
        directory(b"d", mode=0o700, uid=5, mtime=1),
        file(b"d/f", uid=6),
        file(b"d", uid=7),
        file(b"d", b"x"),
        directory(b"e", mode=0o700, mtime=1),
        directory(b"e/sub", mode=0o700, mtime=1),
        symlink(b"e", b"../../../outside"),
        directory(b"g", mode=0o700, uid=9),
        symlink(b"g", b"e"),
        file(b"g", b"again"),
    )
    assert truths(place) == {}


# -- hard links --------------------------------------------------------------------------------


def test_hard_links_share_an_inode(place: Path) -> None:
    unpacked(
        place,
        file(b"d/f", b"1", uid=3),
        link(b"./e/l", b"/d/./f"),
        symlink(b"s", b"gone"),
        link(b"s2", b"s"),
        link(b"e/l", b"d/f"),  # once more: nothing to do
        link(b"d/f", b"d/f"),  # to itself
    )
    fs = place / "layer" / "fs"
    assert (fs / "d/f").stat().st_ino == (fs / "e/l").stat().st_ino
    assert os.readlink(fs / "s2") == "gone"
    assert truths(place)["e/l"].uid == 3


@pytest.mark.parametrize(
    "target",
    [
        b"missing",
        b"d/missing",
        b"f/below/a/file",
        b"../outside/precious",
        b"d/../../outside/precious",
        b"/etc/passwd",
        b"d",
        b".",
        b"",
        b"out/precious",
        b"gone",
    ],
)
def test_hard_links_reach_only_files_of_the_layer(target: bytes, place: Path) -> None:
    outside = os.fsencode(place.parent / "outside")
    before = [directory(b"d"), file(b"f"), symlink(b"out", outside), file(b".wh.gone")]
    refused(place, *before, link(b"l", target), match="^unpack 'l': ")


def test_a_hard_link_over_a_whiteout(place: Path) -> None:
    found = unpacked(place, file(b"f", b"1"), file(b".wh.l"), link(b"l", b"f"))
    assert found["l"] == ("file", 0o644, b"1")


# -- symlinks and the way out ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [b"../escape", b"..", b"a/../../escape", b"./../x/y", b"a/../b/../../c"],
)
@pytest.mark.parametrize("make", [file, directory, lambda name: symlink(name, b"x")])
def test_names_that_lead_out_are_refused(make: Any, name: bytes, place: Path) -> None:
    refused(place, make(name), match=r"^unpack '.*\.\.")


@pytest.mark.parametrize("up", [b"../outside", b"../../../outside", b"/", b"../../../../.."])
def test_a_symlink_as_parent_stays_in_the_layer(up: bytes, place: Path) -> None:
    """It is stored as it is, and what lies "behind" it comes to lie inside."""
    target = os.fsencode(place.parent / "outside") if up == b"/" else up
    found = unpacked(
        place,
        symlink(b"out", target),
        file(b"out/precious", b"spoilt"),
        file(b"out/deeper/f"),
    )
    assert found["out"] == ("link", target.decode())
    inside = os.path.relpath(os.path.normpath("/" + target.decode()), "/")
    prefix = "" if inside == "." else inside + "/"
    assert found[prefix + "precious"] == ("file", 0o644, b"spoilt")
    assert prefix + "deeper/f" in found


def test_chains_of_symlinks_inside(place: Path) -> None:
    found = unpacked(
        place,
        directory(b"real/deep"),
        symlink(b"real/up", b"../../../../real/deep"),
        symlink(b"a", b"b/./"),
        symlink(b"b", b"/real//up"),
        file(b"a/f", b"1"),
        link(b"a/g", b"b/f"),
        file(b"a/.wh.h"),
    )
    assert found["real/deep/f"] == ("file", 0o644, b"1")
    assert found["real/deep/g"] == ("file", 0o644, b"1")
    assert found["real/deep/h"] == ("whiteout",) or found["real/deep/.wh.h"]


def test_dots_in_a_symlink_go_up_from_where_it_led(place: Path) -> None:
    """The parent of where the walk has come to, not of the link's own directory."""
    found = unpacked(
        place,
        directory(b"one/two"),
        directory(b"far/away"),
        symlink(b"one/two/s", b"../x"),
        symlink(b"t", b"u/.."),
        symlink(b"u", b"far/away"),
        file(b"one/two/s/f"),
        file(b"t/g"),
    )
    assert {"one/x/f", "far/g"} <= found.keys()


def test_a_symlink_that_changes_between_entries(place: Path) -> None:
    """The cache of directories must not remember where it pointed, or that it was a directory."""
    found = unpacked(
        place,
        directory(b"one"),
        directory(b"two"),
        symlink(b"s", b"one"),
        file(b"s/f", b"1"),
        symlink(b"s", b"two"),
        file(b"s/f", b"2"),
        directory(b"d"),
        file(b"d/f", b"3"),
        symlink(b"d", b"../outside"),
        file(b"d/precious", b"4"),
    )
    assert (found["one/f"][2], found["two/f"][2]) == (b"1", b"2")
    assert found["outside/precious"] == ("file", 0o644, b"4")


def test_a_directory_entry_over_a_symlink_replaces_it(place: Path) -> None:
    found = unpacked(
        place, symlink(b"d", b"../../outside"), directory(b"d", mode=0o700), file(b"d/precious")
    )
    assert found["d"] == ("directory", 0o700)


def test_modes_do_not_go_through_a_symlink(place: Path) -> None:
    """The directory's mode is set at the end, when a symlink has taken its name."""
    unpacked(place, directory(b"d", mode=0o2000), symlink(b"d", b"../../outside"))
    unpacked_again = tree(place / "layer" / "fs")
    assert unpacked_again == {"d": ("link", "../../outside")}


def test_loops_of_symlinks_end(place: Path) -> None:
    loop = symlink(b"a", b"b") + symlink(b"b", b"a")
    refused(place, loop, file(b"a/f"), match="^unpack 'a/f': Too many levels of symbolic links")


def test_a_symlink_bomb_ends(place: Path) -> None:
    """l39 -> l38/l38 -> …: 2^39 steps if each is followed."""
    bomb = [directory(b"l0")] + [
        symlink(b"l%d" % n, b"l%d/../l%d" % (n - 1, n - 1)) for n in range(1, 60)
    ]
    refused(place, *bomb, file(b"l59/f"), match="Too many levels")


def test_a_file_as_parent_is_refused(place: Path) -> None:
    refused(place, file(b"f"), file(b"f/g"), match="^unpack 'f/g': Not a directory")


# -- hostile -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        (pax((b"path", b"a\0b")) + file(b"x"), r"^unpack 'a.x00b': a name in it has a NUL"),
        (pax((b"linkpath", b"a\0b")) + symlink(b"x", b"y"), "^unpack 'x': a name in it has a NUL"),
        (pax((b"path", b"n" * 256)) + file(b"x"), "File name too long"),
        (pax((b"path", b"n" * 256 + b"/f")) + file(b"x"), "File name too long"),
        (pax((b"linkpath", b"n" * 5000)) + symlink(b"x", b"y"), "File name too long"),
        (pax((b"path", b"d/" * 300 + b"f")) + file(b"x"), "deeper than 255 directories"),
        (pax((b"uid", b"4294967295")) + file(b"x", uid=1), "^unpack 'x': its owner 4294967295:0"),
        (file(b".wh."), "whiteout of no name"),
        (file(b".wh.."), "whiteout of no name"),
        (file(b".wh..."), "whiteout of no name"),
        (file(b"."), "the root of a layer can only be a directory"),
        (symlink(b"./", b"/etc"), "the root of a layer can only be a directory"),
        (symlink(b"x", b""), "^unpack 'x': No such file"),
        (header(b"f", size=10000) + bytes(512), "'f': the archive is cut short"),
    ],
)
def test_hostile_entries_are_refused_by_name(parts: bytes, match: str, place: Path) -> None:
    refused(place, file(b"fine"), parts, match=match)


def test_a_long_way_through_symlinks_is_refused(place: Path) -> None:
    """Each name is short enough, what they add up to is not: it could not be removed again."""
    long = b"/".join([b"n" * 200] * 15)
    refused(
        place,
        directory(b"top"),
        pax((b"path", long + b"/f")) + file(b"x"),
        pax((b"linkpath", long)) + symlink(b"s", b"x"),
        pax((b"path", b"s/" + long + b"/f")) + file(b"x"),
        match="File name too long",
    )


def test_limits_hold(place: Path) -> None:
    refused(
        place,
        file(b"bomb", bytes(3 << 20)),
        match="'bomb': the archive is larger than 1048576 bytes",
        limits=Limits(bytes=1 << 20),
    )


def test_many_directories_need_few_descriptors(place: Path) -> None:
    """More directories than descriptors, visited again and again."""
    parts = [directory(b"d%d" % n) for n in range(3000)]
    parts += [file(b"d%d/f%d" % (n, turn)) for turn in range(2) for n in range(3000)]
    gc.collect()  # of what earlier tests forgot, or their threads still hold, some may go meanwhile
    before = len(os.listdir("/proc/self/fd"))
    found = unpacked(place, *parts)
    assert len(found) == 9000
    assert len(os.listdir("/proc/self/fd")) <= before


def test_random_archives_stay_inside(place: Path) -> None:
    """Names, links and types at random, out of few names, so that they meet."""
    dice = tars.dice()
    names = b"a b a/b b/a a/b/a . /a a/. c/../a ./b .. out out/x a/x .wh.a a/.wh.b .wh.. x/y/z"
    targets = b"a b ../a ../.. / ../../../outside . .. a/b x /a/../.. out "
    targets += os.fsencode(place.parent / "outside")
    kept = 0
    for _ in range(400):
        parts = [symlink(b"out", dice.choice(targets.split()))]
        for _ in range(dice.randint(1, 12)):
            name, target = (
                dice.choice([*names.split(), b"b/" + OPAQUE]),
                dice.choice(targets.split()),
            )
            kind = dice.choice([b"0", b"1", b"2", b"5", b"6", b"3"])
            parts.append(header(name, kind, link=target, mode=dice.choice([0o755, 0o0, 0o7777])))
        try:
            unpacked(place, *parts)
        except LayerError:
            pass
        else:
            kept += 1
        subprocess.run(["chmod", "-R", "u+rwx", place / "layer"], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", place / "layer"], check=True)
    assert kept > 20


# -- whiteouts ---------------------------------------------------------------------------------


def test_whiteouts(place: Path) -> None:
    found = unpacked(place, directory(b"d"), file(b"d/.wh.f"), file(b".wh.g"), file(b"new/.wh.h"))
    assert found["d/f"] == found["g"] == found["new/h"] == ("whiteout",)
    assert not any(".wh." in name for name in found)


def test_an_opaque_directory(place: Path) -> None:
    unpacked(place, file(b"d/" + OPAQUE), directory(b"d"), directory(b"e"), file(b"e/f"))
    fs = place / "layer" / "fs"
    assert opaque(fs / "d")
    assert not opaque(fs / "e")
    assert os.listdir(fs / "d") == []


def test_aufs_names_are_dropped(place: Path) -> None:
    assert unpacked(place, file(b".wh..wh.plnk"), file(b".wh..wh.aufs")) == {}


@pytest.mark.parametrize("first", [True, False])
def test_own_files_win_over_whiteouts(first: bool, place: Path) -> None:
    """In either order: a whiteout only speaks of the layers below."""
    whiteouts = file(b".wh.f") + file(b".wh.d")
    own = file(b"f", b"1") + directory(b"d") + file(b"d/g")
    found = unpacked(place, *([whiteouts, own] if first else [own, whiteouts]))
    fs = place / "layer" / "fs"
    assert found == {
        "f": ("file", 0o644, b"1"),
        "d": ("directory", 0o755),
        "d/g": ("file", 0o644, b""),
    }
    assert opaque(fs / "d"), "what the lower layers have in it was deleted"


def test_a_parent_over_a_whiteout_is_opaque(place: Path) -> None:
    found = unpacked(place, file(b".wh.d"), file(b"d/f", b"1"))
    assert found["d/f"] == ("file", 0o644, b"1")
    assert opaque(place / "layer" / "fs" / "d")


def test_a_whiteout_twice(place: Path) -> None:
    assert unpacked(place, file(b".wh.f"), file(b".wh.f")) == {"f": ("whiteout",)}


# -- attributes and owners ---------------------------------------------------------------------


def test_attributes(place: Path) -> None:
    pairs = (
        (b"SCHILY.xattr.user.mine", b"\0value\n"),
        (b"SCHILY.xattr.user.overlay.redirect", b"/etc"),
        (b"SCHILY.xattr.user.overlay.opaque", b"y"),
        (b"SCHILY.xattr.trusted.overlay.opaque", b"y"),
        (b"SCHILY.xattr.security.selinux", b"system_u:object_r:etc_t:s0\0"),
    )
    unpacked(place, pax(*pairs), file(b"f", mode=0o444), pax(*pairs), directory(b"d", mode=0o555))
    for name in ("f", "d"):
        path = place / "layer" / "fs" / name
        assert [n for n in os.listxattr(path) if not n.startswith("security.")] == ["user.mine"]
        assert os.getxattr(path, "user.mine") == b"\0value\n"
    assert stat.S_IMODE((place / "layer" / "fs" / "f").stat().st_mode) == 0o444


@pytest.mark.modes("mapped", "single")
def test_what_cannot_be_set_is_recorded(place: Path) -> None:
    """Outside a namespace an ordinary user cannot give capabilities."""
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    record = extract(
        pax((b"SCHILY.xattr.security.capability", capability)) + file(b"ping") + END, place
    )
    assert truths(place)["ping"].xattrs == {"security.capability": capability}
    assert record["warnings"] == ["'ping': cannot set the attributes 'security.capability' here"]


def test_owners_and_modes_are_recorded_where_there_is_one_uid(place: Path) -> None:
    found = unpacked(
        place,
        file(b"etc/shadow", b"s", uid=0, gid=42, mode=0o640),
        file(b"etc/gshadow", b"g", mode=0),
        file(b"plain"),
        directory(b"home", uid=1000, gid=1000, mode=0o2000),
        symlink(b"link", b"x", uid=5),
        file(b"bad\xff\n", uid=2**32 - 2),
    )
    assert found["etc/gshadow"] == ("file", 0o400, b"g")
    assert found["home"] == ("directory", 0o2500)
    told = {path: (t.uid, t.gid, t.mode) for path, t in truths(place).items()}
    assert told == {
        "etc/gshadow": (0, 0, 0),
        "etc/shadow": (0, 42, -1),
        "home": (1000, 1000, 0o2000),
        "link": (5, 0, -1),
        "bad\udcff\n": (2**32 - 2, 0, -1),
    }
    lines = (place / "layer" / "owners").read_text().splitlines()
    assert lines[1] == '["etc/gshadow",0,0,{"mode":0}]'
    assert len(lines) == 5


def test_tarfile_and_bsd_style_archives(place: Path) -> None:
    """A pax header whose name is a path of its own, and a directory without a slash."""
    path = place.parent / "place" / "layer"
    path.mkdir()
    archive = place / "a.tar"
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as out:
        info = tarfile.TarInfo("é" * 80)
        info.type = tarfile.DIRTYPE
        info.mode = 0o755
        out.addfile(info)
    data = archive.read_bytes()
    archive.unlink()
    assert unpacked(place, data) == {"é" * 80: ("directory", 0o755)}
