"""What the tests of images share: an engine on a store of its own, a registry, foreign programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Store

    from rootless.images.collection import Images

# For the helpers beside this file and `archives`: pytest leaves sys.path alone.
sys.path[:0] = [
    str(Path(__file__).resolve().parent),
    str(Path(__file__).resolve().parent.parent / "oci"),
]

from faulty import Line  # noqa: E402 - found through the path set above
from images_help import Podman, docker_registry  # noqa: E402 - the same

REGISTRY = """
version: 0.1
log: {level: info, formatter: text, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "127.0.0.1:0"}
"""


@pytest.fixture
def images(rootless_root: str) -> Images:
    """The images of an empty store."""
    return Engine(rootless_root).images


@pytest.fixture
def as_file(tmp_path: Path) -> Callable[[bytes], str]:
    """A function that puts data into a new file and returns its path."""
    count = iter(range(1000))

    def write(data: bytes) -> str:
        path = tmp_path / f"file-{next(count)}"
        path.write_bytes(data)
        return str(path)

    return write


@pytest.fixture
def registry(tmp_path: Path, rootless_root: str) -> Iterator[str]:
    """A docker-registry on a free port of 127.0.0.1; its address.

    `rootless_root` gives skopeo a runtime directory that it may look into for secrets.
    """
    settings = tmp_path / "registry.yml"
    settings.write_text(REGISTRY % (tmp_path / "registry"))
    with docker_registry(settings) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def line(registry: str) -> Iterator[Line]:
    """A line to the registry, which can be bad, and tells what was asked for."""
    made = Line(registry)
    yield made
    made.close()


@pytest.fixture
def podman(cli: Store) -> Podman:
    """podman on a store of its own; the test is skipped where it does not run."""
    return Podman(cli)
