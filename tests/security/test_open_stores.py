"""A store that was opened to others, as README.md has it, gives nobody its owner's rights.

The attack is that of CVE-2021-41091: a program that is set-user-id root in an image lies on the
disk, and a neighbour who may enter the directories of images starts it.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from archives import docker
from tars import END, directory, file, link, pax, symlink

from rootless import Engine
from rootless.images import shared
from rootless.store.paths import Paths
from tests.conftest import Store, user_mode

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
"""cap_net_raw=ep."""

KEY = b"SCHILY.xattr.security.capability"

DRIVERS = pytest.mark.parametrize(
    "driver",
    [
        "overlay",
        pytest.param("fuse-overlayfs", marks=pytest.mark.needs("fuse-overlayfs", "/dev/fuse")),
        "copy",
    ],
)


def dynamic(program: str) -> list[bytes]:
    """The libraries of a program: busybox, which needs none, gives its rights up by itself."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    paths = [word for word in told.split() if word.startswith("/")]
    return [file(os.fsencode(path[1:]), Path(path).read_bytes(), mode=0o755) for path in paths]


def layers() -> list[bytes]:
    program = Path("/bin/busybox").read_bytes()
    base = [
        *dynamic("/bin/cat"),
        directory(b"bin", mode=0o755),
        file(b"bin/busybox", program, mode=0o755),
        *(symlink(b"bin/" + name, b"busybox") for name in (b"sh", b"stat", b"cat", b"id", b"ls")),
        *(symlink(b"bin/" + name, b"busybox") for name in (b"chmod", b"rm", b"touch", b"cp")),
        directory(b"etc", mode=0o755),
        file(b"etc/passwd", b"root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n"),
        file(b"secret", b"of root\n", mode=0o600),
        directory(b"set", mode=0o750, gid=7 if user_mode() != "single" else 0, mtime=1000),
        directory(b"tmp", mode=0o1777, mtime=3000),
        directory(b"all", mode=0o777),
        directory(b"all/in", mode=0o777),
        file(b"all/in/file", b"w" * 5000, mode=0o666),
        file(b"all/program", b"w", mode=0o775),
        directory(b"all/group", mode=0o2775),
        file(b"set/gone", b"x", mode=0o4755),
        file(b"set/later", b"x", mode=0o4755),
        file(b"set/kept", b"x" * 5000, mode=0o6711, mtime=2000),
        link(b"set/again", b"set/kept"),
    ]
    top = [
        directory(b"usr", mode=0o711),
        directory(b"usr/set", mode=0o755),
        file(b"usr/set/cat", Path("/bin/cat").read_bytes(), mode=0o4755),
        directory(b"set", mode=0o750, gid=7 if user_mode() != "single" else 0, mtime=1000),
        pax((KEY, CAPABILITY)) + file(b"usr/set/ping", b"p" * 5000, mode=0o755),
        file(b"set/.wh.gone"),
        file(b"set/later", b"y", mode=0o755),
    ]
    return [b"".join(parts) + END for parts in (base, top)]


def load(store: Store) -> None:
    archive = f"{store.directory}/set.tar"
    Path(archive).write_bytes(docker(layers(), names=["set:1"]))
    store.ok("load", "-i", archive)


def open_to_others(store: Store) -> None:
    """Do as README.md says."""
    os.chmod(store.directory, 0o755)
    for name in ("", "/images", "/layers"):
        path = store.root + name
        os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | 0o055)


def programs(store: Store) -> list[str]:
    """What others reach that has set-id bits or capabilities, or that they may write."""
    script = """
import os, stat, sys
root = sys.argv[1]
def walk(path, reached):
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        if status.st_mode & (0o022 if status.st_gid == os.getegid() else 0o002):
            print("open" if reached else "shut", path[len(root) + 1:])
        for name in os.listdir(path):
            walk(path + "/" + name, reached and status.st_mode & 0o011)
    elif stat.S_ISREG(status.st_mode):
        ours = 0o022 if status.st_gid == os.getegid() else 0o002
        if status.st_mode & (0o6000 | ours) or "security.capability" in os.listxattr(path):
            print("open" if reached else "shut", path[len(root) + 1:])
walk(root, True)
"""
    shown = store.ok("unshare", "python3", "-c", script, store.root)
    assert shown
    return [line for line in shown.splitlines() if line.startswith("open")]


@pytest.fixture
def opened(cli: Store, rootless_root: str) -> Store:
    Paths(rootless_root).prepare()
    open_to_others(cli)  # what comes later follows
    load(cli)
    return cli


LOOK = "stat -c '%n %a %u:%g %h %s' /set /set/* /usr /usr/set/ping /usr/set/cat"


def test_others_reach_no_program_that_runs_as_somebody_else(opened: Store) -> None:
    """Neither in layers as they were loaded, nor in committed ones, containers, volumes, mounts."""
    assert all(path.stat().st_mode & 0o001 for path in Path(opened.root, "layers").glob("*/fs"))
    assert programs(opened) == []
    script = "cp -p /set/kept /usr/set/cat /vol; cp -p /usr/set/cat /new; chmod 6755 /new"
    opened.ok("run", "--name", "one", "-v", "data:/vol", "set:1", "sh", "-c", script)
    opened.ok("commit", "one", "changed:1")
    opened.ok("commit", "--squash", "one", "whole:1")
    opened.ok("run", "--name", "two", "changed:1", "stat", "/new")
    assert programs(opened) == []
    copied = {"ROOTLESS_DRIVER": "copy"}
    opened.ok("run", "--name", "three", "whole:1", "stat", "/new", env=copied)
    assert programs(opened) == []
    assert opened("system", "check").stdout == ""
    assert "others may read" in opened.ok("doctor")


@pytest.mark.modes("mapped", "root")
def test_a_neighbour_cannot_enter_where_they_are(opened: Store) -> None:
    found = list(Path(opened.root, "layers").glob("*/withheld"))
    assert len(found) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o700}
    assert {path.stat().st_uid for path in found} == {os.getuid()}


@DRIVERS
def test_what_all_may_write_is_so_for_containers_only(opened: Store, driver: str) -> None:
    """In an image's /tmp a neighbour would put files into the owner's containers."""
    env = {"ROOTLESS_DRIVER": driver}
    look = "stat -c '%a %Y' /tmp; stat -c %a /all /all/in /all/in/file /all/program /all/group"
    look += "; cat /all/in/file | wc -c"
    opened.ok("run", "--name", "one", "set:1", "sh", "-c", look, env=env)
    expected = ["1777 3000", "777", "777", "666", "775", "2775", "5000"]
    assert opened.ok("logs", "one").splitlines() == expected
    assert opened.ok("diff", "one", env=env) == ""
    if user_mode() != "single":
        opened.ok("run", "--rm", "-u", "1000", "set:1", "touch", "/tmp/x", "/all/in/y", env=env)
    opened.ok("run", "--name", "two", "set:1", "touch", "/tmp/x", "/all/in/y", env=env)
    opened.ok("commit", "two", "changed:1")
    assert (
        opened.ok("run", "--rm", "changed:1", "stat", "-c", "%a", "/tmp", "/all/in") == "1777\n777"
    )
    opened.ok("export", "-o", f"{opened.directory}/all.tar", "two")
    with tarfile.open(f"{opened.directory}/all.tar") as archive:
        modes = {one.name.rstrip("/"): one.mode for one in archive}
    assert [modes[name] for name in ("tmp", "all", "all/in", "all/in/file", "all/program")] == [
        0o1777,
        0o777,
        0o777,
        0o666,
        0o775,
    ]
    assert programs(opened) == []


@DRIVERS
def test_containers_see_them_as_they_are(opened: Store, driver: str) -> None:
    env = {"ROOTLESS_DRIVER": driver}
    single = user_mode() == "single"
    lines = opened.ok("run", "--rm", "set:1", "sh", "-c", LOOK, env=env).splitlines()
    found = {line.split()[0]: line.split()[1:] for line in lines}
    assert found.pop("/set")[:2] == ["750", "0:0" if single else "0:7"]
    assert found.pop("/usr")[0] == "711"
    assert found.pop("/usr/set/cat")[:2] == ["4755", "0:0"]
    assert found.pop("/usr/set/ping")[0] == "755"
    mode = "6711"
    assert found == {
        "/set/again": [mode, "0:0", "2", "5000"],
        "/set/kept": [mode, "0:0", "2", "5000"],
        "/set/later": ["755", "0:0", "1", "1"],
    }


@DRIVERS
@pytest.mark.modes("mapped", "root")
def test_users_of_a_container_run_them(opened: Store, driver: str) -> None:
    """As su and sudo are."""
    run = ("run", "--rm", "--user", "user", "set:1")
    env = {"ROOTLESS_DRIVER": driver}
    assert opened(*run, "cat", "/secret", env=env).returncode == 1
    assert opened.ok(*run, "/usr/set/cat", "/secret", env=env) == "of root"


def members(path: str) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as archive:
        return {one.name.removeprefix("./"): one for one in archive}


def test_what_is_made_of_them_has_their_true_modes(opened: Store) -> None:
    """diff, export, commit and image diff go by the second trees, too."""
    opened.ok("run", "--name", "one", "set:1", "chmod", "u-s", "/usr/set/cat")
    assert opened.ok("diff", "one").split() == "C /usr C /usr/set C /usr/set/cat".split()
    assert "C /set/later" in opened.ok("image", "diff", "set:1").splitlines()
    exported = f"{opened.directory}/x.tar"
    opened.ok("export", "-o", exported, "one")
    found = members(exported)
    assert found["usr/set/cat"].mode == 0o755
    assert {found["set/kept"].mode, found["set/again"].mode} == {0o6711}
    assert "SCHILY.xattr.security.capability" in found["usr/set/ping"].pax_headers
    assert "set/gone" not in found
    opened.ok("commit", "--squash", "one", "whole:1")
    opened.ok("run", "--rm", "whole:1", "sh", "-c", "[ ! -u /usr/set/cat ] && [ -u /set/kept ]")
    opened.ok("commit", "one", "less:1")
    opened.ok("run", "--rm", "less:1", "sh", "-c", "[ ! -u /usr/set/cat ] && [ -u /set/kept ]")


def test_mounted_images_have_them(opened: Store) -> None:
    script = f"stat -c %a $({' '.join(opened.command)} image mount set:1)/set/kept"
    assert opened.ok("unshare", "sh", "-c", script) == "6711"


def as_before(store: Store) -> None:
    """Make the layers what earlier releases made: the bits in `fs`, and nothing beside it."""
    script = """
for layer in "$@"; do
    (cd "$layer/withheld/fs" && find . -type f -perm /6000 -o -type f -name ping) |
        while read -r name; do mv "$layer/withheld/fs/$name" "$layer/fs/$name"; done
    (cd "$layer/withheld/fs" && find . -perm /022 ! -type l) |
        while read -r name; do chmod --reference "$layer/withheld/fs/$name" "$layer/fs/$name"; done
    rm -r "$layer/withheld"
done
"""
    found = [str(path.parent) for path in Path(store.root, "layers").glob("*/withheld")]
    assert len(found) == 2
    store.ok("unshare", "sh", "-euc", script, "sh", *found)
    for path in Path(store.root, "layers").glob("*/layer.json"):
        record = json.loads(path.read_text())
        del record["withheld"]
        path.write_text(json.dumps(record))


def test_layers_of_an_earlier_release_are_mended(opened: Store) -> None:
    """They work until then, doctor says what is wrong, and what was made on them goes on."""
    opened.ok("create", "--name", "old", "set:1", "stat", "-c", "%a", "/set/kept")
    as_before(opened)
    assert len(programs(opened)) > 3
    assert opened.ok("run", "--rm", "set:1", "stat", "-c", "%a", "/set/kept") == "6711"
    findings = json.loads(opened("doctor", "--json").stdout)
    (about,) = [one for one in findings if one["need"] == "open store"]
    assert about["level"] == "degraded"
    assert about["found"].startswith("2 layers of an earlier release")
    assert about["remedy"] == "rootless system check --repair"
    told = opened("system", "check").stdout.splitlines()
    assert len(told) == 2
    assert all("an earlier release left set-user-id programs" in line for line in told)
    repaired = opened.ok("system", "check", "--repair").splitlines()
    assert [line.partition(":")[0] for line in repaired] == ["repaired"] * 2
    assert programs(opened) == []
    assert opened("system", "check").stdout == ""
    assert "earlier release" not in opened.ok("doctor")
    assert opened.ok("start", "-a", "old") == "6711"


def test_old_layers_without_such_files_are_as_good_as_new(cli: Store) -> None:
    archive = f"{cli.directory}/plain.tar"
    parts = [directory(b"bin", mode=0o755), file(b"bin/x", b"x", mode=0o755)]
    Path(archive).write_bytes(docker([b"".join(parts) + END], names=["plain:1"]))
    cli.ok("load", "-i", archive)
    (path,) = Path(cli.root, "layers").glob("*/layer.json")
    record = json.loads(path.read_text())
    assert record.pop("withheld") == 0
    path.write_text(json.dumps(record))
    path.parent.chmod(0o755)
    open_to_others(cli)
    assert cli("system", "check").stdout == ""
    assert "others may read" in cli.ok("doctor")


def test_doctor_names_private_directories_that_were_opened(opened: Store) -> None:
    os.chmod(f"{opened.root}/containers", 0o755)
    done = opened("doctor")
    assert f"others may enter containers in {opened.root}" in done.stdout
    assert f"chmod 700 {opened.root}/containers" in done.stdout


@pytest.fixture
def reader(opened: Store) -> Iterator[Store]:
    """The store of somebody else, who uses the opened one."""
    store = Store()
    Paths(store.root).prepare()
    open_to_others(store)
    store.env[shared.VARIABLE] = opened.root
    os.chmod(f"{opened.root}/layers", 0o775)  # as if it were not the same user's
    yield store
    store.remove()


def test_who_uses_the_store_has_second_trees_of_ones_own(reader: Store) -> None:
    lines = reader.ok("run", "--rm", "set:1", "sh", "-c", LOOK).splitlines()
    assert any(line.startswith("/set/kept 6711 ") for line in lines)
    assert any(line.startswith("/usr/set/cat 4755 ") for line in lines)
    assert programs(reader) == []
    if user_mode() != "single":
        command = ("run", "--rm", "--user", "user", "set:1", "/usr/set/cat", "/secret")
        assert reader.ok(*command) == "of root"


def unpacked(store: Store, *parts: bytes) -> dict[str, Any]:
    """Load an image of one layer and return what its only layer.json says."""
    archive = f"{store.directory}/odd.tar"
    Path(archive).write_bytes(docker([b"".join(parts) + END], names=["odd:1"]))
    Engine(store.root).images.load(archive)
    (path,) = Path(store.root, "layers").glob("*/layer.json")
    return dict(json.loads(path.read_text()))


def test_what_was_replaced_in_the_archive_leaves_no_rights(cli: Store, rootless_root: str) -> None:
    """Files of the same name that came later, in directories that came later, are plain ones."""
    record = unpacked(
        cli,
        file(b"d/plain", b"1", mode=0o4755),
        file(b"d", b"no directory"),
        directory(b"d"),
        file(b"d/plain", b"2", mode=0o755),
        file(b"e/plain", b"1", mode=0o4755),
        symlink(b"e", b"f"),
        file(b"f/plain", b"2", mode=0o755),
        file(b"g", b"1", mode=0o4755),
        file(b"g", b"2", mode=0o755),
        file(b"h", b"1", mode=0o4755),
        directory(b"h"),
        file(b"i/j", b"1", mode=0o4755),
        file(b"i", b"1"),
        directory(b"i"),
        file(b"other", b"1", mode=0o755),
        link(b"i/j", b"other"),
    )
    assert record["withheld"] == 0
    assert not list(Path(cli.root, "layers").glob("*/withheld"))
    assert not [
        path for path in Path(cli.root, "layers").glob("*/owners") if "2541" in path.read_text()
    ]


def test_holes_stay_holes(cli: Store, rootless_root: str) -> None:
    """A set-user-id file of a terabyte without content fills no disk."""
    size = 1 << 40
    sparse = pax(
        (b"path", b"huge"),
        (b"GNU.sparse.map", b"%d,1" % (size - 1)),
        (b"GNU.sparse.size", b"%d" % size),
    )
    assert unpacked(cli, sparse + file(b"x", b"d", mode=0o4755))["withheld"] == 1
    (path,) = Path(cli.root, "layers").glob("*/withheld/fs/huge")
    status = path.stat()
    assert (status.st_size, stat.S_IMODE(status.st_mode)) == (size, 0o4755)
    assert status.st_blocks < 1000
