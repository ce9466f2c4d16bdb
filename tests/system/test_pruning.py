"""system and container prune: what nothing needs goes, what is needed stays."""

from __future__ import annotations

import os
import pty
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import Engine
from rootless.containers.words.request import request

if TYPE_CHECKING:
    from conftest import Store


def left(store: Store) -> tuple[list[str], list[str]]:
    """The names of containers and images."""
    containers = store.ok("ps", "-a", "--format", "{{.Names}}").split()
    images = store.ok("images", "--format", "{{.Repository}}").split()
    return sorted(containers), sorted(images)


@pytest.fixture
def used(busybox: Store) -> Store:
    """Containers that run and that have ended, images with and without a name, two volumes."""
    busybox.ok("run", "--name", "ended", "-v", "/data", "busybox", "sh", "-c", "echo x > /data/x")
    busybox.ok("run", "-d", "--name", "runs", "-v", "/data", "busybox", "sleep", "60")
    busybox.ok("commit", "-m", "first", "ended", "localhost/named")
    busybox.ok("commit", "-m", "second", "ended")
    busybox.ok("run", "--name", "loaded", "busybox", "dd", "if=/dev/zero", "of=/f", "bs=1k",
               "count=500")  # fmt: skip
    return busybox


def test_system_prune(used: Store) -> None:
    ended = used.ok("inspect", "-f", "{{.Id}}", "ended")
    bare = used.ok("images", "-q", "--no-trunc", "--filter", "dangling=true")
    lines = used.ok("system", "prune", "-f").splitlines()
    assert lines[0] == "Deleted Containers:"
    assert ended in lines[1:3]
    assert lines[3:5] == ["", "Deleted Images:"]
    assert f"deleted: {bare}" in lines
    # The container's half megabyte, and the few bytes of an image's settings.
    assert lines[-1].startswith("Total reclaimed space: 51")
    assert lines[-1].endswith("kB")
    assert left(used) == (["runs"], ["localhost/busybox", "localhost/named"])
    assert used.ok("system", "prune", "-f") == "Total reclaimed space: 0B"


def test_all_and_volumes(used: Store) -> None:
    volumes = Path(used.root, "volumes")
    assert len(os.listdir(volumes)) == 2
    (volumes / "named" / "_data").mkdir(parents=True)
    lines = used.ok("system", "prune", "-af", "--volumes").splitlines()
    assert "Deleted Volumes:" in lines
    assert left(used) == (["runs"], ["localhost/busybox"])
    assert len(os.listdir(volumes)) == 2  # that of the container, and what somebody has named
    assert (volumes / "named").exists()
    assert used.ok("exec", "runs", "ls", "/data") == ""


def test_a_damaged_container_keeps_all_volumes(used: Store) -> None:
    ended = used.ok("inspect", "-f", "{{.Id}}", "ended")
    Path(used.root, "containers", ended, "config.json").write_text("{")
    done = used("system", "prune", "-f", "--volumes")
    assert done.returncode == 1
    assert "damaged record" in done.stderr
    assert len(os.listdir(f"{used.root}/volumes")) == 2


def test_filters(used: Store) -> None:
    before = left(used)
    plain = ("--filter until=2000-01-01", "--filter label=x", "-a --filter until=10h")
    for words in (*plain, "--volumes --filter label=x"):
        assert used.ok("system", "prune", "-f", *words.split()).endswith(": 0B")
    assert left(used) == before
    for words in ("--filter name=x", "--volumes --filter until=1h"):
        assert used("system", "prune", "-f", *words.split()).returncode == 1
    used.ok("container", "prune", "-f", "--filter", "label!=x")
    assert left(used)[0] == ["runs"]
    assert left(used)[1] == before[1]


@pytest.mark.parametrize("command", ["system prune", "container prune", "image prune -a"])
def test_no_is_no(used: Store, command: str) -> None:
    before = left(used)
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")
    done = used(*command.split(), stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0
    assert done.stdout.startswith("WARNING! This will remove")
    assert left(used) == before


@pytest.mark.parametrize("command", ["system prune -a", "container prune", "image prune -a"])
def test_a_pipe_is_asked_as_well(busybox: Store, command: str) -> None:
    busybox.ok("create", "--name", "one", "busybox", "true")
    busybox.ok("import", "/dev/null", "localhost/other", input="")
    before = left(busybox)
    assert busybox(*command.split(), input="n\n").returncode == 0
    nobody = busybox(*command.split(), input="")
    assert nobody.returncode == 1
    assert nobody.stderr.startswith("Error: nobody says whether to continue")
    assert left(busybox) == before
    assert busybox(*command.split(), input="y\n").returncode == 0
    assert left(busybox) != before


@pytest.mark.parametrize("command", ["system prune -af", "image prune -af", "container prune -f"])
def test_an_unused_store(cli: Store, command: str) -> None:
    assert cli.ok(*command.split()) == "Total reclaimed space: 0B"


def test_a_store_without_an_image(cli: Store) -> None:
    """Its directories are there, but no layout that could be locked."""
    cli.ok("create", "--name", "a", "host", "true")
    assert cli.ok("system", "df").splitlines()[1].split()[:2] == ["Images", "0"]
    assert "Deleted Containers:" in cli.ok("system", "prune", "-af", "--volumes")


@pytest.mark.parametrize("command", ["system prune", "image prune"])
def test_what_is_left_of_pulls(busybox: Store, command: str) -> None:
    directory = Path(busybox.root, "images", "partial")
    directory.mkdir(exist_ok=True)
    for name, age in (("sha256-" + "0" * 64, 8), ("sha256-" + "1" * 64, 1)):
        (directory / name).write_bytes(b"x" * 100_000)
        then = time.time() - age * 86400
        os.utime(directory / name, (then, then))
    busybox.ok("create", "busybox")
    assert busybox.ok(*command.split(), "-f").endswith("reclaimed space: 102kB")
    assert os.listdir(directory) == ["sha256-" + "1" * 64]
    assert not busybox.ok(*command.split(), "-af").endswith("reclaimed space: 0B")
    assert os.listdir(directory) == []


def test_what_is_about_to_start_stays(busybox: Store) -> None:
    """`run` keeps the lock of what it has made until that runs."""
    engine = Engine(busybox.root)
    engine.holding = True
    made = engine.create(
        request("busybox", ["sleep", "1000"], {"name": "mine"}, base="/", environ={})
    )
    engine.holding = False
    engine.create(request("busybox", ["true"], {"name": "idle"}, base="/", environ={}))
    assert "Deleted Containers:" in busybox.ok("container", "prune", "-f")
    assert busybox.ok("ps", "-a", "--format", "{{.Names}}") == "mine"
    before = engine.containers.get("mine")  # as a prune has it that looked a moment ago
    assert made.start()
    assert not before.prune()
    assert busybox.ok("ps", "--format", "{{.Names}}") == "mine"
    busybox.ok("rm", "-f", "mine")
    assert not before.prune(), "somebody was faster"


def test_prunes_beside_runs(busybox: Store) -> None:
    stop = threading.Event()
    told: list[str] = []

    def prune() -> None:
        while not stop.is_set():
            done = busybox("system", "prune", "-f")
            told.append(done.stderr if done.returncode else "")

    pruning = threading.Thread(target=prune)
    pruning.start()
    try:
        ran = [busybox("run", "busybox", "true") for _ in range(12)]
    finally:
        stop.set()
        pruning.join()
    assert [done.stderr for done in ran if done.returncode] == []
    assert [text for text in told if text] == []
