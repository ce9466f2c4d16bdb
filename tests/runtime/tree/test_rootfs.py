"""The three ways to a root file system, and the host's own programs as an image."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.errors import HostError
from rootless.runtime.tree import rootfs
from rootless.store.paths import Paths

if TYPE_CHECKING:
    from conftest import Store

FUSE = pytest.mark.needs("fuse-overlayfs", "/dev/fuse")
DRIVERS = ["overlay", "copy", pytest.param("fuse-overlayfs", marks=FUSE)]


def directory_of(store: Store) -> Path:
    (name,) = names_of(store)
    return Path(f"{store.root}/containers/{name}")


def names_of(store: Store) -> list[str]:
    return [name for name in os.listdir(f"{store.root}/containers") if name[0] != "."]


# -- drivers


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_driver_runs_an_image(shared: Store, driver: str) -> None:
    """Its files are there, can be changed and removed, and belong to whom they should."""
    script = (
        "set -e; id -u; stat -c %u:%g:%a / /tmp /bin/busybox; rm /bin/ls; rm -r /root; "
        "mkdir /root; echo new >/root/new; chmod 700 /tmp; test -e /bin/ls || echo no ls; "
        "cat /root/*"
    )
    env = {"ROOTLESS_DRIVER": driver}
    for _ in range(2):  # the image is as it was
        said = shared.ok("run", "--rm", "busybox", "sh", "-c", script, env=env)
        assert said.split("\n")[0] == "0"
        assert said.split("\n")[2] == "0:0:1777"
        assert said.split("\n")[4:] == ["no ls", "new"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_changes_stay_with_the_container(busybox: Store, driver: str) -> None:
    env = {"ROOTLESS_DRIVER": driver}
    grow = "echo x >>/etc/count; chmod 711 /; cat /etc/count | wc -l; stat -c %a /"
    assert busybox.ok("run", "--name", "c", "busybox", "sh", "-c", grow, env=env) == "1\n711"
    assert busybox.ok("start", "--attach", "c", env=env) == "2\n711"
    busybox.ok("rm", "c")
    assert names_of(busybox) == []


def test_changes_survive_another_driver(busybox: Store) -> None:
    """What was written to an overlay is in the copy, and a copy is never covered again."""
    grow = "echo x >>/etc/count; rm -rf /root; cat /etc/count | wc -l; ls -d /root 2>&1 | wc -w"
    busybox.ok("create", "--name", "c", "busybox", "sh", "-c", grow)
    seen = [
        busybox.ok("start", "--attach", "c", env={"ROOTLESS_DRIVER": driver}).split()[0]
        for driver in ("overlay", "copy", "copy", "overlay")
    ]
    assert seen == ["1", "2", "3", "4"]
    assert not (directory_of(busybox) / "rootfs/root").exists()


@pytest.mark.modes("mapped", "root")
@pytest.mark.parametrize("driver", DRIVERS)
def test_owners(busybox: Store, driver: str) -> None:
    """A file of another id keeps it over a restart, and `/` may be given away."""
    env = {"ROOTLESS_DRIVER": driver}
    script = "stat -c %u:%g /etc/passwd /; chown 7:8 /etc/passwd /; chmod 700 /"
    busybox.ok("create", "--name", "c", "busybox", "sh", "-c", script)
    assert busybox.ok("start", "--attach", "c", env=env) == "0:0\n0:0"
    assert busybox.ok("start", "--attach", "c", env=env) == "7:8\n7:8"


def test_an_unknown_driver_is_named(shared: Store) -> None:
    done = shared("run", "--rm", "busybox", "true", env={"ROOTLESS_DRIVER": "aufs"})
    assert done.returncode == 125
    assert "ROOTLESS_DRIVER=aufs is none of overlay, fuse-overlayfs, copy" in done.stderr


@FUSE
def test_what_fuse_overlayfs_says_reaches_the_user(busybox: Store, tmp_path: Path) -> None:
    tool = tmp_path / "fuse-overlayfs"
    tool.write_text("#!/bin/sh\necho first >&2; echo 'it is broken' >&2; exit 1\n")
    tool.chmod(0o755)
    env = {"ROOTLESS_DRIVER": "fuse-overlayfs", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = busybox("run", "--rm", "busybox", "true", env=env)
    assert done.returncode == 125
    assert "cannot mount with fuse-overlayfs: it is broken" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_choice_is_remembered_with_the_kernel(rootless_root: str) -> None:
    paths = Paths()
    paths.prepare()
    chosen = rootfs.choose_driver(paths)
    assert chosen in rootfs.DRIVERS
    note = Path(rootless_root) / "driver"
    assert note.read_text() == f"{chosen} {os.uname().release}\n"
    note.write_text(f"copy {os.uname().release}\n")
    assert rootfs.choose_driver(paths) == "copy"
    for stale in ("copy 2.6.32\n", "nonsense", ""):
        note.write_text(stale)
        assert rootfs.choose_driver(paths) == chosen
    assert os.listdir(f"{rootless_root}/containers") == []


def test_a_wrong_choice_is_refused(rootless_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOTLESS_DRIVER", "zfs")
    with pytest.raises(HostError, match="zfs"):
        rootfs.choose_driver(Paths())


def test_many_layers(busybox: Store, tmp_path: Path, busybox_image: str) -> None:
    """More than fit into one page of mount options (mount(2)), in the right order."""
    layout = tmp_path / "many"
    subprocess.run(["cp", "-r", busybox_image, str(layout)], check=True)
    image = f"{layout}:busybox:latest"
    for number in range(45):
        file = tmp_path / f"{number}"
        file.write_text(str(number))
        for target in ("/top", f"/only-{number}"):
            insert = ["umoci", "insert", "--rootless", "--image", image, str(file), target]
            subprocess.run(insert, check=True, capture_output=True)
    busybox.ok("load", "--input", str(layout))
    script = "cat /top; ls / | grep -c only"
    for driver in ("overlay", "copy"):
        env = {"ROOTLESS_DRIVER": driver}
        assert busybox.ok("run", "--rm", "busybox", "sh", "-c", script, env=env) == "4445"


def test_a_directory_as_root(cli: Store, tmp_path: Path, busybox_image: str) -> None:
    tree = tmp_path / "bundle"
    image = f"{busybox_image}:busybox:latest"
    unpack = ["umoci", "unpack", "--rootless", "--image", image, str(tree)]
    subprocess.run(unpack, check=True, capture_output=True)
    root = str(tree / "rootfs")
    script = "echo x >/root/here; ls /root"
    assert cli.ok("run", "--rm", "--rootfs", f"{root}:O", "sh", "-c", script) == "here"
    assert not os.path.exists(f"{root}/root/here")
    assert cli.ok("run", "--rm", "--rootfs", root, "sh", "-c", script) == "here"
    assert os.path.exists(f"{root}/root/here")


# -- the host


def test_the_host_is_an_image(shared: Store) -> None:
    """Programs and settings of the machine, read-only; the rest empty and writable."""
    script = (
        "set -e; for d in /usr /etc /bin; do touch $d/x 2>/dev/null && echo $d writable; done; "
        "for d in / /tmp /var/tmp /run /home /root /mnt /srv /var/run; do touch $d/x; done; "
        "ls -A /home /srv; cat /etc/passwd | head -c 1; readlink /proc/self/exe; hostname"
    )
    said = shared.ok("run", "--rm", "--hostname", "inside", "host", "sh", "-c", script).split("\n")
    assert said == ["/home:", "x", "", "/srv:", "x", "r/usr/bin/readlink", "inside"]


def test_a_user_without_a_name_gets_one(shared: Store) -> None:
    said = shared.ok("run", "--rm", "--user", "54321", "host", "sh", "-c", "id -un; touch /tmp/x")
    assert said == "54321"


def test_a_mount_point_that_cannot_be_made(shared: Store, tmp_path: Path) -> None:
    done = shared("run", "--rm", "--volume", f"{tmp_path}:/etc/not/there", "host", "true")
    assert done.returncode == 125
    assert "cannot make the mount point /etc/not: Read-only file system" in done.stderr
    assert "/mnt" in done.stderr


def test_umask_of_the_user_does_not_matter(shared: Store) -> None:
    command = [*shared.command, "run", "--rm", "host", "stat", "-c", "%a", "/home", "/tmp", "/dev"]
    done = subprocess.run(
        ["sh", "-c", 'umask 077; exec "$@"', "-", *command],
        env=shared.env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "755\n1777\n755\n"


def test_nothing_was_degraded_here(busybox: Store) -> None:
    """On the machine itself everything is had; what is not would be written down."""
    if b" /proc/" in Path("/proc/self/mountinfo").read_bytes():
        pytest.skip("something lies on /proc: inside a container")
    busybox.ok("run", "--name", "c", "busybox", "true")
    state = json.loads((directory_of(busybox) / "state.json").read_text())
    assert [text for text in state["degraded"] if not text.startswith("cgroup")] == []
