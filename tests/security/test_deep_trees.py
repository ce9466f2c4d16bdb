"""Directories in each other by the ten thousand, made by a container.

They are more than a process may have open, more than Python may recurse, and have longer paths
than the kernel takes. One container with such a tree must not spoil what is said of the others,
nor stay on the disk for ever.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.errors import LaunchError
from rootless.oci.descent import WINDOW, Walk
from rootless.oci.layers.compare import difference
from rootless.oci.remove import remove_tree
from rootless.runtime.tree import copying, sizes
from rootless.runtime.tree.volumes import give_away
from rootless.runtime.userns import worker
from rootless.store.paths import Paths
from tests.conftest import user_mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

DEEPER = 3000
"""More than descriptors (1024 as a rule), recursion (1000) and PATH_MAX (4096 bytes) allow."""

NEST = "i=0; while [ $i -lt {} ]; do mkdir d && cd d || exit; i=$((i+1)); done; echo x > f"


def nest(directory: str, levels: int) -> None:
    """Make `directory`, below it a chain of directories, and at its end two names of a file."""
    os.mkdir(directory)
    at = os.open(directory, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=at)
        deeper = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=at))
    os.truncate(f"/proc/self/fd/{at}/f", 1000)
    os.link("f", "g", src_dir_fd=at, dst_dir_fd=at)
    os.close(at)


@pytest.fixture
def deep() -> Iterator[str]:
    """20,000 levels, in memory where there is some: on a disk that is a journal of 80 MB."""
    shm = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None) as base:
        nest(f"{base}/deep", 20_000)
        yield f"{base}/deep"
        subprocess.run(["rm", "-rf", f"{base}/deep", f"{base}/deep.copy"], check=True)


@pytest.mark.once
def test_walks_of_the_engine(deep: str) -> None:
    """Sizes, copies, the comparison of layers, :U and removal, each of 20,000 levels."""
    before = len(os.listdir("/proc/self/fd"))
    assert sizes.tree_size(deep) == 2000
    copy = f"{deep}.copy"
    os.mkdir(copy)
    source, target = os.open(deep, os.O_RDONLY), os.open(copy, os.O_RDONLY)
    assert copying.copy_tree(source, target) == 0
    os.close(source)
    os.close(target)
    assert difference(deep, copy) == ""
    give_away([deep], os.getuid(), os.getgid())
    remove_tree(deep)
    assert sizes.tree_size(copy) == 2000
    remove_tree(copy)
    assert not os.path.lexists(deep)
    assert not os.path.lexists(copy)
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.once
def test_hard_links_far_from_each_other(tmp_path: Path) -> None:
    """A file's first copy may lie where no path leads, or in a directory that was left since."""
    tree = tmp_path / "tree"
    nest(f"{tree}", 0)
    nest(f"{tree}/a", 300)
    nest(f"{tree}/b", DEEPER)
    for one, others in (("a", "b"), ("b", "a")):
        low = bottom(f"{tree}/{one}")
        top = os.open(tree, os.O_RDONLY)
        os.link("f", f"top-{one}", src_dir_fd=low, dst_dir_fd=top)
        far = bottom(f"{tree}/{others}")
        os.link("f", f"of-{one}", src_dir_fd=low, dst_dir_fd=far)
        for fd in (low, top, far):
            os.close(fd)
    copying.merge([str(tree)], f"{tmp_path}/copy")
    assert difference(str(tree), f"{tmp_path}/copy") == ""
    deepest = bottom(f"{tmp_path}/copy/b")
    inode = os.lstat("f", dir_fd=deepest).st_ino
    assert inode == os.lstat("g", dir_fd=deepest).st_ino
    assert inode == os.lstat(tmp_path / "copy/top-b").st_ino
    assert os.lstat("of-a", dir_fd=deepest).st_ino == os.lstat(tmp_path / "copy/top-a").st_ino
    os.close(deepest)
    subprocess.run(["rm", "-rf", tree, tmp_path / "copy"], check=True)


def bottom(directory: str) -> int:
    """Open the last directory of a chain."""
    at = os.open(directory, os.O_RDONLY)
    while True:
        try:
            deeper = os.open("d", os.O_RDONLY, dir_fd=at)
        except FileNotFoundError:
            return at
        os.close(at)
        at = deeper


@pytest.mark.once
def test_what_differs_far_below_is_found(tmp_path: Path) -> None:
    for name in ("one", "other"):
        nest(f"{tmp_path}/{name}", DEEPER)
    low = bottom(f"{tmp_path}/other")
    os.truncate(f"/proc/self/fd/{low}/f", 999)
    os.close(low)
    assert difference(f"{tmp_path}/one", f"{tmp_path}/other") == "/d" * DEEPER + "/f"
    subprocess.run(["rm", "-rf", tmp_path / "one", tmp_path / "other"], check=True)


@pytest.mark.once
def test_several_remove_the_same_deep_tree(tmp_path: Path) -> None:
    """On the way back one of them finds that the directory it is in was removed by another."""
    errors: list[BaseException] = []

    def remove(path: str, barrier: threading.Barrier) -> None:
        barrier.wait()
        try:
            remove_tree(path)
        except OSError as error:
            errors.append(error)

    for turn in range(5):
        path = f"{tmp_path}/{turn}"
        nest(path, 5 * WINDOW)
        barrier = threading.Barrier(3)
        threads = [threading.Thread(target=remove, args=(path, barrier)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert not os.path.exists(path)


@pytest.mark.once
def test_a_walk_is_not_led_out_of_its_tree(tmp_path: Path) -> None:
    """Moved away meanwhile, a directory's ".." is another's: nothing there is touched.

    CVE-2002-0435 of rm(1).
    """
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    nest(str(tree), 4 * WINDOW)
    outside.mkdir()
    (outside / "precious").write_text("")
    seen = 0
    walk = Walk(os.open(tree, os.O_RDONLY))
    with pytest.raises(OSError, match="moved"):
        for fd, _ in walk:
            seen += 1
            assert not os.path.exists(f"/proc/self/fd/{fd}/precious")
            if seen == 4 * WINDOW + 1:
                (tree / "d/d").rename(outside / "d")
    assert seen == 4 * WINDOW + 1
    (outside / "d").rename(tree / "d/d")

    moving = threading.Event()
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            for old, new in ((tree / "d/d", outside / "d"), (outside / "d", tree / "d/d")):
                try:
                    old.rename(new)
                except OSError:
                    continue  # it is removed just now
                moving.set()

    thread = threading.Thread(target=move)
    thread.start()
    moving.wait()
    try:
        remove_tree(str(tree))
    except OSError:
        pass  # it may well say that it could not
    finally:
        stop.set()
        thread.join()
    assert (outside / "precious").exists()
    subprocess.run(["rm", "-rf", tree, outside], check=True)


@pytest.mark.modes("mapped")
def test_giving_away_what_is_deep_says_where_it_failed(rootless_root: str, tmp_path: Path) -> None:
    nest(f"{tmp_path}/deep", DEEPER)
    with pytest.raises(LaunchError) as caught:
        give_away([f"{tmp_path}/deep"], 0, 0)
    assert len(str(caught.value)) < 1000
    worker.call(Paths(rootless_root), give_away, [f"{tmp_path}/deep"], 33, 33)
    assert os.lstat(f"{tmp_path}/deep/d/d").st_uid != os.getuid()
    worker.call(Paths(rootless_root), remove_tree, f"{tmp_path}/deep")


@pytest.fixture
def attacked(busybox: Store, rootless_root: str) -> Store:
    """A neighbour, and two with deep trees: as far as a path leads, and beyond that."""
    busybox.ok("run", "--name", "neighbour", "busybox", "sh", "-c", "echo 12345 > /f")
    busybox.ok(
        "run", "--name", "deep", "busybox", "sh", "-c", f"mkdir /x; cd /x; {NEST.format(1200)}"
    )
    busybox.ok("run", "--name", "deeper", "-v", "/data", "busybox", "true")
    (data,) = Path(busybox.root, "volumes").iterdir()
    for top in (data / "_data", Path(upper_of(busybox, "deeper"))):
        worker.call(Paths(rootless_root), _nest_below, str(top))
    return busybox


def _nest_below(top: str) -> None:
    os.makedirs(top, exist_ok=True)
    nest(f"{top}/x", DEEPER)


def upper_of(store: Store, name: str) -> str:
    return f"{store.root}/containers/{store.ok('inspect', '-f', '{{.Id}}', name)}/upper"


@pytest.mark.once
def test_one_container_does_not_spoil_the_listings(attacked: Store) -> None:
    rows = attacked.ok("ps", "-as", "--format", "{{.Names}} {{.Size}}").splitlines()
    assert [row.split()[0] for row in rows] == ["deeper", "deep", "neighbour"]
    assert rows[2].startswith("neighbour 18B (virtual")  # a link in /etc, and a file
    assert "Containers      3" in attacked.ok("system", "df")
    assert "neighbour" in attacked.ok("system", "df", "-v")


def test_they_can_be_removed(attacked: Store) -> None:
    attacked.ok("rm", "-v", "deep", "deeper")
    containers = Path(attacked.root, "containers")
    kept = [attacked.ok("inspect", "-f", "{{.Id}}", "neighbour"), ".names"]
    assert sorted(os.listdir(containers)) == sorted(kept)
    assert os.listdir(f"{attacked.root}/volumes") == []


@pytest.mark.parametrize("command", ["container prune -f", "system reset -f"])
def test_they_go_with_all_others(attacked: Store, command: str) -> None:
    attacked.ok(*command.split())
    containers = Path(attacked.root, "containers")
    assert not containers.exists() or os.listdir(containers) == [".names"]


@pytest.mark.once
def test_changes_far_below(attacked: Store) -> None:
    """`diff` tells all that has a path; archives are not as deep, so they are not made."""
    told = attacked.ok("diff", "deep").splitlines()
    assert told[-1] == "A /x" + "/d" * 1200 + "/f"
    assert len(told) == 1202
    for line in ("diff deeper", "commit deep", "export -o /dev/null deep"):
        done = attacked(*line.split())
        assert done.returncode == 1
        assert "deeper than 255" in done.stderr or "more than 4095 bytes" in done.stderr
        assert len(done.stderr) < 500
    assert "C /" not in attacked.ok("diff", "neighbour")


@pytest.mark.modes("mapped", "root")
def test_a_pending_directory_is_packed_whole(busybox: Store) -> None:
    """Directories of the image that are told for what is far below: all are in the layer."""
    busybox.ok("run", "--name", "one", "busybox", "sh", "-c", NEST.format(200))
    busybox.ok("commit", "one", "localhost/first")
    touch = "cd /; i=0; while [ $i -lt 200 ]; do cd d; i=$((i+1)); done; echo y >> f"
    busybox.ok("run", "--name", "two", "localhost/first", "sh", "-c", touch)
    told = busybox.ok("diff", "two").splitlines()
    assert told == ["C " + "/d" * level for level in range(1, 201)] + ["C " + "/d" * 200 + "/f"]
    busybox.ok("commit", "two", "localhost/second")
    check = touch.replace("echo y >> f", "cat f")
    assert busybox.ok("run", "--rm", "localhost/second", "sh", "-c", check) == "x\ny"
    got = subprocess.run(
        [*busybox.command, "export", "two"], env=busybox.env, capture_output=True, check=True
    )
    names = subprocess.run(["tar", "-t"], input=got.stdout, capture_output=True, check=True).stdout
    assert b"d/" * 200 + b"f" in names.splitlines()


def test_what_a_removal_left_is_shown_and_pruned(busybox: Store, rootless_root: str) -> None:
    """A removal that broke off leaves a tree under a name that no listing shows."""
    for place in ("containers", "volumes", "layers"):
        os.makedirs(f"{busybox.root}/{place}", exist_ok=True)
        worker.call(Paths(rootless_root), nest, f"{busybox.root}/{place}/.gone-1", 2000)
    rows = busybox.ok("system", "df").splitlines()
    # Those of containers go with any listing.
    assert rows[-1].split() == ["Leftovers", "2", "0", "4kB", "4kB", "(100%)"]
    assert busybox.ok("system", "prune", "-f").endswith("Total reclaimed space: 4kB")
    assert "Leftovers" not in busybox.ok("system", "df")
    for place in ("containers", "volumes", "layers"):
        assert not os.path.exists(f"{busybox.root}/{place}/.gone-1")


def test_what_cannot_be_removed_is_told(busybox: Store) -> None:
    """A mount on it, for one: `system prune` says so, and `df` goes on to show it."""
    left = f"{busybox.root}/volumes/.gone-1"
    os.makedirs(f"{left}/held")
    maps = ["--map-root-user", *(["--map-auto"] if user_mode() == "mapped" else [])]
    script = 'mount -t tmpfs none "$1/held" && touch "$1/held/f" && shift && "$@"'
    prune = [*busybox.command, "system", "prune", "-f"]
    done = subprocess.run(
        ["unshare", *maps, "--mount", "sh", "-c", script, "sh", left, *prune],
        env=busybox.env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"cannot remove {left}: " in done.stderr
    assert "Leftovers" in busybox.ok("system", "df")
    busybox.ok("system", "prune", "-f")
    assert not os.path.exists(left)


def test_a_reset_that_failed_is_taken_up_again(busybox: Store) -> None:
    os.makedirs(f"{busybox.root}/.gone-layers/x")
    shown = busybox.ok("system", "reset", "-f")
    assert ".gone-layers" in shown
    assert "left alone" not in shown
    assert not os.path.exists(busybox.root)


@pytest.mark.once
def test_moving_directories_while_they_are_counted(busybox: Store) -> None:
    """A container that runs cannot make `ps -s` fail for the others by moving what is walked."""
    script = f"mkdir /x /y; cd /x; {NEST.format(600)}; cd /; echo ready;"
    script += "while :; do mv /x/d/d /y/d; mv /y/d /x/d/d; done"
    busybox.ok("run", "-d", "--name", "mover", "busybox", "sh", "-c", script)
    while "ready" not in busybox.ok("logs", "mover"):
        time.sleep(0.05)
    for _ in range(5):
        assert "mover" in busybox.ok("ps", "-s")
    busybox.ok("rm", "-f", "mover")


@pytest.mark.once
def test_the_walk_takes_few_descriptors(tmp_path: Path) -> None:
    """As a process with few of them, such as one below `ulimit -n 128`."""
    nest(f"{tmp_path}/deep", DEEPER)
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))\n"
        "from rootless.oci.remove import remove_tree\n"
        "from rootless.runtime.tree.sizes import tree_size\n"
        "print(tree_size(sys.argv[1])); remove_tree(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, f"{tmp_path}/deep"], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("2000\n", "")
    assert os.listdir(tmp_path) == []
