"""Composing records without a store: the planning of containers is pure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers import networks
from rootless.containers.creation import conflicts
from rootless.containers.creation.create import Neighbours, compose
from rootless.containers.words.request import request
from rootless.store.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootless.containers.record import Record
    from rootless.containers.request import Request

ID = "0123456789abcdef" * 4


class PlainImage:
    """An image as the planning sees one."""

    host = False

    def __init__(self, config: dict[str, Any]) -> None:
        self.id = "c" * 64
        self.digest = "sha256:" + "d" * 64
        self.names = ["docker.io/library/plain:latest"]
        self.config = {"architecture": "amd64", "os": "linux", "config": config}

    def lowers(self) -> list[str]:
        return ["/layers/one/fs", "/layers/two/fs"]


class HostImage(PlainImage):
    """The built-in image."""

    host = True


def record_of(paths: Paths, wanted: Request, image: PlainImage | None) -> Record:
    """Check and compose."""
    conflicts.check(wanted)
    near = Neighbours(networks.resolved(wanted["networks"], lambda name: name * 64))
    return compose(paths, wanted, image, id=ID, near=near)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A store that is never made."""
    return Paths(str(tmp_path / "store"))


@pytest.fixture
def composed(paths: Paths) -> Callable[..., Record]:
    """Compose a record from options; `image` is the image's config, `words` the command."""

    def make(*words: str, image: dict[str, Any] | None = None, **asked: Any) -> Record:
        found = PlainImage({"Cmd": ["sh"]} if image is None else image)
        wanted = request("plain", words, asked, base=os.getcwd(), environ=os.environ)  # type: ignore[arg-type]
        return record_of(paths, wanted, found)

    return make
