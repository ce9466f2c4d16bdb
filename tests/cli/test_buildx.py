"""buildx: what scripts ask of builders before they build."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.once

LINES = {
    # what is asked: what is answered
    "version": "rootless/buildx v",
    "ls": "default*",
    "inspect --bootstrap": "Status:           running",
    "create --use --name ci --driver docker-container --bootstrap": "ci",
    "create": "default",
    "use ci": "",
    "rm ci": "ci removed",
}


@pytest.mark.parametrize("line", LINES)
def test_what_is_answered(line: str, cli: Store) -> None:
    assert LINES[line] in cli.ok("buildx", *line.split())


REFUSED = ("create --driver remote", "create ssh://elsewhere", "bake")


@pytest.mark.parametrize("line", REFUSED)
def test_another_machine_is_refused(line: str, cli: Store) -> None:
    assert cli("buildx", *line.split()).returncode


def test_attestations_that_are_not_wanted(shared: Store, tmp_path: Path) -> None:
    """As scripts say for older registries: then there are none."""
    (tmp_path / "Dockerfile").write_text("FROM busybox\nLABEL a=b\n")
    none = ("--provenance=false", "--sbom", "false", "--attest", "type=sbom,disabled=true")
    words = ("buildx", "build", "-q", "--builder", "ci", "-t", "none", *none[:1])
    for more in (none[1:3], none[3:]):
        shared.ok(*words, *more, str(tmp_path))
        assert shared("manifest", "inspect", "none").returncode
