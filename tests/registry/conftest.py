"""What the tests of the registry share: servers over a store and over a directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
# For the helpers beside this file and those of other parts: pytest leaves sys.path alone.
sys.path[:0] = [str(HERE), str(HERE.parent / "oci"), str(HERE.parent / "images")]

from images_help import Podman  # noqa: E402 - found through the path set above
from serving_help import Registry  # noqa: E402 - the same

from tests.images.conftest import registry as registry  # noqa: E402 - a fixture for here, too


@pytest.fixture(scope="module", params=["store", "directory"])
def served(request: pytest.FixtureRequest) -> Iterator[Registry]:
    """A registry over the user's store, and one over a directory: one each for a whole module."""
    store = Store()
    options = [] if request.param == "store" else ["--storage", f"{store.directory}/storage"]
    registry = Registry(store, *options)
    yield registry
    code = registry.stop()
    store.remove()
    assert code == 0


@pytest.fixture
def start(cli: Store) -> Iterator[Callable[..., Registry]]:
    """A function that starts a registry over `cli` with options."""
    started: list[Registry] = []

    def begin(*options: str) -> Registry:
        started.append(Registry(cli, *options))
        return started[-1]

    yield begin
    for one in started:
        if not one.log.closed:
            one.stop()


@pytest.fixture
def own(start: Callable[..., Registry]) -> Registry:
    """A registry over the store of `cli`."""
    return start()


@pytest.fixture
def podman(cli: Store) -> Podman:
    """podman on a store of its own; the test is skipped where it does not run."""
    return Podman(cli)
