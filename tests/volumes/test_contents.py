"""What is in volumes: archives of it, into it, and copies, of one moment and within the volume."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import Engine
from rootless.errors import Conflict, NotFound, UsageError
from tests.children import end, in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Store

LISTING = "cd /x; find . | sort | xargs stat -c '%n %F %a %u:%g %h %s'; cat s/f h"
FILL = (
    "cd /x; mkdir -p s/d empty; echo deep > s/f; ln s/f h; ln -s /etc link; chmod 4755 s/f;"
    " chmod 1777 s; mkfifo fifo; chmod 600 fifo; echo x > .wh.y; chmod 2750 .;"
    " truncate -s 300M hole; printf x >> hole; chmod 0 .wh.y; touch -d '2001-02-03 04:05:06' s/d"
)
OWNED = "; chown 1000:2000 s/d; chown -h 5:6 link; chown 7:8 ."


@pytest.fixture
def store(shared: Store) -> Iterator[Store]:
    yield shared
    shared.ok("rm", "-fa")
    shared.ok("volume", "rm", "-a")


def shell(store: Store, volume: str, line: str) -> str:
    return store.ok("run", "--rm", "-v", f"{volume}:/x", "busybox", "sh", "-c", line)


def leavings(store: Store) -> list[str]:
    return [name for name in os.listdir(f"{store.root}/volumes") if name.startswith(".")]


@pytest.fixture
def full(store: Store, in_user_mode: str) -> str:
    """The listing of a volume `data` with one of each kind."""
    shell(store, "data", FILL + (OWNED if in_user_mode != "single" else ""))
    return shell(store, "data", LISTING)


def test_there_and_back(store: Store, full: str, tmp_path: Path) -> None:
    tar = str(tmp_path / "data.tar")
    store.ok("volume", "export", "-o", tar, "data")
    assert Path(tar).stat().st_size < 1 << 20
    store.ok("volume", "create", "copy")
    store.ok("volume", "import", "copy", tar)
    assert shell(store, "copy", LISTING) == full
    assert leavings(store) == []
    # What is there already stays, but for what the archive has.
    shell(store, "copy", "cd /x; echo mine > more; rm s/f; mkdir s/f; touch s/f/x; rm -r empty")
    store.ok("volume", "import", "copy", tar)
    assert shell(store, "copy", "rm /x/more; " + LISTING) == full
    # The same through pipes, compressed.
    with open(f"{tar}.gz", "wb") as packed:
        subprocess.run(["gzip", "-c", tar], check=True, stdout=packed, timeout=60)
    store.ok("volume", "create", "piped")
    with open(f"{tar}.gz", "rb") as packed:
        store.ok("volume", "import", "piped", "-", stdin=packed)
    assert shell(store, "piped", LISTING) == full


def test_owners_of_an_image_outlive_archives(store: Store, tmp_path: Path) -> None:
    """Where one id exists, too: a copy-up knows them by an attribute, as a build does."""
    tree = tmp_path / "image.tar"
    with tarfile.open(tree, "w") as archive:
        for name, owner in (("srv", 33), ("srv/f", 34)):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if name == "srv" else tarfile.REGTYPE
            info.uid = info.gid = owner
            info.mode = 0o755
            archive.addfile(info, io.BytesIO())
    store.ok("import", "-q", str(tree), "owned")
    store.ok("create", "--name", "x", "-v", "data:/srv", "owned", "nothing")
    store("start", "x")  # there is no command, but the volume is filled by then
    store.ok("volume", "export", "-o", str(tmp_path / "1.tar"), "data")
    store.ok("volume", "clone", "data", "cloned")
    store.ok("volume", "export", "-o", str(tmp_path / "2.tar"), "cloned")
    store.ok("volume", "create", "again")
    store.ok("volume", "import", "again", str(tmp_path / "2.tar"))
    store.ok("volume", "export", "-o", str(tmp_path / "3.tar"), "again")
    for number in (1, 2, 3):
        with tarfile.open(tmp_path / f"{number}.tar") as archive:
            found = {each.name: (each.uid, each.gid) for each in archive}
        assert found == {".": (33, 33), "f": (34, 34)}
    store.ok("rmi", "-f", "owned")


def test_clone(store: Store, full: str) -> None:
    store.ok("volume", "create", "--label", "a=b", "labelled")
    assert store.ok("volume", "clone", "data", "copy") == "copy"
    assert shell(store, "copy", LISTING) == full
    shell(store, "copy", "rm -r /x/s")
    assert shell(store, "data", LISTING) == full
    store.ok("volume", "clone", "labelled", "second")
    assert store.ok("volume", "inspect", "-f", "{{.Labels.a}}", "second") == "b"
    unnamed = store.ok("volume", "clone", "labelled")
    assert len(unnamed) == 64
    for line in ("clone data copy", "clone nothing x", "clone data a/b", "rename data copy"):
        assert store("volume", *line.split()).returncode == 125
    assert leavings(store) == []


def test_what_was_emptied_stays_empty(store: Store) -> None:
    shell(store, "data", "true")
    store.ok("run", "--rm", "-v", "etc:/etc", "busybox", "sh", "-c", "rm -r /etc/passwd /etc/group")
    store.ok("run", "--rm", "-v", "etc:/x", "busybox", "sh", "-c", "rm -rf /x/*")
    store.ok("volume", "clone", "etc", "copy")
    assert "passwd" not in store.ok("run", "--rm", "-v", "copy:/etc", "busybox", "ls", "/etc")


def test_in_use(store: Store, tmp_path: Path) -> None:
    store.ok("run", "-d", "--name", "has", "-v", "data:/x", "busybox", "sleep", "1000")
    target = str(tmp_path / "x.tar")
    lines = (
        ["export", "-o", target, "data"],
        ["clone", "data", "copy"],
        ["import", "data", target],
    )
    for line in lines:
        done = store("volume", *line)
        assert (done.returncode, done.stdout) == (125, "")
        assert "while container has runs" in done.stderr
    assert not os.path.exists(target)
    assert store.ok("volume", "ls", "-q") == "data"
    store.ok("volume", "export", "--pause", "-o", target, "data")
    store.ok("volume", "clone", "--pause", "data", "copy")
    assert store.ok("inspect", "-f", "{{.State.Status}}", "has") == "running"
    # One that is paused already stays so, and needs no word.
    store.ok("pause", "has")
    store.ok("volume", "clone", "data", "copy2")
    assert store.ok("inspect", "-f", "{{.State.Status}}", "has") == "paused"
    store.ok("rm", "-f", "has")
    store.ok("volume", "import", "data", target)


@pytest.mark.timeout(120)
def test_a_copy_is_of_one_moment(store: Store) -> None:
    """The container writes a number into two files; in no copy do they differ by more than one."""
    line = "i=0; while :; do i=$((i+1)); echo $i > /x/a; echo $i > /x/b; done"
    store.ok("run", "-d", "--name", "has", "-v", "data:/x", "busybox", "sh", "-c", line)
    shell(store, "data", "until [ -s /x/b ]; do :; done; for i in $(seq 300); do : > /x/m$i; done")
    for number in range(5):
        store.ok("volume", "clone", "--pause", "data", f"copy{number}")
        found = shell(store, f"copy{number}", 'echo "$(cat /x/a)/$(cat /x/b)"')
        first, _, second = found.partition("/")
        if first.strip() and second.strip():  # the moment may be between open and write
            assert 0 <= int(first) - int(second) <= 1


def test_a_start_waits_for_a_copy(store: Store) -> None:
    volumes = Engine(store.root).volumes
    store.ok("create", "--name", "has", "-v", "data:/x", "busybox", "true")
    volumes.ensure("data")
    held = volumes.lock("data")
    try:
        started = store.start("start", "has")
        time.sleep(0.5)
        assert started.poll() is None
    finally:
        os.close(held)
    assert started.wait(timeout=30) == 0
    started.communicate()


def archive(path: Path, *members: tuple[str, bytes, str | bytes]) -> str:
    """Write a tar of (name, type, link or content)."""
    with tarfile.open(path, "w") as tar:
        for name, kind, more in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755
            content = more if isinstance(more, bytes) else b""
            info.size = len(content)
            info.linkname = more if isinstance(more, str) else ""
            tar.addfile(info, io.BytesIO(content))
    return str(path)


FILE, DIR, SYM, LNK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


@pytest.mark.parametrize(
    "members",
    [
        [("../out", FILE, b"x")],
        [("a/../../out", FILE, b"x")],
        [("out", LNK, "../../../rootless-store")],
        [("out", LNK, "/etc/passwd")],
        [("x" * 5000, FILE, b"x")],
    ],
    ids=["up", "up inside", "link up", "link to a file of ours", "name"],
)
def test_hostile_archives(
    store: Store, tmp_path: Path, members: list[tuple[str, bytes, str | bytes]]
) -> None:
    shell(store, "data", "echo old > /x/f")
    path = archive(tmp_path / "x.tar", ("new", FILE, b"new"), *members)
    done = store("volume", "import", "data", path)
    assert done.returncode == 125
    assert path in done.stderr
    assert shell(store, "data", "ls /x") == "f"
    assert leavings(store) == []


def test_links_in_archives_and_volumes_lead_nowhere(store: Store, tmp_path: Path) -> None:
    """podman 4 follows them out of the volume, and writes to this machine."""
    target = tmp_path / "outside"
    target.mkdir()
    up = "../" * 20
    shell(store, "data", f"ln -s {target} /x/was; ln -s {up}{target} /x/was2")
    members = [
        ("link", SYM, str(target)),
        ("link/f", FILE, b"1"),
        ("up", SYM, f"{up}{target}"),
        ("up/f", FILE, b"2"),
        ("was/f", FILE, b"3"),
        ("was2/f", FILE, b"4"),
        ("/abs", FILE, b"5"),
    ]
    store.ok("volume", "import", "data", archive(tmp_path / "x.tar", *members))
    assert os.listdir(target) == []
    assert shell(store, "data", f"cat /x{target}/f; cat /x/abs") == "45"


@pytest.mark.parametrize("cut", ["header", "content", "end", "gzip", "text", "nothing"])
def test_damaged_archives(store: Store, tmp_path: Path, cut: str) -> None:
    shell(store, "data", "echo old > /x/f")
    path = Path(archive(tmp_path / "x.tar", ("f", FILE, b"new" * 1000), ("g", FILE, b"")))
    whole = path.read_bytes()
    if cut == "gzip":
        subprocess.run(["gzip", str(path)], check=True, timeout=60)
        whole = Path(f"{path}.gz").read_bytes()
    size = {"header": 4000, "content": 2000, "end": 512 * 8, "gzip": len(whole) - 4}.get(cut, 0)
    path.write_bytes(b"no archive\n" * 100 if cut == "text" else whole[:size])
    done = store("volume", "import", "data", str(path))
    assert done.returncode == 125, done.stdout
    assert str(path) in done.stderr
    assert shell(store, "data", "cat /x/f") == "old"
    assert leavings(store) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("export nothing", "no such volume"),
        ("import nothing x.tar", "no such volume"),
        ("import data /nothing/x.tar", "cannot open /nothing/x.tar"),
        ("export memory -o x", "volume memory is memory"),
        ("clone memory", "volume memory is memory"),
        ("mount memory", "volume memory is memory"),
        ("import host x.tar", "which is not ours"),
        ("clone host", "which is not ours"),
        ("mount nothing", "no such volume"),
        ("unmount nothing", "no such volume"),
        ("rename nothing x", "no such volume"),
        ("rename data .x", "invalid characters"),
        ("rename data memory", 'the volume name "memory" is already in use'),
    ],
)
@pytest.mark.once
def test_refusals(store: Store, line: str, words: str) -> None:
    store.ok("volume", "create", "data")
    store.ok("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "memory")
    bind = ("--opt", "o=bind", "--opt", f"device={store.directory}")
    store.ok("volume", "create", *bind, "host")
    done = store("volume", *line.split())
    assert (done.returncode, done.stdout) == (125, "")
    assert words in done.stderr


def test_a_directory_of_the_host_is_exported(store: Store, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_text("x")
    bind = ("--opt", "o=bind", "--opt", f"device={tmp_path}/d")
    store.ok("volume", "create", *bind, "host")
    store.ok("volume", "export", "-o", str(tmp_path / "x.tar"), "host")
    with tarfile.open(tmp_path / "x.tar") as tar:
        assert tar.getnames() == [".", "f"]
    assert store.ok("volume", "mount", "host") == f"{tmp_path}/d"


def test_rename(store: Store) -> None:
    store.ok("volume", "create", "--label", "a=b", "data")
    shell(store, "data", "echo 1 > /x/f")
    store.ok("create", "--name", "has", "-v", "data:/x", "busybox", "true")
    assert "is in use - [has]" in store("volume", "rename", "data", "new").stderr
    store.ok("rm", "has")
    store.ok("volume", "rename", "data", "new")
    assert store.ok("volume", "ls", "-q") == "new"
    assert store.ok("volume", "inspect", "-f", "{{.Name}} {{.Labels.a}}", "new") == "new b"
    assert shell(store, "new", "cat /x/f") == "1"
    assert store("volume", "inspect", "data").returncode == 1
    assert store.ok("volume", "mount", "new") == f"{store.root}/volumes/new/_data"
    assert store.ok("volume", "unmount", "new") == "new"
    assert store.ok("volume", "reload") == ""


def nobody(_: str) -> list[str]:
    return []


def test_a_rename_that_breaks_off(tmp_path: Path) -> None:
    """Killed between record and name, it has its old name still, and can be renamed."""
    volumes = Engine(str(tmp_path / "s")).volumes
    volumes.create("old", labels={"a": "b"})

    def renames() -> None:
        os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        volumes.rename("old", "new", nobody)

    pid = in_child(renames)
    assert end(pid) == -signal.SIGKILL
    assert volumes.names() == ["old"]


def test_renames_and_users(tmp_path: Path) -> None:
    volumes = Engine(str(tmp_path / "s")).volumes
    volumes.create("old")
    volumes.create("other")
    with pytest.raises(Conflict, match="volume old is in use by a, b"):
        volumes.rename("old", "new", lambda _: ["b", "a"])
    with pytest.raises(Conflict, match='"other" is already in use'):
        volumes.rename("old", "other", nobody)
    with pytest.raises(UsageError):
        volumes.rename("old", "", nobody)
    with pytest.raises(NotFound):
        volumes.rename("..", "new", nobody)
    volumes.rename("old", "new", nobody)
    assert volumes.get("new").record["was"] == "old"
    assert volumes.names() == ["new", "other"]


STEPS: dict[str, Callable[[Store], list[str]]] = {
    "import": lambda store: ["import", "data", f"{store.directory}/x.tar"],
    "clone": lambda store: ["clone", "data", "copy"],
    "export": lambda store: ["export", "-o", f"{store.directory}/y.tar", "data"],
}


@pytest.mark.parametrize("what", STEPS)
@pytest.mark.timeout(300)
def test_kills(store: Store, what: str) -> None:
    """Whenever it comes, the volume is as before or as it is to be, and nothing is left."""
    shell(store, "data", "for i in $(seq 200); do echo old > /x/f$i; done")
    store.ok("volume", "export", "-o", f"{store.directory}/x.tar", "data")
    line = "for i in $(seq 200); do echo new > /x/f$i; done"
    shell(store, "data", line)
    for delay in (0.02, 0.06, 0.1, 0.14, 0.18, 0.22, 0.3):
        started = store.start("volume", *STEPS[what](store), start_new_session=True)
        time.sleep(delay)
        os.kill(started.pid, signal.SIGKILL)
        started.communicate(timeout=60)
        store.ok("volume", "ls")
        deadline = time.monotonic() + 20
        while leavings(store) and time.monotonic() < deadline:  # its worker sees it, and ends
            time.sleep(0.1)
            store.ok("volume", "ls")
        assert leavings(store) == []
        assert len(shell(store, "data", "cat /x/f* | sort | uniq").split()) == 1
        shell(store, "data", line)
        if store("volume", "exists", "copy").returncode == 0:
            assert shell(store, "copy", "ls /x | wc -l") == "200"
            store.ok("volume", "rm", "copy")
    assert {name for name in os.listdir(store.directory) if ".tar" in name} <= {"x.tar", "y.tar"}
