"""Images that want more than they are given: by links, by volumes, by who they say a number is."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system with a static busybox, which a test makes hostile."""
    directory = tmp_path / "root"
    (directory / "bin").mkdir(parents=True)
    (directory / "etc").mkdir()
    shutil.copy("/bin/busybox", directory / "bin/busybox")
    for name in ("sh", "id", "ls", "pwd", "true", "cat"):
        (directory / "bin" / name).symlink_to("busybox")
    for place in (tmp_path, directory):
        place.chmod(0o755)
    return directory


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory of the host, of the user himself, that no container is given."""
    directory = tmp_path / "outside"
    directory.mkdir(mode=0o700)
    (directory / "secret").write_text("secret\n")
    return directory


def untouched(directory: Path) -> bool:
    return (directory / "secret").read_text() == "secret\n" and len(os.listdir(directory)) == 1


@pytest.mark.parametrize("number", ["4294967296", "18446744073709551616", "1000"])
def test_a_number_is_no_name_that_the_image_gives_to_root(
    shared: Store, root: Path, number: str
) -> None:
    """CVE-2024-40635, CVE-2026-46680: ids too large became root; a name of digits did, too."""
    (root / "etc/passwd").write_text(f"{number}:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh\n")
    (root / "etc/group").write_text(f"{number}:x:0:\n")
    for asked in (number, f"{number}:{number}"):
        done = shared("run", "--rm", "-u", asked, "--rootfs", f"{root}:O", "/bin/id", "-u")
        assert done.stdout.strip() != "0"
        assert done.returncode != 0 or number == "1000"


@pytest.mark.modes("mapped", "root")
def test_exec_as_a_small_number_is_not_root(busybox: Store) -> None:
    """CVE-2026-30892: `exec -u 1` was taken for 0:0 by crun."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    ids = busybox.ok("exec", "-u", "1", "one", "sh", "-c", "id -u; id -g")
    assert ids.split() == ["1", "0"]


@pytest.mark.parametrize("name", ["null", "console", "ptmx", "shm", "pts", "stdin", "mqueue"])
def test_links_below_dev(shared: Store, root: Path, outside: Path, name: str) -> None:
    """CVE-2025-31133, CVE-2025-52565, CVE-2026-41579, CVE-2026-88264 and -88265.

    The mask of a path was bound from a /dev/null that was a link, the console onto one.
    """
    (root / "dev").mkdir()
    (root / "dev" / name).symlink_to(outside / "secret")
    for options in ([], ["-t"], ["--read-only"], ["--security-opt", "unmask=ALL"]):
        done = shared("run", "--rm", *options, "--rootfs", str(root), "/bin/true")
        assert done.returncode == 0, done.stderr
        assert untouched(outside)
    script = "cat /proc/timer_list /proc/keys; echo x > /proc/sysrq-trigger"
    masked = shared("run", "--rm", "--rootfs", str(root), "/bin/sh", "-c", script)
    assert masked.returncode != 0
    assert masked.stdout == ""


@pytest.mark.parametrize("place", ["etc/hosts", "etc/hostname", "etc/resolv.conf", "etc", "run"])
def test_links_where_files_of_ours_are_mounted(
    shared: Store, root: Path, outside: Path, place: str
) -> None:
    """CVE-2026-87766, CVE-2024-1753: a mount point or its parent leads out of the image."""
    if place == "etc":
        (root / "etc").rmdir()
    target = outside / "secret" if "/" in place else outside
    (root / place).symlink_to(target)
    options = ["-v", f"{root}/bin:/run/new:ro", "--tmpfs", "/run/other", "-u", "77"]
    done = shared("run", "--rm", *options, "--rootfs", str(root), "/bin/true")
    assert done.returncode in (0, 125)
    assert untouched(outside)


def test_a_working_directory_behind_a_link(shared: Store, root: Path, outside: Path) -> None:
    """A directory is made, where -w names none: in the container and not where a link says."""
    (root / "work").symlink_to(outside)
    (root / "self").symlink_to("/proc/self/fd")
    for path in ("/work/new", "/work", "/self/5/new", "/proc/self/cwd/../new"):
        done = shared("run", "--rm", "-w", path, "--rootfs", str(root), "/bin/ls", "-A")
        assert "secret" not in done.stdout
        assert untouched(outside)


@pytest.mark.needs("umoci")
def test_volumes_of_an_image_that_lead_out(
    cli: Store, busybox_image: str, outside: Path, tmp_path: Path
) -> None:
    """CVE-2022-23648: a volume of the image began with the files of a directory of the host."""
    layout = tmp_path / "layout"
    shutil.copytree(busybox_image, layout)
    for volume in (f"/../../../..{outside}", f"{outside}/../outside"):
        config = ["umoci", "config", "--image", f"{layout}:busybox:latest", "--config.volume"]
        subprocess.run([*config, volume], check=True)
    cli.ok("load", "--input", str(layout))
    done = cli("run", "--rm", "busybox", "sh", "-c", f"ls -A {outside}; cat {outside}/secret")
    assert "secret\n" not in done.stdout
    assert untouched(outside)


@pytest.fixture
def swapping(tmp_path: Path, outside: Path) -> Callable[[Path], subprocess.Popen[bytes]]:
    """A program that makes one name a directory and a link to `outside`, in turn, as a race."""

    def start(place: Path) -> subprocess.Popen[bytes]:
        script = f"""
import ctypes, os
os.makedirs("{place}/x"); os.symlink("{outside}", "{place}/y")
exchange = ctypes.CDLL(None).renameat2
while os.getppid() == {os.getpid()}:
    exchange(-100, b"{place}/x", -100, b"{place}/y", 2)
"""
        return subprocess.Popen(["python3", "-c", script])

    return start


def test_a_mount_point_that_is_exchanged_meanwhile(
    shared: Store,
    tmp_path: Path,
    outside: Path,
    swapping: Callable[[Path], subprocess.Popen[bytes]],
) -> None:
    """CVE-2021-30465: a neighbour with the same volume turns the mount point into a link."""
    volume = tmp_path / "volume"
    volume.mkdir()
    tmp_path.chmod(0o755)
    neighbour = swapping(volume)
    try:
        for _ in range(20):
            mounts = ["-v", f"{volume}:/v", "--tmpfs", "/v/x/in", "--mount"]
            mounts += ["type=tmpfs,destination=/v/x/deep/er"]
            done = shared("run", "--rm", *mounts, "busybox", "ls", "-A", "/v/x", "/v/y")
            assert done.returncode in (0, 1, 125), done.stderr
            assert "secret" not in done.stdout
            assert untouched(outside)
    finally:
        neighbour.kill()
        neighbour.wait()
