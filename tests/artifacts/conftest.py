"""What the tests of artifacts share: registries with and without the referrers API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

HERE = Path(__file__).resolve().parent
# For the helpers of other parts: pytest leaves sys.path alone.
sys.path[:0] = [str(HERE.parent / name) for name in ("oci", "images", "registry")]

from tests.images.conftest import line as line  # noqa: E402 - a fixture for here, too
from tests.images.conftest import registry as registry  # noqa: E402 - a fixture for here, too
from tests.registry.conftest import start as start  # noqa: E402 - the same

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving_help import Registry


@pytest.fixture(params=["docker-registry", "own"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, rootless_root: str) -> str:
    """The address of a registry: of docker's, which knows no referrers, and of ours.

    `rootless_root` gives skopeo a runtime directory that it may look into for secrets.
    """
    if request.param == "docker-registry":
        return str(request.getfixturevalue("registry"))
    begin: Callable[..., Registry] = request.getfixturevalue("start")
    return begin("--storage", str(tmp_path / "storage")).address
