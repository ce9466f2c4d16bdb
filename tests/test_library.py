"""The engine without the command line: what README shows of it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import Engine
from rootless.containers.collection import Containers
from rootless.containers.container import Container
from rootless.containers.request import attachment, bind, request
from rootless.containers.running.execution import Exec
from rootless.errors import NotFound, UsageError
from rootless.images.collection import Images
from rootless.images.image import Image
from rootless.volumes.collection import Volumes

if TYPE_CHECKING:
    from tests.conftest import Store

README = Path(__file__).resolve().parent.parent / "README.md"
PAGE = README.parent / "docs/library.md"


def test_what_readme_shows(busybox: Store) -> None:
    part = README.read_text().partition("## As a library\n")[2].partition("\n\n##")[0]
    code = textwrap.dedent(part)
    assert "engine.create" in code
    done = subprocess.run(
        [sys.executable, "-c", code], env=busybox.env, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert busybox.ok("ps", "-aq") == ""


def test_a_mistake_names_its_field(busybox: Store) -> None:
    engine = Engine(busybox.root)
    with pytest.raises(UsageError) as caught:
        engine.create(request("busybox", mounts=[bind("/nonexistent", "/x")]))
    assert caught.value.field == "mounts.0"
    other = attachment("container", "nobody")
    with pytest.raises(NotFound, match="no such container: nobody"):
        engine.create(request("busybox", networks=[other]), pull="never")
    with pytest.raises(NotFound, match="no such image"):
        engine.create(request("nonexistent:1"), pull="never")
    assert engine.containers.list() == []


def test_a_root_file_system_needs_no_image(busybox: Store, tmp_path: Path) -> None:
    engine = Engine(busybox.root)
    wanted = request("mine", ["/x"], rootfs={"path": str(tmp_path), "overlay": True}, name="own")
    container = engine.create(wanted)
    assert (container.name, container.record["image"]) == ("own", "mine")
    assert container.record["rootfs"]["path"] == str(tmp_path)
    assert engine.create(wanted, replace=True).id != container.id
    engine.containers.remove("own")
    assert engine.containers.names() == []


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("`Engine(root", Engine),
        ("`Engine.containers`", Containers),
        ("a container", Container),
        ("a command of exec", Exec),
        ("`Engine.volumes`", Volumes),
        ("`Engine.images`", Images),
        ("an image", Image),
    ],
)
def test_what_the_page_names_is_there(row: str, kind: type) -> None:
    (line,) = [one for one in PAGE.read_text().splitlines() if one.startswith(f"| {row}")]
    names = re.findall(r"`(\w+)(?:\([^`]*\))?`", line.split(" | ")[0].partition(": ")[2])
    own = {"Engine", "id", "name", "names"}  # made with each object
    assert names
    assert [name for name in names if name not in own and not hasattr(kind, name)] == []


def test_what_the_page_imports_is_there() -> None:
    modules = set(re.findall(r"`(rootless(?:\.\w+)+)`", PAGE.read_text()))
    assert len(modules) > 8
    for name in sorted(modules):
        assert is_there(name), name


def is_there(name: str) -> bool:
    """Whether it is a module, or something in one."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, last = name.rpartition(".")
        return hasattr(importlib.import_module(module), last)
    return True
