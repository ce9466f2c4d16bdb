"""The list of steps: what comes in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers.words.request import request
from rootless.runtime.tree.plan import DEVICES, plan
from rootless.runtime.tree.rootfs import DirectoryRoot
from rootless.store.paths import Paths
from tests.containers.conftest import ID, HostImage, record_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootless.runtime.spec import Spec

    Words = Callable[..., list[str]]

pytestmark = pytest.mark.once


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., Spec]:
    def make(**asked: Any) -> Spec:
        wanted = request("host", ["true"], asked, base="/", environ={})  # type: ignore[arg-type]
        image = HostImage({"Cmd": ["sh"]})
        record = record_of(Paths(str(tmp_path / "store")), wanted, image)
        return record["spec"]

    return make


@pytest.fixture
def words(spec: Callable[..., Spec]) -> Words:
    """What the steps say of themselves."""

    def make(driver: str = "overlay", **asked: Any) -> list[str]:
        return [step.describe() for step in plan(spec(**asked), DirectoryRoot("/R"), driver)]

    return make


def test_the_order(words: Words) -> None:
    steps = words(volume=["/:/data/deep/er", "/:/data"], sysctl=["net.a=1"], read_only=True)
    expected = [
        "make the mount tree private",
        "use the directory /R as root",
        "set up the private network",
        f"set the host name {ID[:12]}",
        "mount proc at /proc",
        "mount tmpfs at /dev",
        "mount devpts at /dev/pts",
        *(f"show the device /dev/{name}" for name in DEVICES),
        "make the links of /dev",
        "mount sysfs at /sys",
        "bind / at /data",
        "bind / at /data/deep/er",
        "set sysctl net.a=1",
        "make /proc/sys read-only",
        "mask /proc/kcore",
        "make the root file system read-only",
    ]
    assert [step for step in steps if step in expected] == expected
    assert steps[-1] == expected[-1]


def test_nothing_is_done_to_what_is_the_hosts(words: Words) -> None:
    steps = words(network=["host"], uts="host")
    assert not [step for step in steps if "network" in step or "host name" in step]
    (resolv,) = [step for step in steps if step.endswith(" at /etc/resolv.conf")]
    assert resolv.endswith(f"/containers/{ID}/resolv.conf at /etc/resolv.conf")


def test_which_steps_need_a_namespace(spec: Callable[..., Spec]) -> None:
    steps = plan(spec(), DirectoryRoot("/R"))
    needs = {step.describe(): name for step in steps if (name := getattr(step, "needs", ""))}
    assert needs == {
        "set up the private network": "network",
        f"set the host name {ID[:12]}": "uts",
        "set sysctl net.ipv4.ping_group_range=0 0": "network",
    }


def test_a_volume_is_filled_before_it_is_bound(words: Words, tmp_path: Path) -> None:
    steps = words(volume=["v:/data"])
    source = f"{tmp_path}/store/volumes/v/_data"
    at = steps.index(f"copy the image's /data to the volume {source}")
    assert steps[at + 1] == f"bind {source} at /data"
    assert not [step for step in words(volume=["v:/data:nocopy"]) if "copy" in step]


@pytest.mark.parametrize(
    ("driver", "step"),
    [
        ("overlay", "put a layer on /tmp at /data"),
        ("copy", "put a layer on /tmp at /data"),
        ("fuse-overlayfs", "put a layer on /tmp with fuse-overlayfs"),
    ],
)
def test_a_layer_above_a_bind(words: Words, driver: str, step: str) -> None:
    assert words(driver, volume=["/tmp:/data:O"]).count(step) == 1


def test_a_dev_of_the_users_own_is_left_alone(words: Words) -> None:
    steps = words(volume=["/dev:/dev"])
    assert not [step for step in steps if "show the device" in step or "links" in step]


def test_the_devices_of_the_privileged(words: Words) -> None:
    assert "show the host's devices" in words(privileged=True)
    assert "show the host's devices" not in words()
