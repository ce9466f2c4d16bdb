"""Images that are removed while a container is made of them, and names that many want."""

from __future__ import annotations

import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from rootless import Engine
from rootless.containers.collection import Containers
from rootless.containers.handle import Handle
from rootless.containers.request import attachment, request
from rootless.containers.users import InUse, note
from rootless.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Store

    from rootless.containers.container import Container
    from rootless.containers.record import Record


class Raced(Engine):
    """Something happens, once, when the layers are known and the record is not yet written."""

    meanwhile: Callable[[], object] | None = None

    @property
    def containers(self) -> Containers:
        return Interrupted(self)

    def make(self, *command: str, name: str = "") -> Container:
        """Make a container of busybox, without a pull."""
        return self.create(request("busybox", command, name=name), pull="never")


class Interrupted(Containers):
    """The containers of a `Raced`."""

    def __init__(self, raced: Raced) -> None:
        super().__init__(raced.paths)
        self._raced = raced

    def _store(self, record: Record, *, replace: bool) -> bool:
        happens, self._raced.meanwhile = self._raced.meanwhile, None
        if happens is not None:
            happens()
        return super()._store(record, replace=replace)


@pytest.fixture
def raced(busybox: Store, rootless_root: str) -> Raced:
    """Containers of a store with the image busybox."""
    return Raced(rootless_root)


def test_the_image_goes_for_good(raced: Raced, busybox: Store) -> None:
    raced.meanwhile = lambda: busybox.ok("rmi", "busybox")
    with pytest.raises(NotFound, match="no such image: busybox"):
        raced.make("true", name="one")
    assert raced.containers.list() == []
    assert raced.containers.names() == []


def test_the_name_means_another_image_now(raced: Raced, busybox: Store, tmp_path: Path) -> None:
    archive = tmp_path / "rootfs.tar"
    layers = Engine(busybox.root).images.get("busybox").lowers()

    def replaced() -> None:
        busybox.ok("rmi", "busybox")
        busybox.ok("import", str(archive), "busybox")

    with tarfile.open(archive, "w") as tar:
        tar.add("/bin/busybox", "bin/sh")
    raced.meanwhile = replaced
    container = raced.make("sh", "-c", "exit 3", name="one")
    assert container.record["layers"] != layers
    assert all(map(os.path.isdir, container.record["layers"]))
    assert [one.id for one in raced.containers.list()] == [container.id]
    assert container.name == "one"
    assert busybox("start", "-a", container.id).returncode == 3
    container.remove()


def test_the_image_comes_back(raced: Raced, busybox: Store, busybox_image: str) -> None:
    def reloaded() -> None:
        busybox.ok("rmi", "busybox")
        busybox.ok("load", "-i", busybox_image)

    raced.meanwhile = reloaded
    container = raced.make("sh", "-c", "exit 4")
    assert busybox("start", "-a", container.id).returncode == 4
    container.remove()


def used(busybox: Store, raced: Raced, kind: str) -> dict[str, Any]:
    """Make the container `base`; return the fields of a request for one that needs it."""
    busybox.ok("create", "--name", "base", "busybox", "true")
    if kind == "requires":
        return {"requires": ["base"]}
    return {"networks": [attachment("container", "base")]}


@pytest.mark.parametrize("kind", ["requires", "network"])
def test_what_it_needs_goes(raced: Raced, busybox: Store, kind: str) -> None:
    wanted = used(busybox, raced, kind)
    raced.meanwhile = lambda: busybox.ok("rm", "base")
    with pytest.raises(NotFound, match=r"container \w+, which one needs, was removed meanwhile"):
        raced.create({**request("busybox", ["true"], name="one"), **wanted}, pull="never")
    assert raced.containers.ids() == []
    assert raced.containers.names() == []


def test_somebody_needs_it_by_now(
    raced: Raced, busybox: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A removal looks at who needs it once more when it has the lock."""
    wanted = used(busybox, raced, "requires")
    base = raced.containers.get("base")
    lock = Handle.lock

    def late(self: Handle) -> int:
        monkeypatch.undo()
        raced.create({**request("busybox", ["true"], name="one"), **wanted}, pull="never")
        return lock(self)

    monkeypatch.setattr(Handle, "lock", late)
    with pytest.raises(InUse):
        base.remove()
    assert sorted(raced.containers.names()) == ["base", "one"]
    raced.containers.remove("base", depend=True)


def test_a_mark_makes_no_container(raced: Raced) -> None:
    raced.paths.prepare()
    with pytest.raises(NotFound, match="no such container: aaaaaaaaaaaa"):
        note(raced.paths, "a" * 64, "b" * 64)
    assert raced.containers.ids() == []


def test_one_name_for_many(busybox: Store) -> None:
    """Each replaces the one before, once that has started; the last one runs."""
    line = ("run", "-d", "--replace", "--name", "race", "busybox", "sleep", "1000")
    for _ in range(3):
        several = [busybox.start(*line) for _ in range(4)]
        told = [one.communicate(timeout=60) for one in several]
        assert [one.returncode for one in several] == [0] * 4, told
        assert busybox.ok("ps", "-aq", "--no-trunc") in {said.strip() for said, _ in told}
    busybox.ok("rm", "-f", "race")
