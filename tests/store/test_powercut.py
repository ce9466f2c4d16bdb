"""A power cut at any moment: the store opens, and holds every change that was acknowledged."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from rootless import Engine
from rootless.store.events import Reader
from rootless.testing import Recorder
from tests.conftest import Store
from tests.oci.archives import Oci, Tar
from tests.store.powercut import STRACE, Call, Disk, calls

pytestmark = [
    pytest.mark.needs("strace"),
    pytest.mark.modes("mapped", "single"),
    pytest.mark.timeout(300),
]
Recording = tuple[str, list[Call]]

SLEEPER = "busybox sh -c 'echo a; sleep 0.3'"
STORY: tuple[tuple[str, set[str], set[str], list[str]], ...] = (
    # command; when it has ended: containers by name, images; events that it has told of
    ("load -q -i {image}", set(), {"busybox"}, ["load"]),
    ("create --name one busybox true", {"one"}, {"busybox"}, ["create"]),
    ("rename one two", {"two"}, {"busybox"}, ["rename"]),
    (f"run -d --name three {SLEEPER}", {"two", "three"}, {"busybox"}, ["create"]),
    ("tag busybox other", {"two", "three"}, {"busybox", "other"}, ["tag"]),
    ("wait three", {"two", "three"}, {"busybox", "other"}, ["start"]),
    ("start three", {"two", "three"}, {"busybox", "other"}, []),
    ("rm -f three", {"two"}, {"busybox", "other"}, ["start", "die", "destroy"]),
    ("rmi other", {"two"}, {"busybox"}, ["untag"]),
    ("rm two", set(), {"busybox"}, ["destroy"]),
    ("rmi busybox", set(), set(), ["untag", "delete"]),
)


def _image() -> bytes:
    """An archive with an image `busybox` of few files: after each call all of them are written."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
    made, layer = Tar(), buffer.getvalue()
    for name in ("sh", "sleep", "echo", "true"):
        made.link(f"bin/{name}", "busybox")
    oci = Oci()
    oci.name(oci.manifest([layer, made.bytes()]), "busybox:latest")
    return oci.archive()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The base directory of the story, and what strace has seen of it."""
    store, directory = Store(), tmp_path_factory.mktemp("powercut")
    image, trace = directory / "image", directory / "trace"
    image.write_bytes(_image())
    base = f"{store.directory}/disk"
    os.mkdir(base)
    words = " ".join(store.command)
    script = "".join(
        f"{words} {line.format(image=image)} || exit 1; : > {base}/ack{number};"
        for number, (line, *_) in enumerate(STORY)
    )
    # newuidmap gains no privilege under strace: the user namespace is there already.
    store.ok("run", "-d", "--name", "holder", "host", "sleep", "1000")
    env = {**store.env, "ROOTLESS_ROOT": f"{base}/root"}
    subprocess.run(
        [*STRACE, "-o", str(trace), "sh", "-c", script], env=env, check=True, timeout=120
    )
    disk, seen = Disk(base), list(calls(trace))
    for call in seen:
        disk.apply(call)
    for path in (f"{base}/root/images", f"{base}/root/containers", f"{base}/root/events"):
        assert disk.read_back(path) == _read(path)  # the model has missed nothing
    store.remove()
    return base, seen


def _read(path: str) -> dict[str, object]:
    if os.path.islink(path):
        return {path: os.readlink(path)}
    if not os.path.isdir(path):
        return {path: Path(path).read_bytes()}
    found: dict[str, object] = {path: None}
    for name in os.listdir(path):
        found |= _read(f"{path}/{name}")
    return found


def _names(engine: Engine) -> tuple[set[str], set[str]]:
    told = Recorder()
    containers = engine.containers.list(told)
    found = {one.name for one in containers}
    assert all(one.state().status in ("created", "exited") for one in containers)
    tags = [tag for one in engine.images.list(told) for tag in one.names]
    assert told.problems == []
    return found, {tag.rpartition("/")[2].partition(":")[0] for tag in tags}


def _check(engine: Engine, done: int, where: str) -> None:
    """`done` commands were acknowledged, the next one may have got anywhere."""
    before = STORY[done - 1][1:3] if done else (set(), set())
    after = STORY[done][1:3] if done < len(STORY) else before
    for found, old, new in zip(_names(engine), before, after, strict=True):
        assert old & new <= found <= old | new, where
    told = Counter(event["action"] for event in Reader(engine.paths.root).read())
    assert Counter(action for line in STORY[:done] for action in line[3]) <= told, where


@pytest.mark.parametrize("turn", range(2))
def test_power_cut(
    recorded: tuple[str, list[Call]],
    cli: Store,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    turn: int,
) -> None:
    base, seen = recorded
    dice = random.Random(seed + turn)
    print(f"TEST_SEED={seed}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", cli.runtime)
    disk, done = Disk(base), 0
    for number, call in enumerate(seen):
        durable = disk.apply(call)
        acknowledged = call.opened.startswith(f"{base}/ack")
        done += acknowledged
        if not (durable or acknowledged):
            continue
        target = f"{cli.directory}/left"
        # The first turn loses all that it may, the second any part of it.
        disk.write_out(target, dice if turn else None)
        root = f"{target}/root"
        _check(Engine(root), done, f"after call {number}, {call.name} {call.places}")
        if dice.random() < 0.06:
            _use(cli, root, done)
        shutil.rmtree(target)
    assert done == len(STORY)


def _use(cli: Store, root: str, done: int) -> None:
    """All goes on as if nothing had been, and nothing is left of it in the end."""
    store = {"ROOTLESS_ROOT": root}
    if done and "busybox" in STORY[min(done, len(STORY) - 1)][2]:
        assert cli.ok("run", "--rm", "busybox", "echo", "well", env=store) == "well"
    cli("system", "check", "--repair", env=store)  # a name may lead to what is not there yet
    cli.ok("system", "check", env=store)
    cli.ok("rm", "-af", env=store)
    cli.ok("rmi", "-af", env=store)
    assert [name for name in os.listdir(f"{root}/containers") if name != ".names"] == []
    assert cli.ok("images", "-aq", env=store) == ""
