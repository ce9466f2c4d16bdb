"""Volumes that begin with the image's files, change owner, are covered by a layer; devices."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

FUSE = pytest.mark.needs("fuse-overlayfs", "/dev/fuse")
DRIVERS = ["overlay", "copy", pytest.param("fuse-overlayfs", marks=FUSE)]


OURS, NAMES = "hostname\nhosts", "resolv.conf"
"""What is mounted in /etc, whatever it is."""


# -- a new volume is filled


def test_a_new_volume_begins_with_the_images_files(busybox: Store) -> None:
    run = ["run", "--rm", "--volume", "v:/tmp/../etc", "busybox", "sh", "-c"]
    image = busybox.ok("run", "--rm", "busybox", "md5sum", "/etc/passwd")
    assert busybox.ok(*run, "md5sum /etc/passwd; touch /etc/mine; rm /etc/group") == image
    # Once: what was removed stays so.
    # Ours are mounted there.
    assert (
        busybox.ok(*run, "ls /etc; rm /etc/mine /etc/passwd")
        == f"{OURS}\nmine\nmtab\npasswd\n{NAMES}"
    )
    assert busybox.ok(*run, "ls /etc") == f"{OURS}\nmtab\n{NAMES}"
    assert sorted(os.listdir(f"{busybox.root}/volumes/v")) == [
        "_data",
        "filled",
        "volume.json",
    ]


def test_mode_of_the_directory(busybox: Store) -> None:
    script = "stat -c %a:%u:%g /tmp"
    assert busybox.ok("run", "--rm", "-v", "v:/tmp", "busybox", "sh", "-c", script) == "1777:0:0"


@pytest.mark.parametrize("volume", ["v:/bin/../root:nocopy", "v:/not/in/the/image", "v:/bin/../x"])
def test_what_stays_empty(busybox: Store, volume: str) -> None:
    path = volume.split(":")[1]
    assert busybox.ok("run", "--rm", "--volume", volume, "busybox", "ls", "-A", path) == ""


def test_a_volume_that_holds_files_is_left_alone(busybox: Store) -> None:
    data = Path(busybox.root, "volumes/v/_data")
    data.mkdir(parents=True)
    (data / "mine").touch()
    assert busybox.ok("run", "--rm", "--volume", "v:/etc", "busybox", "ls", "/etc").split() == [
        *OURS.split(), "mine", NAMES
    ]  # fmt: skip


def test_a_copy_that_was_cut_short_is_done_again(busybox: Store) -> None:
    left = Path(busybox.root, "volumes/v/new/part")
    left.mkdir(parents=True)
    said = busybox.ok("run", "--rm", "--volume", "v:/etc", "busybox", "ls", "/etc")
    assert said == f"group\n{OURS}\nmtab\npasswd\n{NAMES}"
    assert not left.exists()


def test_many_containers_fill_one_volume_once(busybox: Store) -> None:
    seen: list[str] = []

    def run() -> None:
        seen.append(busybox.ok("run", "--rm", "--volume", "v:/bin", "busybox", "ls", "/bin"))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1
    assert len(seen) == 6


@pytest.mark.modes("mapped", "root")
def test_owners_come_along(cli: Store, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("bin", "srv"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/sh")
    shutil.copy("/bin/busybox", root / "bin/stat")
    (root / "srv/f").write_text("x")
    cli.ok("unshare", "chown", "-R", "7:8", str(root / "srv"))
    cli.ok("unshare", "chmod", "2750", str(root / "srv"))
    run = ["run", "--rm", "--volume", "v:/srv", "--rootfs", str(root), "/bin/stat", "-c"]
    assert cli.ok(*run, "%u:%g:%a", "/srv", "/srv/f") == "7:8:2750\n7:8:644"
    cli.ok("unshare", "rm", "-rf", str(root / "srv"))


# -- :U


@pytest.fixture
def place(shared: Store, tmp_path: Path) -> Iterator[Path]:
    """A directory to be given away; whatever happens, it is gone in the end."""
    yield tmp_path / "v"
    shared.ok("unshare", "rm", "-rf", str(tmp_path / "v"))


def test_a_volume_is_given_to_the_user(shared: Store, place: Path) -> None:
    (place / "deep/er").mkdir(parents=True)
    (place / "deep/file").write_text("x")
    (place / "deep/file").chmod(0o4755)
    (place / "link").symlink_to("/etc/passwd")
    place.chmod(0o700)
    script = "touch /v/new && find /v -exec stat -c %u:%g {} + | sort -u; stat -c %a /v/deep/file"
    run = ["run", "--rm", "--volume", f"{place}:/v:U", "--user", "1000:100", "busybox"]
    assert shared.ok(*run, "sh", "-c", script) == "1000:100\n4755"
    assert Path("/etc/passwd").stat().st_uid != os.getuid() or os.getuid() == 0
    # And back.
    back = ["run", "--rm", "--volume", f"{place}:/v:U", "busybox", "stat", "-c", "%u", "/v/new"]
    assert shared.ok(*back) == "0"
    assert (place / "new").stat().st_uid == os.getuid()


def test_a_single_file_may_be_given(shared: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    run = ["run", "--rm", "--volume", f"{tmp_path}/file:/file:U"]
    assert shared.ok(*run, "--user", "1000", "busybox", "stat", "-c", "%u", "/file") == "1000"
    assert shared.ok(*run, "busybox", "stat", "-c", "%u", "/file") == "0"


@pytest.mark.modes("mapped")
def test_given_by_the_ids_outside(shared: Store, tmp_path: Path) -> None:
    """With keep-id the container's user is we ourselves."""
    place = tmp_path / "v"
    place.mkdir()
    run = ["run", "--rm", "--userns", "keep-id", "--volume", f"{place}:/v:U", "busybox"]
    assert shared.ok(*run, "stat", "-c", "%u", "/v") == str(os.getuid())
    assert place.stat().st_uid == os.getuid()


def test_what_is_not_ours_is_not_given(shared: Store) -> None:
    if os.getuid() == 0:
        pytest.skip("root may give everything")
    run = ["run", "--rm", "--volume", "/etc/passwd:/v:U", "--user", "1000", "busybox", "true"]
    done = shared(*run)
    assert done.returncode == 125
    assert "cannot give /etc/passwd to the container's user: Operation not perm" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# -- :O


@pytest.mark.parametrize("driver", DRIVERS)
def test_changes_above_a_directory_are_thrown_away(
    busybox: Store, tmp_path: Path, driver: str
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/below").write_text("below")
    (tmp_path / "file").write_text("text")
    tmp_path.chmod(0o711)
    script = (
        "ls /v; cat /v/file; echo changed >/v/file; rm -r /v/dir; touch /v/new; ls /v; "
        "stat -c %a /v"
    )
    create = ["create", "--name", "c", "--volume", f"{tmp_path}:/v:O", "busybox"]
    env = {"ROOTLESS_DRIVER": driver}
    busybox.ok(*create, "sh", "-c", script)
    for _ in range(2):
        said = busybox.ok("start", "--attach", "c", env=env)
        assert said == "dir\nfile\ntextfile\nnew\n711"
        assert sorted(os.listdir(tmp_path)) == ["dir", "file"]
        assert (tmp_path / "file").read_text() == "text"


def test_names_with_the_separators_of_options(shared: Store, tmp_path: Path) -> None:
    place = tmp_path / "a,b\\c"
    place.mkdir()
    (place / "file").write_text("text")
    run = ["run", "--rm", "--volume", f"{place}:/v:O", "busybox", "cat", "/v/file"]
    assert shared.ok(*run) == "text"


def test_where_an_overlay_is_refused(busybox: Store) -> None:
    """procfs cannot lie below an overlay: a copy, as far as it may be read, and that is said."""
    script = "cat /v/ostype; echo changed >/v/ostype; cat /v/ostype"
    run = ["run", "--name", "c", "--volume", "/proc/sys/kernel:/v:O", "busybox", "sh", "-c", script]
    assert busybox.ok(*run) == "changed"  # its files have no size, so there is nothing to copy
    (state,) = Path(busybox.root, "containers").glob("[0-9a-f]*/state.json")
    (text,) = [
        text for text in json.loads(state.read_text())["degraded"] if text.startswith("volume")
    ]
    assert text.startswith("volume /v: a copy, an overlay was refused")


# -- --privileged


def test_the_devices_of_the_privileged(shared: Store) -> None:
    script = "test -c /dev/null && ls /dev"
    plain = set(shared.ok("run", "--rm", "busybox", "sh", "-c", script).split())
    run = ["run", "--rm", "--privileged", "busybox", "sh", "-c", script]
    privileged = set(shared.ok(*run).split())
    assert {"null", "zero", "tty", "pts", "shm"} <= plain & privileged
    reached = {
        name
        for name in os.listdir("/dev")
        if Path("/dev", name).is_char_device() and os.access(f"/dev/{name}", os.R_OK)
    }
    assert reached - {"console", "ptmx"} <= privileged


def test_the_privileged_may_mount(shared: Store) -> None:
    script = "mkdir /m && mount -t tmpfs none /m && touch /m/x && ls /m"
    assert shared.ok("run", "--rm", "--privileged", "busybox", "sh", "-c", script) == "x"
    done = shared("run", "--rm", "busybox", "sh", "-c", script)
    assert done.returncode != 0


def test_nothing_stays_mounted() -> None:
    """All of it was in the containers' own namespaces."""
    mounts = subprocess.run(
        ["findmnt", "-rno", "TARGET"], capture_output=True, text=True, check=True
    )
    assert not [line for line in mounts.stdout.splitlines() if "/rl-" in line]
