"""--userns keep-id and nomap: root's files are root's, not the user's who runs inside.

The attack: with keep-id the user inside owned all of root's files. He could write /etc and every
program, and a set-user-id program of the image ran as himself and gave no rights to be limited.
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import io
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rootless.images import shared
from tests.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.modes("mapped")

KEEP = ("--userns", "keep-id")
NET_BIND_SERVICE = "\1\0\0\2\0\4" + "\0" * 14
"""cap_net_bind_service=ep, as a file has it."""
BIG = b"0123456789abcdef" * 65536
SUM = f"{hashlib.md5(BIG).hexdigest()}  /big"


def add(tar: tarfile.TarFile, name: str, data: bytes | str = b"", **how: Any) -> None:
    """Add an entry; a directory without data, a symbolic link for a text."""
    info = tarfile.TarInfo(name)
    info.mtime = 1_000_000_000
    info.mode = how.pop("mode", 0o755)
    info.type = tarfile.DIRTYPE if data == b"" else tarfile.REGTYPE
    if isinstance(data, str):
        info.type, info.linkname = tarfile.SYMTYPE, data
    for key, value in how.items():
        setattr(info, key, value)
    content = data if isinstance(data, bytes) else b""
    info.size = len(content) if info.isreg() else 0
    tar.addfile(info, io.BytesIO(content))


def dynamic(tar: tarfile.TarFile, program: str, name: str, **how: Any) -> None:
    """Add a program of this machine, with the libraries that it needs."""
    add(tar, name, Path(program).read_bytes(), **how)
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+)", said):
        add(tar, library.lstrip("/"), Path(library).read_bytes())


@pytest.fixture(scope="session")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tar of a root file system with several owners and a set-user-id program."""
    path = tmp_path_factory.mktemp("image") / "owners.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("bin", "etc", "home", "root", "srv", "vol", "data"):
            add(tar, name)
        add(tar, "tmp", mode=0o1777)
        add(tar, "bin/busybox", Path("/bin/busybox").read_bytes())
        for applet in (
            "sh",
            "stat",
            "touch",
            "mkdir",
            "rm",
            "sleep",
            "cat",
            "chown",
            "true",
            "md5sum",
        ):
            add(tar, f"bin/{applet}", "busybox")
        add(tar, "bin/id", "busybox")
        dynamic(tar, "/usr/bin/id", "bin/rootid", mode=0o4755)
        held = {"SCHILY.xattr.security.capability": NET_BIND_SERVICE}
        dynamic(tar, "/bin/grep", "bin/grep", pax_headers=held)
        add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:\n")
        add(tar, "etc/group", b"root:x:0:\nnode:x:1000:\n")
        add(tar, "home/node", uid=1000, gid=1000)
        add(tar, "srv/www", uid=33, gid=33)
        add(tar, "vol/file", b"small", uid=33, gid=34, mode=0o640)
        add(tar, "big", BIG, mode=0o644)
    return str(path)


@pytest.fixture(scope="module")
def store(image_file: str) -> Iterator[Store]:
    """A store with the images `owners` and `node`, the same as user 33."""
    store = Store()
    store.ok("import", image_file, "owners")
    store.ok("import", "-c", "USER 33", image_file, "node")
    yield store
    store.remove()


@pytest.fixture
def own(cli: Store, image_file: str) -> Store:
    """A store of this test's own with the image `owners`."""
    cli.ok("import", image_file, "owners")
    return cli


def inside(store: Store, *options: str, script: str, image: str = "owners") -> list[str]:
    """Run a script in a new container without a network; return the lines that it prints."""
    words = ("run", "--rm", "--network", "none", *options, image, "sh", "-c", script)
    return store.ok(*words).splitlines()


def skeletons(store: Store) -> list[Path]:
    """The complete skeletons of a store."""
    return sorted(Path(store.root, "skeletons").glob("*/[0-9a-f]*"))


def me() -> str:
    """This user and group."""
    return f"{os.getuid()}:{os.getgid()}"


# -- whose the files are


def test_roots_files_are_roots_and_cannot_be_written(store: Store) -> None:
    paths = "/ /etc /etc/passwd /etc/hosts /etc/hostname /bin/busybox /dev /dev/shm /root /big"
    script = f"stat -c %u:%g {paths}; for i in /etc/x /bin/x /x; do touch $i 2>&1; done"
    script += "; echo x 2>&1 >>/etc/hosts; rm /etc/passwd 2>&1; chown 0:0 /etc 2>&1; echo done"
    lines = inside(store, *KEEP, script=script)
    assert lines[:10] == ["0:0"] * 10
    assert len([line for line in lines if "denied" in line or "not permitted" in line]) >= 5
    assert lines[-1] == "done"
    assert inside(store, *KEEP, script="id -u; stat -c %u /home/node") == [str(os.getuid()), "1000"]


def test_a_set_user_id_program_gives_root_inside_and_nothing_outside(
    store: Store, tmp_path: Path
) -> None:
    script = "id -u; rootid -u; rootid -ru; stat -c %u:%a /bin/rootid"
    mine = str(os.getuid())
    assert inside(store, *KEEP, script=script) == [mine, "0", mine, "0:4755"]
    options = (*KEEP, "--security-opt", "no-new-privileges")
    assert inside(store, *options, script="rootid -u") == [mine]
    tmp_path.chmod(0o755)
    script = "touch /w/file; stat -c %u /w/file"
    assert inside(store, *KEEP, "-u", "0", "-v", f"{tmp_path}:/w", script=script) == ["0"]
    outside = (tmp_path / "file").stat().st_uid
    assert outside not in (0, os.getuid())
    store.ok("unshare", "rm", str(tmp_path / "file"))


@pytest.mark.parametrize("options", [(), KEEP, ("--userns", "nomap")], ids=" ".join)
def test_a_program_with_capabilities_has_them(store: Store, options: tuple[str, ...]) -> None:
    """They count for the root that the container has, whoever that is outside."""
    script = "/bin/grep CapEff /proc/self/status"
    (line,) = inside(store, *options, "-u", "1000", script=script)
    assert int(line.split()[1], 16) == 1 << 10


def test_what_is_mine_is_mine(store: Store, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("mine")
    script = "stat -c %u:%g /w /w/given; cat /w/given; touch /w/new; mkdir /w/d"
    lines = inside(store, *KEEP, "-v", f"{tmp_path}:/w", script=script)
    assert lines == [me(), me(), "mine"]
    assert (tmp_path / "new").stat().st_uid == (tmp_path / "d").stat().st_uid == os.getuid()


def test_the_images_other_owners_keep_their_numbers(store: Store) -> None:
    script = "id -un; stat -c %u:%g /home/node /srv/www /vol/file; touch /home/node/x; echo $HOME"
    lines = inside(store, "--userns", "keep-id:uid=1000,gid=1000", script=script)
    assert lines == ["node", "1000:1000", "33:33", "33:34", "/home/node"]
    # As podman: the user of the image goes before the one who is kept.
    assert inside(store, *KEEP, script="id -u; id -g", image="node") == ["33", "0"]
    assert inside(store, *KEEP, "-u", me(), script="id -u", image="node") == [str(os.getuid())]
    assert inside(store, *KEEP, "-u", "node", script="touch /home/node/y; echo y") == ["y"]


def test_nomap_is_the_same_without_the_user(store: Store, tmp_path: Path) -> None:
    script = "id -u; stat -c %u:%g / /etc/hosts /home/node /srv/www /w; touch /x && echo x"
    lines = inside(store, "--userns", "nomap", "-v", f"{tmp_path}:/w", script=script)
    assert lines == ["0", "0:0", "0:0", "1000:1000", "33:33", "65534:65534", "x"]
    for user in ("0", "1000"):
        options = ("--userns", "nomap", "-u", user)
        assert inside(store, *options, script="echo x >/dev/stdout") == ["x"]
        assert inside(store, *options, "-t", script="echo x >$(readlink /proc/self/fd/0)") == ["x"]


def test_shared_is_as_it_was(store: Store) -> None:
    script = "stat -c %u:%g /etc; touch /etc/x; id -un"
    name = pwd.getpwuid(os.getuid()).pw_name
    assert inside(store, "--userns", "keep-id:shared", script=script) == [me(), name]


def test_a_container_of_old_goes_on(own: Store) -> None:
    """Its record has no mark, and its own files were written when root's were the user's."""
    own.ok("create", "--name", "old", *KEEP, "--network", "none", "owners", "sh", "-c", "touch /x")
    (path,) = Path(own.root, "containers").glob("[0-9a-f]*/config.json")
    record = json.loads(path.read_text())
    del record["spec"]["rootless"]["shifted"], record["spec"]["rootless"]["account"]
    path.write_text(json.dumps(record))
    for _ in range(2):
        own.ok("start", "-a", "old")
    assert exported(own, "old")["x"] == (os.getuid(), os.getgid())
    assert exported(own, "old")["etc"] == (0, 0)
    assert skeletons(own) == []


def test_who_i_am_has_a_name_and_a_home(store: Store) -> None:
    user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid()).gr_name
    script = "id -un; id -gn; echo $HOME"
    assert inside(store, *KEEP, script=script) == [user.pw_name, group, "/"]
    assert inside(store, *KEEP, "-w", "/srv", script=script)[2] == "/srv"
    home = ("-v", f"{user.pw_dir}:{user.pw_dir}:ro")
    assert inside(store, *KEEP, *home, script=script)[2] == user.pw_dir
    lines = inside(store, "--userns", "keep-id:uid=77,gid=88", script=f"{script}; id -u")
    assert lines == ["77", "88", "/", "77"]
    assert inside(store, *KEEP, script="id -un; cat /etc/passwd", image="node")[0] == "33"


def test_a_hostile_working_directory_makes_no_line_of_passwd(store: Store) -> None:
    place = "/x:/y\nroot2::0:0::/:/bin/sh"
    lines = inside(store, *KEEP, "-w", place, script="cat /etc/passwd; echo $HOME")
    assert not [line for line in lines if line.startswith("root2")]
    assert lines[-1] == "/"


# -- what the engine makes


def test_what_the_engine_makes_is_roots(store: Store, tmp_path: Path) -> None:
    options = [*KEEP, "-w", "/made/here", "--tmpfs", "/t", "--tmpfs", "/u:uid=5,gid=6"]
    options += ["-v", f"{tmp_path}:/point/a/b", "--tmpfs", "/srv:tmpcopyup"]
    script = "stat -c %u:%g /made /made/here /t /point /point/a /srv /srv/www /u /point/a/b"
    made = ["0:0"] * 6 + ["33:33", "5:6", me()]
    assert inside(store, *options, script=script) == made
    assert inside(
        store, *KEEP, "--read-only", "--read-only-tmpfs", script="stat -c %u:%g:%a /tmp"
    ) == ["0:0:1777"]
    host = inside(
        store, *KEEP, image="host", script="stat -c %u / /mnt /var/lib; touch /mnt/x || :"
    )
    assert host == ["0"] * 3


def test_volumes_begin_with_the_images_owners(store: Store) -> None:
    script = "stat -c %u:%g /vol /vol/file /data; touch /new/x; stat -c %u:%g /new/x"
    options = (*KEEP, "-v", "one:/vol", "-v", "two:/data", "-v", "three:/new")
    for _ in range(2):
        assert inside(store, *options, script=script) == ["0:0", "33:34", "0:0", me()]
    give = "stat -c %u:%g /vol /vol/file"
    assert inside(store, *KEEP, "-v", "one:/vol:U", script=give) == [me(), me()]
    options = ("--userns", "keep-id:uid=7,gid=8", "-u", "33:34", "-v", "one:/vol:U")
    assert inside(store, *options, script=give) == ["33:34", "33:34"]


def test_a_layer_upon_what_is_mine(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    script = "stat -c %u:%g /w /w/file; echo other >/w/file; touch /w/new; stat -c %u /w/new"
    lines = inside(store, *KEEP, "-v", f"{tmp_path}:/w:O", script=script)
    assert lines == [me(), me(), str(os.getuid())]
    assert os.listdir(tmp_path) == ["file"]


def test_a_directory_as_root_is_mine_as_it_is(
    store: Store, image_file: str, tmp_path: Path
) -> None:
    with tarfile.open(image_file) as tar:
        tar.extractall(tmp_path)
    script = "id -u; stat -c %u:%g /etc /etc/hosts; mkdir /etc/mine"
    options = ("run", "--rm", "--network", "none", *KEEP, "--rootfs")
    for path in (f"{tmp_path}:O", str(tmp_path)):
        lines = store.ok(*options, path, "sh", "-c", script).splitlines()
        assert lines == [str(os.getuid()), me(), "0:0"]
    assert (tmp_path / "etc/mine").stat().st_uid == os.getuid()
    store.ok("unshare", "rm", "-rf", *map(str, tmp_path.iterdir()))


def test_a_container_starts_again_and_lets_others_in(own: Store) -> None:
    script = "touch /tmp/x; exec sleep 1000"
    options = ("--init", *KEEP, "--network", "none", "-w", "/made")
    own.ok("run", "-d", "--name", "one", *options, "owners", "sh", "-c", script)
    for _ in range(2):
        own.ok("restart", "-t", "0", "one")
        look = (
            "id -un; stat -c %u:%g / /etc/hosts /tmp/x /made; touch /etc/x 2>/dev/null || echo no"
        )
        name = pwd.getpwuid(os.getuid()).pw_name
        lines = own.ok("exec", "one", "sh", "-c", look).splitlines()
        assert lines == [name, "0:0", "0:0", me(), "0:0", "no"]
        as_root = ("exec", "-u", "0", "one", "sh", "-c")
        lines = own.ok(*as_root, "touch /etc/x; stat -c %u /etc/x; rm /etc/x").splitlines()
        assert lines == ["0"]


# -- the skeleton: no byte twice, made once, gone with its layer


def test_no_byte_is_copied_and_the_second_container_finds_it(own: Store) -> None:
    inside(own, *KEEP, script="true")
    (first,) = skeletons(own)
    if "-whole" in str(first):
        pytest.skip("overlay has no data-only layers with userxattr here (Linux 6.16)")
    big = (first / "fs/big").stat()
    assert (big.st_size, big.st_blocks * 512 <= 4096) == (len(BIG), True)
    (layer,) = Path(own.root, "layers").glob("[0-9a-f]*/fs")
    assert used(own, first / "fs") < used(own, layer) / 5
    before = (first.stat().st_ino, (first / "fs").stat().st_ctime_ns)
    assert inside(own, *KEEP, script="md5sum /big") == [SUM]
    assert before == (first.stat().st_ino, (first / "fs").stat().st_ctime_ns)
    assert inside(own, "--userns", "keep-id:uid=1000", script="echo 1") == ["1"]
    assert len(skeletons(own)) == 2


def used(store: Store, tree: Path) -> int:
    """Kibibytes on the disk."""
    return int(store.ok("unshare", "du", "-sk", str(tree)).split()[0])


def test_nobody_else_may_enter(store: Store) -> None:
    """A set-user-id program of the image's user N is this user's own on the disk."""
    inside(store, *KEEP, script="true")
    for directory in (Path(store.root, "skeletons"), *skeletons(store)):
        assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("way", [("rmi",), ("image", "prune", "--all", "--force"), ("reset",)])
def test_it_goes_with_its_layer(own: Store, way: tuple[str, ...]) -> None:
    inside(own, *KEEP, script="true")
    (place,) = skeletons(own)
    own.ok("create", "--name", "user", *KEEP, "owners", "true")
    if way == ("rmi",):
        own.ok("rmi", "--force", "owners")
        assert skeletons(own) == [place], "a container needs it"
        own.ok("rm", "user")
        own.ok("image", "prune", "--all", "--force")
    elif way == ("reset",):
        own.ok("system", "reset", "--force")
        assert not os.path.exists(own.root)
    else:
        own.ok("rm", "user")
        own.ok("rmi", "owners")
        own.ok(*way)
    assert skeletons(own) == []
    assert not list(Path(own.root, "skeletons").glob("*/.*"))


def test_its_size_is_told(own: Store) -> None:
    def size() -> int:
        rows = map(json.loads, own.ok("system", "df", "--format", "json").splitlines())
        return int(float(next(row["Size"] for row in rows if row["Type"] == "Images")[:-2]) * 1000)

    before = size()
    inside(own, *KEEP, script="true")
    assert 0 < size() - before < len(BIG)


def test_a_start_that_is_killed_leaves_nothing_that_is_used(own: Store, tmp_path: Path) -> None:
    """kill -9 of all its processes in the middle of making one: the next start makes it whole."""
    with tarfile.open(tmp_path / "many.tar", "w") as tar:
        for number in range(3000):
            add(tar, f"many/{number % 30}/{number}", b"x")
        for name in ("bin/sh", "bin/busybox"):
            add(tar, name, Path("/bin/busybox").read_bytes())
    own.ok("import", str(tmp_path / "many.tar"), "many")
    words = ("run", "--rm", "--network", "none", *KEEP, "many", "sh", "-c", "true")
    for pause in (0, 0.02, 0.05):
        own.ok("unshare", "rm", "-rf", f"{own.root}/skeletons")
        process = own.start(*words, start_new_session=True)
        deadline = time.monotonic() + 60
        while not list(Path(own.root, "skeletons").glob("*/*/fs/many")):
            assert time.monotonic() < deadline
        time.sleep(pause)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        script = "busybox find /many -type f | busybox wc -l; busybox stat -c %u /many/7/7"
        assert inside(own, *KEEP, script=script, image="many") == ["3000", "0"]
        assert not list(Path(own.root, "skeletons").glob("*/.new-*"))
    left = Path(own.root, "skeletons/9-9/.new-abc")
    (left / "fs").mkdir(parents=True)
    own.ok("image", "prune", "--all", "--force")
    assert not left.exists()


def test_two_at_once(own: Store) -> None:
    words = ("run", "--rm", "--network", "none", *KEEP, "owners", "stat", "-c", "%u:%s", "/big")
    both = [own.start(*words) for _ in range(3)]
    said = [process.communicate(timeout=60) for process in both]
    assert [out for out, _ in said] == [f"0:{len(BIG)}\n"] * 3, said
    assert len(skeletons(own)) == 1


def test_one_from_before_a_crash_is_made_again(own: Store) -> None:
    inside(own, *KEEP, script="true")
    (place,) = skeletons(own)
    deadline = time.monotonic() + 60
    while os.path.lexists(place / "boot"):  # a process in the background takes it away
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (place / "boot").symlink_to(f"{os.uname().nodename} before")
    own.ok("unshare", "rm", "-rf", f"{place}/fs/etc")
    assert inside(own, *KEEP, script="stat -c %u:%g /etc/passwd") == ["0:0"]


def test_a_damaged_one_is_found_and_made_again(own: Store) -> None:
    inside(own, *KEEP, script="true")
    (place,) = skeletons(own)
    own.ok("system", "check")
    own.ok("unshare", "chown", "0:0", f"{place}/fs/etc/passwd")
    done = own("system", "check")
    assert done.returncode != 0
    assert "/fs/etc/passwd differs where it has other owners" in done.stdout
    own.ok("system", "check", "--repair")
    assert skeletons(own) == []
    assert inside(own, *KEEP, script="stat -c %u:%g /etc/passwd") == ["0:0"]


# -- what becomes of it: commit, diff, export


def exported(store: Store, name: str) -> dict[str, tuple[int, int]]:
    """The owners in the archive of a container, by path."""
    with tarfile.open(fileobj=io.BytesIO(store("export", name, text=False).stdout)) as tar:
        return {member.name: (member.uid, member.gid) for member in tar}


def test_images_of_it_have_the_owners_that_it_saw(own: Store) -> None:
    script = "touch /tmp/mine /home/node/node; rootid >/tmp/said"
    options = ("--network", "none", "--userns", "keep-id:uid=1000,gid=1000")
    own.ok("run", "--name", "one", *options, "owners", "sh", "-c", script)
    changes = own.ok("diff", "one").splitlines()
    expected = ["C /home", "C /home/node", "A /home/node/node", "C /tmp", "A /tmp/mine"]
    assert changes == [*expected, "A /tmp/said"]
    own.ok("run", "--name", "two", *options, "-u", "0", "owners", "sh", "-c", CHANGES)
    assert "C /etc/passwd" in own.ok("diff", "two").splitlines()
    assert not [line for line in own.ok("diff", "two").splitlines() if "/srv" in line]
    found = exported(own, "two")
    assert (
        found["root/new"] == found["etc/passwd"] == found["etc"] == found["bin/busybox"] == (0, 0)
    )
    assert found["vol/file"] == (1000, 5)
    assert found["home/node"] == (1000, 1000)
    assert found["srv/www"] == (33, 33)
    own.ok("commit", "two", "new")
    look = "stat -c %u:%g / /root/new /etc/passwd /vol/file /home/node /srv/www"
    lines = ["0:0", "0:0", "0:0", "1000:5", "1000:1000", "33:33"]
    assert inside(own, script=look, image="new") == lines
    assert inside(own, *options[2:], script=look, image="new") == lines


CHANGES = (
    "touch /root/new; echo x >>/etc/passwd; chown 1000:5 /vol/file; chown 1000:1000 /home/node"
)


def test_a_look_at_it_has_one_map(own: Store) -> None:
    own.ok("run", "--name", "one", *KEEP, "--network", "none", "owners", "touch", "/tmp/x")
    command = " ".join(own.command)
    script = f"cd $({command} mount one); stat -c %u etc tmp/x bin; cat big | wc -c"
    assert own.ok("unshare", "sh", "-c", script).split() == ["1", "0", "1", str(len(BIG))]


# -- other stores, other drivers


@pytest.mark.parametrize("driver", ["copy", "fuse-overlayfs"])
def test_drivers_that_cannot_refer_have_a_copy(own: Store, driver: str) -> None:
    if driver == "fuse-overlayfs" and not (
        shutil.which(driver) and os.access("/dev/fuse", os.R_OK)
    ):
        pytest.skip("no fuse-overlayfs here")
    env = {"ROOTLESS_DRIVER": driver}
    script = "stat -c %u:%g:%a /etc /bin/rootid /srv/www /etc/hosts; rootid -u; md5sum /big"
    script += "; touch /etc/x 2>/dev/null || echo no"
    words = ("run", "--rm", "--network", "none", *KEEP, "owners", "sh", "-c", script)
    expected = ["0:0:755", "0:0:4755", "33:33:755", "0:0:644", "0", SUM, "no"]
    first, second = own(*words, env=env), own(*words, env=env)
    assert first.stdout.splitlines() == expected, first.stderr
    assert f"are copied, once, to change owners: the driver {driver}" in first.stderr
    assert (second.stdout, second.stderr) == (first.stdout, "")


@pytest.mark.parametrize("whose", ["mine", "a group's"])
def test_layers_of_a_shared_store(own: Store, whose: str) -> None:
    """Those of this user are used in place, of others by way of a skeleton of their own."""
    with contextlib.ExitStack() as stack:
        store = Store()
        stack.callback(store.remove)
        store.env[shared.VARIABLE] = own.root
        if whose != "mine":
            os.chmod(f"{own.root}/layers", 0o775)
        script = "stat -c %u:%g /etc /srv/www /home/node; md5sum /big; rootid -u"
        expected = ["0:0", "33:33", "1000:1000", SUM, "0"]
        for _ in range(2):
            assert inside(store, *KEEP, script=script) == expected
        (place,) = skeletons(store)
        if "-whole" not in str(place):
            assert used(store, place) < len(BIG) / 1024
        # A layer of this store upon one of the other: the same names mean their own files.
        words = ("sh", "-c", "cat /big /big >/home/node/big; chown 33:33 /home/node/big")
        store.ok("run", "--name", "one", "--network", "none", "owners", *words)
        store.ok("commit", "one", "mine")
        assert inside(store, *KEEP, script="md5sum /big", image="mine") == [SUM]
        look = "stat -c %u:%s /home/node/big /big"
        lines = [f"33:{2 * len(BIG)}", f"0:{len(BIG)}"]
        assert inside(store, *KEEP, script=look, image="mine") == lines
        store.ok("image", "prune", "--all", "--force")
        store.ok("rm", "one")
