"""rename, whoever is killed in between."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.containers.test_restarts import record

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once


def names(store: Store) -> list[str]:
    return sorted(os.listdir(f"{store.root}/containers/.names"))


def test_rename(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    busybox.ok("create", "--name", "other", "busybox", "true")
    assert busybox.ok("rename", "one", "two") == ""
    assert busybox.ok("ps", "--format", "{{.Names}}") == "two"
    assert busybox("inspect", "one").returncode != 0
    assert busybox.ok("inspect", "-f", "{{.Name}}", "two") == "/two"
    assert busybox.ok("exec", "two", "echo", "inside") == "inside"
    busybox.ok("create", "--name", "one", "busybox", "true")  # the old name is free
    taken = busybox("rename", "two", "other")
    assert (taken.returncode, "already in use" in taken.stderr) == (1, True)
    assert "has the name two already" in busybox("rename", "two", "two").stderr
    assert "invalid container name" in busybox("rename", "two", "a/b").stderr
    assert names(busybox) == ["one", "other", "two"]
    busybox.ok("rm", "-f", "two", "one", "other")
    assert names(busybox) == []


@pytest.mark.parametrize("taken", [False, True])
def test_its_supervisor_knows_the_new_name(busybox: Store, *, taken: bool) -> None:
    identity = busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    busybox.ok("rename", "one", "two")
    if taken:
        busybox.ok("create", "--name", "one", "busybox", "true")
    busybox.ok("kill", "two")
    busybox.ok("wait", "two")
    told = ["--filter", f"container={identity}", "--filter", "event=die"]
    line = "{{.Name}} {{.Attributes.name}}"
    assert busybox.ok("events", "--stream=false", *told, "--format", line) == "two two"


def test_killed_before_the_record_was_written(busybox: Store) -> None:
    """Both names lead to it; the record says which is the true one."""
    busybox.ok("create", "--name", "one", "busybox", "true")
    identity = record(busybox, "one", "config.json")["id"]
    os.symlink(identity, f"{busybox.root}/containers/.names/two")
    assert busybox("inspect", "two").returncode != 0
    assert busybox.ok("inspect", "-f", "{{.Name}}", "one") == "/one"
    busybox.ok("rename", "one", "two")  # once more
    assert names(busybox) == ["two"]


def test_killed_before_the_old_name_was_given_up(busybox: Store) -> None:
    busybox.ok("create", "--name", "one", "busybox", "true")
    identity = record(busybox, "one", "config.json")["id"]
    busybox.ok("rename", "one", "two")
    os.symlink(identity, f"{busybox.root}/containers/.names/one")
    assert busybox("inspect", "one").returncode != 0
    busybox.ok("create", "--name", "one", "busybox", "true")  # whoever wants it gets it
    assert record(busybox, "one", "config.json")["id"] != identity
    busybox.ok("rm", "one", "two")
    assert names(busybox) == []
