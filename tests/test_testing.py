"""What we give to the tests of others: a teller that remembers, a registry in the process."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from rootless import Engine
from rootless.errors import NotFound
from rootless.images.transfer.access import Access
from rootless.oci.errors import RegistryError
from rootless.testing import Recorder, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store


def test_a_recorder_remembers() -> None:
    told = Recorder("docker.io/library/a")
    told.begin("k", "layer 1", 10)
    told.advance("k", 4)
    told.advance("k", 6)
    told.end("k", "done")
    told.note("n")
    told.warning("w", more=2)
    told.problem(NotFound("no such image: x"))
    assert told.choose("a", ["docker.io/library/a", "quay.io/a"]) == "docker.io/library/a"
    assert (told.work, told.totals, told.done) == ({"k": "layer 1"}, {"k": 10}, {"k": 10})
    assert (told.results, told.notes, told.warnings, told.untold) == (
        {"k": "done"},
        ["n"],
        ["w"],
        2,
    )
    assert [error.message for error in told.problems] == ["no such image: x"]
    assert told.questions == [("a", ["docker.io/library/a", "quay.io/a"])]


def test_work_that_nobody_began_cannot_go_on() -> None:
    with pytest.raises(KeyError):
        Recorder().advance("k", 1)
    with pytest.raises(KeyError):
        Recorder().end("k", "done")


def test_a_registry_in_the_process(busybox: Store, tmp_path: Path, rootless_root: str) -> None:
    """Push to it, remove the image, pull it again; what came is what went."""
    images = Engine().images
    plain = Access(tls_verify=False)
    with Registry(str(tmp_path / "registry")) as registry:
        name = f"{registry.address}/tools/bb:1"
        told = Recorder()
        pushed = images.push("busybox", name, access=plain, teller=told)
        assert set(told.results.values()) == {"pushed"}
        before = images.get("busybox").id
        images.remove(["busybox"])
        assert images.pull(name, access=plain).id == before
        assert images.get(name).digest == pushed.digest
        assert images.tags(f"{registry.address}/tools/bb", access=plain) == [name]
    assert any("PUT /v2/tools/bb/manifests/1 201" in line for line in registry.requests)
    with pytest.raises(RegistryError):
        images.tags(f"{registry.address}/tools/bb", access=plain)


def test_a_registry_may_be_entered_again(tmp_path: Path) -> None:
    """And leaves nothing behind, whether it came to serve or not."""
    registry = Registry(str(tmp_path / "registry"))
    for _ in range(2):
        with registry:
            host, _, port = registry.address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=20).close()
        assert threading.active_count() == 1
    (tmp_path / "file").touch()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(NotADirectoryError), Registry(str(tmp_path / "file")):
        pass
    assert os.listdir("/proc/self/fd") == before
