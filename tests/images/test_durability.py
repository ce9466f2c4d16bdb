"""Which layers are believed after a power failure, and when their marks go."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.images import durability

if TYPE_CHECKING:
    from conftest import Store


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """The directory of a layer that has just been unpacked."""
    path = tmp_path / "chain"
    (path / "fs").mkdir(parents=True)
    durability.mark(str(path))
    return path


def say(layer: Path, text: str) -> None:
    """Put another text in the mark."""
    (layer / "boot").unlink()
    (layer / "boot").symlink_to(text)


def test_a_fresh_layer_is_believed_in_its_boot(layer: Path) -> None:
    assert durability.is_trusted(str(layer))


def test_a_layer_of_another_boot_is_not(layer: Path) -> None:
    say(layer, f"{os.uname().nodename} 00000000-0000-0000-0000-000000000000")
    assert not durability.is_trusted(str(layer))


def test_another_hosts_mark_is_its_own_affair(layer: Path) -> None:
    say(layer, "elsewhere 00000000-0000-0000-0000-000000000000")
    assert durability.is_trusted(str(layer))


def test_a_layer_without_a_tree_is_not_there(layer: Path) -> None:
    (layer / "fs").rmdir()
    (layer / "boot").unlink()
    assert not durability.is_trusted(str(layer))


def test_writing_out_takes_only_the_marks_of_this_boot(layer: Path) -> None:
    old = layer.parent / "old"
    (old / "fs").mkdir(parents=True)
    durability.mark(str(old))
    say(old, f"{os.uname().nodename} before")
    durability.write_out(str(layer.parent))
    assert not os.path.lexists(layer / "boot")
    assert os.path.lexists(old / "boot")


def test_a_new_mark_of_a_layer_is_not_the_old_one(layer: Path) -> None:
    """It may have the same inode number, and its layer is not written out."""
    before = durability._marks(str(layer.parent))
    time.sleep(0.05)  # the kernel's clock for files ticks slowly
    (layer / "boot").unlink()
    durability.mark(str(layer))
    after = durability._marks(str(layer.parent))
    assert before.keys() == after.keys() == {f"{layer}/boot"}
    assert before != after


def test_a_build_has_it_written_out_in_the_background(
    cli: Store, busybox_image: str, tmp_path: Path
) -> None:
    """Its output ends all the same, though somebody still works."""
    cli.ok("load", "--input", busybox_image)
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY Dockerfile /\n")
    cli.ok("build", "-q", str(tmp_path))
    layers = [*Path(cli.root, "layers").glob("[0-9a-f]*")]
    assert len(layers) == 2
    deadline = time.monotonic() + 60
    while any(os.path.lexists(layer / "boot") for layer in layers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_load_is_written_out_in_the_background(cli: Store, busybox_image: str) -> None:
    cli.ok("load", "--input", busybox_image)
    (layer,) = Path(cli.root, "layers").glob("[0-9a-f]*")
    deadline = time.monotonic() + 60
    while os.path.lexists(layer / "boot"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_layer_from_before_a_crash_is_unpacked_again(busybox: Store) -> None:
    (layer,) = Path(busybox.root, "layers").glob("[0-9a-f]*")
    (layer / "boot").symlink_to(f"{os.uname().nodename} before")
    (layer / "fs/bin/busybox").write_bytes(b"")  # torn: its name was written, its content not
    assert busybox.ok("run", "--rm", "busybox", "echo", "whole") == "whole"
    assert os.stat(layer / "fs/bin/busybox").st_size > 0
