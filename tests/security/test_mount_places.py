"""S16: attacks by what is mounted where: nothing takes the place of the container's own /proc.

CVE-2019-16884 (a volume at /proc), CVE-2019-19921, CVE-2023-27561 (a link in the place of /proc),
CVE-2025-31133 and CVE-2025-52881 (what is masked and written is not what it seems).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

LINKED = "by a link in the image"


def image(store: Store, name: str, script: str, *changes: str) -> None:
    """Make an image: busybox, a script run in it, and lines of a Dockerfile."""
    store.ok("run", "--name", name, "busybox", "sh", "-c", script)
    words = [word for change in changes for word in ("-c", change)]
    store.ok("commit", *words, name, f"localhost/{name}")
    store.ok("rm", name)


@pytest.mark.parametrize(
    "options",
    [
        ["-v", "/tmp:/proc"],
        ["-v", "{tree}:/proc/self"],
        ["-v", "{tree}:/proc/sys/kernel"],
        ["-v", "/proc/sys:/proc/sys"],
        ["-v", "{tree}:/x/../proc/./acpi"],
        ["-v", "mine:/proc"],
        ["-v", "/proc/driver"],
        ["--mount", "type=bind,src=/tmp,dst=/proc/1"],
        ["--mount", "type=volume,src=mine,dst=/proc"],
        ["--mount", "type=tmpfs,dst=/proc"],
        ["--tmpfs", "/proc"],
        ["--tmpfs", "/proc/acpi"],
        ["--tmpfs", "/proc/cpuinfo"],
        ["--device", "/dev/null:/proc/kcore"],
        ["-v", "{tree}/proc:/proc"],
    ],
)
def test_nothing_in_the_place_of_proc(shared: Store, tmp_path: Path, options: list[str]) -> None:
    """Refused before anything has happened, in each spelling."""
    (tmp_path / "proc").symlink_to("/proc/sys")
    words = [word.format(tree=tmp_path) for word in options]
    done = shared("run", "--rm", *words, "busybox", "true")
    assert done.returncode == 125
    assert "/proc is the container's own" in done.stderr
    assert shared.ok("ps", "-aq") == ""


def test_what_is_of_use_stays(shared: Store, tmp_path: Path) -> None:
    """What people mount over the engine's own, as docker's and podman's users do."""
    (tmp_path / "cpuinfo").write_text("model name: none\n")
    for options, script in (
        (["-v", f"{tmp_path}/cpuinfo:/proc/cpuinfo:ro"], "grep none /proc/cpuinfo"),
        (["-v", "/proc:/proc"], "test -d /proc/1"),
        (["-v", "/proc:/host/proc:ro"], "test -d /host/proc/1"),
        (["-v", "/dev:/dev"], "test -c /dev/null"),
        (["-v", "/dev/null:/dev/mine"], "test -c /dev/mine"),
        (["--device", "/dev/zero:/dev/mine"], "test -c /dev/mine"),
        (["-v", "/sys:/sys:ro"], "test -d /sys/kernel"),
        (["-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro"], "test -d /sys/fs/cgroup"),
        (["--tmpfs", "/dev/shm:size=1m"], "touch /dev/shm/x"),
        (["--tmpfs", "/run"], "touch /run/x"),
        (["-v", f"{tmp_path}:/process"], "test -e /process/cpuinfo"),
    ):
        done = shared("run", "--rm", *options, "busybox", "sh", "-c", script)
        assert (done.returncode, done.stderr) == (0, ""), options


@pytest.mark.parametrize("place", ["/proc", "/proc/sys", "/sys", "/dev", "/dev/pts", "/x/../proc"])
def test_a_volume_of_an_image_in_the_place_of_our_own(busybox: Store, place: str) -> None:
    """The image says VOLUME /proc: it is refused, and a mount of the user's is in its place."""
    image(busybox, "bad", "true", f"VOLUME {place}")
    done = busybox("run", "--rm", "localhost/bad", "true")
    assert done.returncode == 125
    assert f"its volume {os.path.normpath(place)} would take the place" in done.stderr
    assert busybox.ok("ps", "-aq") == ""
    if place == "/dev":
        busybox.ok("run", "--rm", "-v", "/dev:/dev", "localhost/bad", "test", "-c", "/dev/null")


@pytest.mark.parametrize("place", ["/sys/fs/cgroup", "/dev/shm"])
def test_volumes_of_images_that_are_left_out(busybox: Store, place: str) -> None:
    """Images with systemd name the one, others the other: the container has its own."""
    image(busybox, "systemd", "true", f"VOLUME {place}")
    script = f"grep ' {place} ' /proc/mounts"
    done = busybox("run", "--rm", "localhost/systemd", "sh", "-c", script)
    assert done.returncode == 0
    assert busybox.directory not in done.stdout
    assert f"{place} is left out" in done.stderr


@pytest.mark.parametrize(
    ("link", "target", "options"),
    [
        ("data", "/proc", ["-v", "mine:/data"]),
        ("data", "proc/sys", ["-v", "{tree}:/data/kernel"]),
        ("data", "/proc/self/attr", ["--tmpfs", "/data"]),
        ("data", "/sys/fs", ["--tmpfs", "/data/cgroup"]),
        ("data", "/dev", ["-v", "{tree}:/data"]),
        ("data", "/dev", ["--mount", "type=tmpfs,dst=/data/pts,tmpcopyup"]),
        ("data", "/dev/nowhere", ["-v", "{tree}:/data"]),
        ("data", "/proc/sys", ["-v", "{tree}:/data/kernel:O"]),
        ("proc", "etc", []),
        ("proc", "/missing", []),
        ("sys", "/etc", []),
        ("dev", "/etc", []),
        ("dev", "proc", []),
        ("etc", "/proc", []),
        ("tmp", "/proc", ["--read-only", "--read-only-tmpfs"]),
    ],
)
def test_links_of_the_image(
    shared: Store, tmp_path: Path, link: str, target: str, options: list[str]
) -> None:
    """Neither does a link lead our mounts elsewhere, nor those of others to ours."""
    root = tmp_path / "root"
    for name in ("bin", "etc", "tmp", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    if link != "data":
        (root / link).rmdir()
    (root / link).symlink_to(target)
    words = [word.format(tree=tmp_path) for word in options]
    done = shared("run", "--rm", *words, "--rootfs", str(root), "/bin/busybox", "true")
    assert done.returncode == 125
    assert LINKED in done.stderr
    assert "fault" not in done.stderr
    assert shared.ok("ps", "-aq") == ""


def test_links_of_an_image_to_what_is_not_ours(busybox: Store, tmp_path: Path) -> None:
    """Those are followed, inside the root: /var/run is often one to /run."""
    (tmp_path / "file").write_text("here")
    image(busybox, "links", "mkdir /srv /run; ln -s /run /srv/run; ln -s ../../../mnt /srv/up")
    mounts = ["-v", f"{tmp_path}:/srv/run/one", "-v", f"{tmp_path}:/srv/up"]
    said = busybox.ok(
        "run", "--rm", *mounts, "localhost/links", "cat", "/run/one/file", "/mnt/file"
    )
    assert said == "herehere"


def test_a_root_that_somebody_exchanges(shared: Store, tmp_path: Path) -> None:
    """A root of --rootfs whose /proc becomes a link and back all the time: masks hold, or it ends.

    CVE-2019-19921. Each start either shows a masked /proc/kcore or is refused.
    """
    root = tmp_path / "root"
    for name in ("bin", "etc", "tmp", "proc", "sys", "dev", "other"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    script = (
        f"cd {root}; ln -s other link;"
        "while :; do mv proc away; mv -T link proc; mv -T proc link; mv away proc; done"
    )
    racer = subprocess.Popen(["sh", "-c", script], stderr=subprocess.DEVNULL)
    try:
        for _ in range(10):
            line = ["/bin/busybox", "stat", "-c", "%t,%T", "/proc/kcore"]
            done = shared("run", "--rm", "--rootfs", str(root), *line)
            assert done.stdout in ("1,3\n", ""), done.stderr  # /dev/null lies on it
    finally:
        racer.kill()
        racer.wait()
