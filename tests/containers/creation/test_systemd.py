"""Containers for systemd: which they are, and what they have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers.creation.systemd import PLACES, SIGNAL
from rootless.errors import UsageError
from rootless.runtime.supervision import cgroup
from tests.containers.test_restarts import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootless.containers.record import Record
    from tests.conftest import Store

    Composed = Callable[..., Record]

pytestmark = pytest.mark.once

ALWAYS: dict[str, Any] = {"systemd": "always"}


@pytest.mark.parametrize(
    ("words", "asked", "expected"),
    [
        (["/sbin/init"], {}, True),
        (["/usr/sbin/init", "--x"], {}, True),
        (["/usr/local/sbin/init"], {}, True),
        (["/lib/systemd/systemd"], {}, True),
        (["systemd"], {}, True),
        (["/bin/sh", "-c", "/sbin/init"], {}, True),
        (["/sbin/init"], {"systemd": "false"}, False),
        (["/sbin/init"], {"systemd": "true"}, True),
        (["/sbin/init"], {"init": True}, False),
        (["/init"], {}, False),
        (["init"], {}, False),
        (["/usr/bin/systemd-analyze"], {}, False),
        (["sh", "/sbin/init"], {}, False),
        (["/bin/sh", "-c"], {}, False),
        (["true"], ALWAYS, True),
    ],
)
def test_which_containers_are_for_it(
    composed: Composed, words: list[str], asked: dict[str, Any], expected: bool
) -> None:
    """By the first word of the command, as podman finds it."""
    record = composed(*words, **asked)
    places = {mount["destination"]: mount for mount in record["spec"]["mounts"]}
    assert all((place in places) == expected for place in PLACES)
    assert record["spec"]["rootless"]["systemd"] == expected
    assert ("ro" in places["/sys/fs/cgroup"]["options"]) != expected
    assert record["stop_signal"] == (SIGNAL if expected else 15)


def test_its_places_have_a_size(composed: Composed) -> None:
    """Those of systemd, and not the others that --read-only makes."""
    made = composed(**ALWAYS, read_only=True, shm_size_systemd="1m")["spec"]["mounts"]
    sized = {item["destination"] for item in made if "size=1048576" in item["options"]}
    assert sized == {*PLACES}


def test_what_a_request_or_an_image_says_stays(composed: Composed) -> None:
    image = {"Cmd": ["/sbin/init"], "StopSignal": "SIGTERM", "Env": ["container=docker"]}
    record = composed(image=image)
    assert record["stop_signal"] == 15
    env = record["spec"]["process"]["env"]
    assert "container=docker" in env
    assert f"container_uuid={record['id'][:32]}" in env
    assert composed(**ALWAYS, stop_signal="USR1")["stop_signal"] == 10
    mounts = composed(**ALWAYS, volume=["/a:/run"], tmpfs=["/tmp:size=1m"])["spec"]["mounts"]
    found = {mount["destination"]: mount for mount in mounts}
    assert len(found) == len(mounts)
    assert found["/run"]["source"] == "/a"
    assert "size=1048576" in found["/tmp"]["options"]
    both = composed(**ALWAYS, read_only=True)["spec"]["mounts"]
    places = [mount["destination"] for mount in both]
    assert places.count("/run") == places.count("/tmp") == places.count("/var/tmp") == 1
    mounts = composed(**ALWAYS, cgroupns="host")["spec"]["mounts"]
    assert "ro" in next(one for one in mounts if one["destination"] == "/sys/fs/cgroup")["options"]


def test_two_first_processes(composed: Composed) -> None:
    with pytest.raises(UsageError, match="init and systemd always exclude each other"):
        composed(**ALWAYS, init=True)


INIT = """#!/bin/sh
trap 'echo halted; exit 0' 37
for place in /run /run/lock /tmp /var/log/journal; do
    touch $place/file && grep -q " $place tmpfs " /proc/mounts || echo $place is none
done
echo $container ${#container_uuid}
grep -q ' /sys/fs/cgroup cgroup2 rw,' /proc/mounts || grep -q ' /sys/fs/cgroup tmpfs' /proc/mounts
echo $?
while :; do sleep 0.05; done
"""


@pytest.mark.each
def test_a_container_of_its(shared: Store, tmp_path: Path) -> None:
    program = tmp_path / "init"
    program.write_text(INIT)
    program.chmod(0o755)
    words = ("-v", f"{program}:/sbin/init", "busybox", "/sbin/init")
    done = shared("run", "-d", "--name", "machine", *words)
    assert done.returncode == 0, done.stderr
    # Where the session has no cgroup to divide, that is said.
    assert done.stderr == "" or ("systemd" in done.stderr and not cgroup.find())
    until(lambda: shared.ok("logs", "machine").endswith("0"))
    assert shared.ok("logs", "machine").splitlines() == ["podman 32", "0"]
    assert shared.ok("inspect", "-f", "{{.Config.StopSignal}}", "machine") == "SIGRTMIN+3"
    shared.ok("stop", "machine")
    assert shared.ok("logs", "--tail", "1", "machine") == "halted"
    assert shared.ok("inspect", "-f", "{{.State.ExitCode}}", "machine") == "0"
    shared.ok("rm", "machine")


def test_what_it_has_made_of_its_cgroup_goes_with_it(tmp_path: Path) -> None:
    os.makedirs(tmp_path / "one/system.slice/a.service")
    os.makedirs(tmp_path / "one/init.scope")
    cgroup.remove(str(tmp_path / "one"))
    assert os.listdir(tmp_path) == []
    cgroup.remove(str(tmp_path / "one"))
