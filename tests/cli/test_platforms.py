"""docker's --platform, and its --insecure, of commands that look into the store."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from rootless.cli.commands.images import manifest
from rootless.testing import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.once

ARM = "linux/arm64"


@pytest.fixture
def both(shared: Store, tmp_path: Path) -> str:
    """A list of an image for this machine and another's."""
    archive = tmp_path / "root.tar"
    with tarfile.open(archive, "w") as file:
        file.addfile(tarfile.TarInfo("empty"))
    shared.ok("import", "--platform", ARM, "-m", "of arm", str(archive), "localhost/arm")
    shared.ok("manifest", "create", "-a", "localhost/both", "busybox", "localhost/arm")
    return "localhost/both"


def test_history(shared: Store, both: str) -> None:
    line = ["history", "--format", "{{.Comment}}"]
    assert shared.ok(*line, "--platform", ARM, both) == "of arm"
    assert "of arm" not in shared.ok(*line, both)
    done = shared(*line, "--platform", ARM, "busybox")
    assert done.returncode != 0
    assert f"not {ARM}" in done.stderr


def test_push(shared: Store, both: str, tmp_path: Path) -> None:
    with Registry(str(tmp_path / "registry")) as registry:
        name = f"{registry.address}/x:1"
        shared.ok("push", "-q", "--platform", ARM, both, name)
        found = json.loads(shared.ok("inspect", "--remote", name))
        (found,) = found if isinstance(found, list) else [found]
        assert found["Architecture"] == "arm64"
        assert shared("push", "--platform", ARM, "busybox", name).returncode != 0


def test_save(shared: Store, both: str, tmp_path: Path) -> None:
    target = tmp_path / "saved.tar"
    shared.ok("save", "-o", str(target), "--platform", ARM, both)
    with tarfile.open(target) as file:
        (entry,) = json.load(file.extractfile("manifest.json") or pytest.fail("no manifest"))
        config = json.load(file.extractfile(entry["Config"]) or pytest.fail("no configuration"))
    assert config["architecture"] == "arm64"


def test_insecure_is_dockers_word() -> None:
    assert manifest._access({"insecure": True}).tls_verify is False
    assert manifest._access({"insecure": False}).tls_verify is None
    assert manifest._access({"tls_verify": True}).tls_verify is True
