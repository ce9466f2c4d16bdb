"""What a kill at any moment leaves is taken away by whoever comes next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import Engine

if TYPE_CHECKING:
    from conftest import Store

KILLED = """
import os, signal, sys
rename, args = os.rename, sys.argv[1:]
def die(source, target, **more):
    if target.endswith(args[0]):
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target, **more)
os.rename = die
from rootless.cli import main
main.run(args[1:])
"""
"""A command that is killed between the last byte of a file and its name."""


def killed(store: Store, before: str, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, before, *command], env=store.env, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def left(store: Store, below: str) -> list[str]:
    """Names that nothing of a whole store has, and where they are."""
    found = []
    for parent, directories, files in os.walk(f"{store.root}/{below}"):
        names = [*directories, *files] if parent.endswith(".names") else files
        found += [f"{parent}/{one}" for one in names if one.split(".")[-1].isdecimal()]
    return found


def test_indexes_go_with_the_next_one(busybox: Store) -> None:
    for number in range(3):
        killed(busybox, "/index.json", "tag", "busybox", f"x{number}")
    assert len(left(busybox, "images")) == 1, "each but the last was met by the next"
    busybox.ok("tag", "busybox", "y")
    assert not left(busybox, "images")
    killed(busybox, "/index.json", "rmi", "y")
    assert (
        "of commands that were killed 1 files are left: index.json."
        in busybox("system", "check").stdout
    )
    assert busybox.ok("system", "check", "--repair").startswith("repaired: of commands")
    assert not left(busybox, "images")
    assert busybox("system", "check").stdout == ""


def test_an_index_under_way_is_left_alone(busybox: Store) -> None:
    """It is written under the layout's lock, which whoever sweeps has to have."""
    images = Engine(busybox.root).images
    others = [busybox.start("tag", "busybox", f"a{number}") for number in range(3)]
    for _ in range(20):
        images.tag("busybox", "b")
    for other in others:
        _, said = other.communicate(timeout=60)
        assert other.returncode == 0, said
    assert {f"docker.io/library/a{number}:latest" for number in range(3)} <= {*images.names()}


def test_names_of_containers_that_never_were(busybox: Store) -> None:
    """Their maker was killed after it had claimed the name."""
    busybox.ok("create", "--name", "whole", "busybox", "true")
    names = Path(busybox.root, "containers/.names")
    for number in range(3):
        os.symlink(f"{number:064x}", names / f"ghost{number}")
    os.mkdir(f"{busybox.root}/containers/.new-{0:064x}")
    assert busybox.ok("ps", "-aq", "--no-trunc")
    assert os.listdir(names) == ["whole"]
    assert sorted(os.listdir(f"{busybox.root}/containers")) == sorted(
        [".names", busybox.ok("ps", "-aq", "--no-trunc")]
    )


def test_a_name_that_is_being_taken_stays(busybox: Store) -> None:
    """While the container is made it is locked."""
    busybox.ok("create", "--name", "whole", "busybox", "true")
    making = f"{busybox.root}/containers/.new-{7:064x}"
    os.mkdir(making)
    os.symlink(f"{7:064x}", f"{busybox.root}/containers/.names/soon")
    with subprocess.Popen(["flock", making, "cat"], stdin=subprocess.PIPE) as holder:
        deadline = time.monotonic() + 30
        while subprocess.run(["flock", "-n", making, "true"]).returncode == 0:
            assert time.monotonic() < deadline
        busybox.ok("ps", "-a")
        assert os.path.islink(f"{busybox.root}/containers/.names/soon")
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(30)
    busybox.ok("ps", "-a")
    assert not os.path.islink(f"{busybox.root}/containers/.names/soon")


@pytest.mark.parametrize("command", [["system", "prune", "-f"], ["system", "check", "--repair"]])
def test_half_written_files(busybox: Store, command: list[str]) -> None:
    """Of records, of the driver's note, of the store's mark; those of the living stay."""
    container = busybox.ok("create", "--name", "one", "busybox", "true")
    busybox.ok("run", "-d", "--name", "two", "busybox", "sleep", "100")
    two = busybox.ok("inspect", "--format", "{{.Id}}", "two")
    dead = subprocess.Popen(["true"])
    dead.wait()
    where = f"{busybox.root}/containers/{two}"
    gone = [f"{where}/.state.json.{dead.pid}", f"{busybox.root}/driver.{dead.pid}"]
    stays = [f"{where}/.state.json.{os.getpid()}", f"{busybox.root}/driver.{os.getpid()}"]
    for path in (*gone, *stays):
        Path(path).write_text("{")
    for path in gone:
        os.utime(path, (1, 1))
    busybox.ok(*command)
    assert not [path for path in gone if os.path.exists(path)]
    assert [path for path in stays if not os.path.exists(path)] == []
    assert container
    busybox.ok("rm", "-f", "two")


@pytest.mark.parametrize("command", ["image", "system"])
def test_blobs_of_long_ago(busybox: Store, command: str) -> None:
    """An image that was not yet named: where none is removed, a prune takes them away."""
    blobs = Path(busybox.root, "images/blobs/sha256")
    old, young = blobs / ("0" * 64), blobs / ("1" * 64)
    for one in (old, young):
        one.write_bytes(b"x")
    os.utime(old, (1, 1))
    busybox.ok(command, "prune", "-af", "--filter", "label=none")
    assert old.exists(), "where only some are to go, the others are not looked at"
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "100")
    whole = set(os.listdir(blobs)) - {old.name}
    busybox.ok(command, "prune", "-af")
    assert set(os.listdir(blobs)) == whole
    busybox.ok("rm", "-f", "one")
