"""mount and unmount: images and containers, inside unshare."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

DRIVERS = pytest.mark.parametrize(
    "driver",
    [
        "overlay",
        pytest.param("fuse-overlayfs", marks=pytest.mark.needs("fuse-overlayfs", "/dev/fuse")),
    ],
)


@pytest.fixture(scope="module")
def stacked(shared: Store) -> Iterator[Store]:
    """An image `top` upon busybox, and the container `maker` that it was made of."""
    shared.ok("run", "--name", "maker", "busybox", "touch", "/top")
    shared.ok("commit", "maker", "top")
    return shared


@DRIVERS
def test_mount_inside_unshare(stacked: Store, driver: str) -> None:
    command = " ".join(stacked.command)
    script = f"""
        top=$({command} image mount top) && ls $top
        base=$({command} image mount busybox)
        touch $top/new 2>/dev/null || touch $base/new 2>/dev/null || echo read-only
        ls $base
        {command} image mount --format json
        {command} image unmount busybox
        {command} image umount --all
        {command} image mount
        {command} image mount top >/dev/null  # and leaves it so
    """
    shown = stacked.ok("unshare", "sh", "-c", script, env={"ROOTLESS_DRIVER": driver})
    before, _, rest = shown.partition("[\n")
    words = before.split()
    assert words[: words.index("read-only")] == ["bin", "etc", "root", "tmp", "top"]
    assert words[words.index("read-only") + 1 :] == ["bin", "etc", "root", "tmp"]
    listed, end, after = ("[\n" + rest).partition("\n]\n")
    found = {one["Repositories"][0]: one for one in json.loads(listed + end)}
    assert set(found) == {"localhost/busybox:latest", "docker.io/library/top:latest"}
    assert after.split() == ["busybox", found["docker.io/library/top:latest"]["id"]]
    place = Path(found["docker.io/library/top:latest"]["mountpoint"])
    assert os.listdir(place) == []  # the mount was that of the other namespace
    assert stacked.ok("image", "mount") == ""


def test_outside_of_unshare_it_is_said_where_it_goes(stacked: Store) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may mount anywhere")
    for name in ("top", "busybox"):
        done = stacked("image", "mount", name)
        assert done.returncode == 125
        assert "rootless unshare" in done.stderr
        assert done.stderr.count("\n") == 1
    assert "not mounted" in stacked("image", "unmount", "top").stderr
    assert stacked("image", "unmount").returncode == 1


@DRIVERS
def test_a_container(stacked: Store, driver: str) -> None:
    command = " ".join(stacked.command)
    script = f"""
        ls $({command} mount maker)
        rm $({command} mount maker)/top 2>/dev/null || echo read-only
        {command} mount --format json
        {command} unmount maker
        {command} mount
    """
    shown = stacked.ok("unshare", "sh", "-c", script, env={"ROOTLESS_DRIVER": driver})
    before, _, rest = shown.partition("[\n")
    words = before.split()
    assert {"bin", "top"} < set(words)
    assert words[-1] == "read-only"
    listed, end, after = ("[\n" + rest).partition("\n]\n")
    assert [one["Names"] for one in json.loads(listed + end)] == [["maker"]]
    assert after == "maker"
    assert stacked.ok("diff", "maker") == "A /top"


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("rm gone", ["image"]),
        ("rmi -f busybox", ["container"]),
        ("rm -fa", ["image"]),
        ("system reset -f", []),
    ],
)
def test_what_goes_is_shown_no_more(busybox: Store, line: str, left: list[str]) -> None:
    busybox.ok("create", "--name", "gone", "busybox", "true")
    command = " ".join(busybox.command)
    script = f"""
        {command} mount gone >/dev/null && {command} image mount busybox >/dev/null || exit 9
        {command} {line} >/dev/null || exit 8
        cut -d' ' -f2 /proc/mounts
    """
    inside = [] if os.geteuid() == 0 else [*busybox.command, "unshare"]
    done = subprocess.run(
        [*inside, "sh", "-c", script], env=busybox.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    base = f"{busybox.runtime}/rootless/mounts"
    here = [path for path in done.stdout.splitlines() if path.startswith(base)]
    assert [path.split("/")[-2] for path in here] == left
    assert {kind for kind in ("container", "image") if os.listdir(f"{base}/{kind}")} == {*left}
    if os.geteuid() == 0:
        busybox("unmount", "--all")
        busybox("image", "unmount", "--all")


@pytest.mark.modes("mapped", "single")
def test_what_goes_elsewhere_is_shown_no_more(busybox: Store) -> None:
    """Whoever removes it need not be in the namespace that has it mounted."""
    busybox.ok("create", "--name", "gone", "busybox", "true")
    command = " ".join(busybox.command)
    script = f"p=$({command} mount gone); ls $p/bin >/dev/null && echo; read _; ls -d $p; true"
    one = busybox.start("unshare", "sh", "-c", script)
    assert one.stdout is not None
    one.stdout.readline()
    busybox.ok("rm", "gone")
    shown, _ = one.communicate("\n", timeout=60)
    assert shown == ""
