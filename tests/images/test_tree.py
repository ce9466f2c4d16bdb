"""image tree, mount and unmount."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store


@pytest.fixture(scope="module")
def stacked(shared: Store) -> Iterator[Store]:
    """Images one and two upon busybox, and top upon one."""
    for base, name in (("busybox", "one"), ("busybox", "two"), ("one", "top")):
        shared.ok("run", "--name", "maker", base, "touch", f"/{name}")
        shared.ok("commit", "maker", name)
        shared.ok("rm", "maker")
    return shared


def shape(text: str) -> list[str]:
    """The lines of a tree without ids and sizes."""
    lines = text.partition("Image Layers\n")[2].splitlines()
    return [f"{line.partition('ID:')[0]}{line.partition('Top Layer of: ')[2]}" for line in lines]


def test_layers_from_below(stacked: Store) -> None:
    shown = stacked.ok("image", "tree", "top")
    image_id = stacked.ok("images", "-q", "top")
    assert shown.startswith(f"Image ID: {image_id}\nTags:     [top:latest]\nSize:     2.")
    assert shape(shown) == [
        "├── [localhost/busybox:latest]",
        "├── [one:latest]",
        "└── [top:latest]",
    ]


def test_what_is_made_upon_an_image(stacked: Store) -> None:
    shown = shape(stacked.ok("image", "tree", "--whatrequires", "busybox"))
    assert shown[0] == "└── [localhost/busybox:latest]"
    branches = {"\n".join(shown[1:])}
    one = "    ├── [one:latest]\n    │   └── [top:latest]\n    └── [two:latest]"
    two = "    ├── [two:latest]\n    └── [one:latest]\n        └── [top:latest]"
    assert branches <= {one, two}  # by id
    assert shape(stacked.ok("image", "tree", "--whatrequires", "top")) == ["└── [top:latest]"]


@pytest.mark.parametrize(
    "driver",
    [
        "overlay",
        pytest.param("fuse-overlayfs", marks=pytest.mark.needs("fuse-overlayfs", "/dev/fuse")),
    ],
)
def test_mount_inside_unshare(stacked: Store, driver: str) -> None:
    command = " ".join(stacked.command)
    script = f"""
        top=$({command} image mount top) && ls $top
        touch $top/new 2>/dev/null || echo read-only
        ls $({command} image mount busybox)
        {command} image mount --format json
        {command} image unmount busybox
        {command} image umount --all
        {command} image mount
        {command} image mount one >/dev/null  # and leaves it so
    """
    shown = stacked.ok("unshare", "sh", "-c", script, env={"ROOTLESS_DRIVER": driver})
    before, _, rest = shown.partition("[\n")
    words = before.split()
    assert words[: words.index("read-only")] == ["bin", "etc", "one", "root", "tmp", "top"]
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
    assert stacked("image", "unmount").returncode == 125
