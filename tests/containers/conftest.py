"""Composing records without a store: the planning of containers is pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rootless.containers.create import compose
from rootless.store.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootless.containers.record import Record

ID = "0123456789abcdef" * 4


class PlainImage:
    """An image as the planning sees one."""

    host = False

    def __init__(self, config: dict[str, Any]) -> None:
        self.id = "c" * 64
        self.names = ["docker.io/library/plain:latest"]
        self.config = {"architecture": "amd64", "os": "linux", "config": config}

    def lowers(self) -> list[str]:
        return ["/layers/one/fs", "/layers/two/fs"]


class HostImage(PlainImage):
    """The built-in image."""

    host = True


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A store that is never made."""
    return Paths(str(tmp_path / "store"))


@pytest.fixture
def composed(paths: Paths) -> Callable[..., Record]:
    """Compose a record from options; `image` is the image's config, `words` the command."""

    def make(*words: str, image: dict[str, Any] | None = None, **asked: Any) -> Record:
        found = PlainImage({"Cmd": ["sh"]} if image is None else image)
        return compose(
            paths,
            found,
            list(words),
            asked,  # type: ignore[arg-type]
            id=ID,
            directory=f"{paths.containers}/{ID}",
            reference="plain",
        )

    return make
