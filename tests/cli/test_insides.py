"""Options that name the insides of docker and podman: what is taken, told and refused."""

from __future__ import annotations

from typing import Any

import pytest

from rootless.cli.commands.containers import run
from rootless.cli.commands.containers.insides import heed
from rootless.cli.options.insides import InsidesAsked
from rootless.errors import UsageError
from rootless.teller import Quiet

pytestmark = pytest.mark.once


class Notes(Quiet):
    """A teller that keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def note(self, text: str) -> None:
        self.all.append(text)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, []),
        ({"cgroups": "enabled"}, []),
        ({"cgroups": "split", "runtime": "rootless", "oom_kill_disable": False}, []),
        ({"cgroups": "no-conmon"}, ["--cgroups no-conmon does nothing here"]),
        ({"runtime": "/usr/bin/crun"}, ["--runtime /usr/bin/crun does nothing here"]),
        (
            {"runtime": "runc", "cgroups": "disabled", "oom_kill_disable": True},
            ["--runtime runc and --cgroups disabled and --oom-kill-disable do nothing here"],
        ),
    ],
)
def test_taken(asked: Any, told: list[str]) -> None:
    notes = Notes()
    heed(asked, notes)
    assert notes.all == told


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"runtime": "runsc"}, "--runtime runsc: containers run by rootless alone"),
        ({"cgroups": "none"}, "--cgroups: unknown mode 'none'"),
        ({"cgroup_parent": "a.slice"}, "--cgroup-parent: a container is in the control group of"),
        ({"cgroup_conf": ["memory.high=1"]}, "--cgroup-conf: limits of control groups come with"),
        ({"device_cgroup_rule": ["c 1:3 r"]}, "--device-cgroup-rule: only root can decide"),
        ({"gpus": "all"}, "--gpus: GPUs by name come with a later version"),
    ],
)
def test_refused(asked: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        heed(asked, Notes())
    assert str(caught.value).startswith(message)
    assert caught.value.hint


def test_all_are_looked_at() -> None:
    assert InsidesAsked.__annotations__.keys() == run._INSIDES
