"""Shared stores: listed, found and run in place, never written to, and not trusted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import docker, layer

from rootless import Engine, settings
from rootless.errors import Conflict, NotFound, UsageError
from rootless.images import limits, shared
from rootless.testing import Recorder
from tests.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless.images.collection import Images

BASE = layer({"base": b"1"})


@pytest.fixture
def theirs(images: Images, as_file: Callable[[bytes], str]) -> Images:
    """A further store with the image `tools`, of two layers."""
    engine = Engine(f"{images.paths.root}-theirs").images
    engine.load(as_file(docker([BASE, layer({"tool": b"1"})], names=["tools:1"])))
    return engine


@pytest.fixture
def both(images: Images, theirs: Images, monkeypatch: pytest.MonkeyPatch) -> Images:
    """An empty store that has `theirs` as a shared one."""
    monkeypatch.setenv(shared.VARIABLE, theirs.paths.root)
    return images


def state(directory: str) -> list[tuple[str, int]]:
    """All there is below a directory, and when it changed last."""
    return sorted(
        (str(path), path.lstat().st_ctime_ns)
        for path in Path(directory).rglob("*")
        if path.name != "boot"  # taken away when the layers are on the disk
        and not os.path.lexists(path / "boot")
        and not os.path.exists(path / "layer.json")
    )


def test_images_are_found_and_used_where_they_lie(both: Images, theirs: Images) -> None:
    before = state(theirs.paths.root)
    image = both.get("tools:1")
    assert image.readonly
    assert [one.id for one in both.list()] == [image.id]
    assert both.names() == ["docker.io/library/tools:1"]
    assert image.lowers() == theirs.get("tools:1").lowers()
    assert state(theirs.paths.root) == before
    assert not os.path.exists(both.paths.root), "nothing had to be written"


@pytest.mark.parametrize("damage", ["writable", "link", "mode", "missing"])
def test_layers_that_do_not_fit_are_unpacked_into_the_own_store(
    both: Images, theirs: Images, damage: str
) -> None:
    directory = os.path.dirname(theirs.get("tools:1").lowers()[0])
    if damage == "writable":  # another user may put anything there
        os.chmod(theirs.paths.layers, 0o777)
    elif damage == "link":  # to what only the user may see
        os.rename(directory, f"{directory}.real")
        os.symlink(f"{directory}.real", directory)
    elif damage == "mode":
        record = json.loads(Path(directory, "layer.json").read_text())
        record["owners"] = {"record": "chown", "chown": "record"}[record["owners"]]
        Path(directory, "layer.json").write_text(json.dumps(record))
    else:
        shutil.rmtree(directory)
    lowers = both.get("tools:1").lowers()
    assert all(path.startswith(both.paths.layers) for path in lowers)
    assert Path(lowers[0], "base").read_bytes() == b"1"
    assert Path(lowers[1], "tool").read_bytes() == b"1"


@pytest.fixture
def theirs_only(busybox: Store) -> Iterator[Store]:
    """A store whose image `busybox` is in a shared one, which belongs to others: to a group."""
    with contextlib.ExitStack() as stack:
        store = Store()
        stack.callback(store.remove)
        store.env[shared.VARIABLE] = busybox.root
        os.chmod(f"{busybox.root}/layers", 0o775)
        store.ok("run", "--rm", "busybox", "true")
        if not list(Path(store.root, "layers").glob("*/data")):
            pytest.skip("overlay has no data-only layers with userxattr here (Linux 6.16)")
        yield store


def used(root: str) -> int:
    """Bytes on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in Path(root, "layers").rglob("*"))


def test_layers_of_others_stay_where_they_are(theirs_only: Store, busybox: Store) -> None:
    assert used(theirs_only.root) < used(busybox.root) / 2
    copied_up = "sum=sha256sum; f=/bin/busybox; $sum $f; chmod 500 $f; $sum $f; stat -c %u:%a $f"
    lines = theirs_only.ok("run", "--rm", "busybox", "sh", "-c", copied_up).splitlines()
    program = hashlib.sha256(Path("/bin/busybox").read_bytes()).hexdigest()
    assert lines == [f"{program}  /bin/busybox"] * 2 + ["0:500"]
    theirs_only.ok("image", "prune", "--all", "--force")
    assert used(theirs_only.root) == 0
    theirs_only.ok("create", "--name", "one", "busybox")
    theirs_only.ok("image", "prune", "--all", "--force")
    assert used(theirs_only.root) > 0
    theirs_only.ok("export", "-o", f"{theirs_only.directory}/x.tar", "one")
    with tarfile.open(f"{theirs_only.directory}/x.tar") as archive:
        file = archive.extractfile("bin/busybox")
        assert file
        assert hashlib.sha256(file.read()).hexdigest() == program
    busybox.ok("system", "check")


def test_a_store_of_others_that_changed(theirs_only: Store, busybox: Store) -> None:
    """A check finds it, and a repair writes what the image's blob says."""
    theirs_only.ok("tag", "busybox", "mine")  # brings the blobs: before, there is nothing to check
    theirs_only.ok("system", "check")
    (program,) = Path(busybox.root, "layers").glob("*/fs/bin/busybox")
    content = program.read_bytes()
    program.write_bytes(content[:-1] + b"!")
    done = theirs_only("system", "check")
    assert done.returncode != 0
    assert "is not what the layer's blob holds" in done.stdout
    theirs_only.ok("system", "check", "--repair")
    (own,) = Path(theirs_only.root, "layers").glob("*/fs/bin/busybox")
    assert own.read_bytes() == content


def test_a_store_of_others_that_went(theirs_only: Store, busybox: Store) -> None:
    """The tree alone: its blob is unpacked whole. And a driver that cannot find it says so."""
    done = theirs_only("run", "--rm", "busybox", "true", env={"ROOTLESS_DRIVER": "copy"})
    assert done.returncode != 0
    assert "where copy does not find them" in done.stderr
    for tree in Path(busybox.root, "layers").iterdir():
        shutil.move(tree, f"{busybox.directory}/gone-{tree.name}")
    assert theirs_only.ok("run", "--rm", "busybox", "echo", "hi") == "hi"
    assert not list(Path(theirs_only.root, "layers").glob("*/data"))


def test_large_files_in_several_layers_of_others(theirs_only: Store, busybox: Store) -> None:
    """Overlay follows files to a data-only layer from its lowest layer only."""
    script = "cp /bin/busybox /bin/more; cp /bin/busybox /tmp/more"
    busybox.ok("run", "--name", "one", "busybox", "sh", "-c", script)
    busybox.ok("commit", "one", "two")
    os.chmod(f"{busybox.root}/layers", 0o775)
    sums = "sha256sum /bin/busybox /bin/more /tmp/more; stat -c %u /bin/more"
    lines = theirs_only.ok("run", "--rm", "two", "sh", "-c", sums).split()
    program = hashlib.sha256(Path("/bin/busybox").read_bytes()).hexdigest()
    assert lines == [program, "/bin/busybox", program, "/bin/more", program, "/tmp/more", "0"]


def test_mounted_files_of_a_store_of_others_have_their_content(theirs_only: Store) -> None:
    theirs_only.ok("run", "--rm", "busybox", "true")
    command = " ".join(theirs_only.command)
    script = f"$({command} image mount busybox)/bin/busybox echo hi"
    assert theirs_only.ok("unshare", "sh", "-c", script) == "hi"
    script = f"{command} image mount busybox"
    done = theirs_only("unshare", "sh", "-c", script, env={"ROOTLESS_DRIVER": "copy"})
    assert done.returncode != 0
    assert "where copy does not find them" in done.stderr


def test_removal_is_refused_and_a_tag_brings_the_blobs(both: Images, theirs: Images) -> None:
    with pytest.raises(Conflict, match="tools:1 is in a shared store, which is read-only"):
        both.remove(["tools:1"])
    both.tag("tools:1", "mine:2")
    assert not both.get("mine:2").readonly
    assert both.get("mine:2").id == theirs.get("tools:1").id
    with pytest.raises(Conflict, match="shared store"):
        both.remove(["tools:1"])
    shutil.rmtree(theirs.paths.images)
    assert Path(both.get("mine:2").lowers()[0], "base").exists()
    both.remove(["mine:2"])
    assert both.list() == []


def test_own_names_go_before_shared_ones(both: Images, as_file: Callable[[bytes], str]) -> None:
    both.load(as_file(docker([BASE], names=["tools:1"])))
    assert not both.get("tools:1").readonly
    assert [(one.names, one.readonly) for one in both.list()] == [
        (["docker.io/library/tools:1"], False)
    ]


def test_saved_from_a_shared_store(both: Images, tmp_path: Path) -> None:
    both.save(["tools:1"], str(tmp_path / "out"), format="oci-dir")
    copy = Engine(str(tmp_path / "store")).images
    assert copy.load(str(tmp_path / "out")) == ["docker.io/library/tools:1"]
    assert copy.get("tools:1").id == both.get("tools:1").id


@pytest.mark.parametrize("kind", ["content", "pipe"])
def test_forged_documents_are_told(both: Images, theirs: Images, kind: str) -> None:
    image = theirs.get("tools:1")
    path = theirs.get("tools:1").layout.blob_path(f"sha256:{image.id}")
    config = json.loads(Path(path).read_text())
    os.unlink(path)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        config["config"] = {"Env": ["LD_PRELOAD=/evil"]}
        Path(path).write_text(json.dumps(config))
    told = Recorder()
    assert both.list(told) == []
    (problem,) = told.problems
    assert "another digest" in problem.message or "is no file" in problem.message


def test_a_damaged_shared_store_is_told_and_does_not_hide_others(
    both: Images, theirs: Images, as_file: Callable[[bytes], str]
) -> None:
    both.load(as_file(docker([BASE], names=["mine"])))
    Path(theirs.paths.images, "index.json").write_text("{")
    told = Recorder()
    assert [one.names for one in both.list(told)] == [["docker.io/library/mine:latest"]]
    assert "index.json" in told.notes[0]
    with pytest.raises(NotFound):
        both.get("tools:1")


def test_a_store_that_is_not_there_is_told_and_hides_no_others(busybox: Store) -> None:
    empty, own = f"{busybox.directory}/empty", f"{busybox.directory}/own"
    busybox.ok("--root", empty, "system", "check")
    env = {shared.VARIABLE: f"/no/such:{empty}:/etc:{busybox.root}"}
    busybox.ok("--root", own, "run", "--rm", "busybox", "true", env=env)
    done = busybox("--root", own, "images", "--format", "{{.Repository}}", env=env)
    assert (done.returncode, done.stdout) == (0, "localhost/busybox\n")
    first, second = done.stderr.splitlines()
    assert first.startswith("Warning: there is no shared store in /no/such (ROOTLESS_ADDITIONAL")
    assert second.startswith("Warning: there is no shared store in /etc (")


def test_the_setting(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(settings.path())
    place.parent.mkdir(parents=True)
    place.write_text('additional_stores = ["/a", "/b/../a", "/c"]\n[limits]\nlayer-depth = 9\n')
    assert [paths.root for paths in shared.stores(images.paths)] == ["/a", "/c"]
    assert limits.layer().depth == 9
    monkeypatch.setenv(shared.VARIABLE, f"/x:{images.paths.root}")
    assert [paths.root for paths in shared.stores(images.paths)] == ["/x"]
    monkeypatch.delenv(shared.VARIABLE)
    for text in ('additional_stores = "/a"', 'additional_stores = ["a"]'):
        place.write_text(text)
        with pytest.raises(UsageError, match="additional_stores"):
            shared.stores(images.paths)


def test_a_container_runs_from_a_shared_store(busybox: Store) -> None:
    env = {"ROOTLESS_ROOT": f"{busybox.directory}/own", shared.VARIABLE: busybox.root}
    assert busybox.ok("run", "--rm", "busybox", "echo", "hello", env=env) == "hello"
    line = busybox.ok("images", "--format", "{{.Repository}} {{.ReadOnly}}", env=env)
    assert line == "localhost/busybox true"
    assert "R/O" in busybox.ok("images", env=env).splitlines()[0]
    assert busybox.ok("images", "-q", "--filter", "readonly=false", env=env) == ""
    assert busybox.ok("run", "--rm", "busybox", "sh", "-c", "echo x >/bin/new", env=env) == ""
    assert not os.path.exists(f"{busybox.directory}/own/layers") or not os.listdir(
        f"{busybox.directory}/own/layers"
    )
