"""Programs of other platforms: which the kernel is told to emulate, and what is said where none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from built import lay

from rootless.build import emulation
from rootless.errors import UsageError
from rootless.oci import platform

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.once

ARM64 = """enabled
interpreter /usr/bin/qemu-aarch64-static
flags: OCF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    lay(
        tmp_path, {"register": "", "status": "enabled\n", "qemu-aarch64": ARM64, "odd": "enabled\n"}
    )
    lay(tmp_path, {"off": ARM64.replace("enabled", "disabled").replace("b700", "f300")})
    return str(tmp_path)


def test_an_emulator_is_found_by_its_magic(rules: str) -> None:
    assert emulation.interpreter("arm64", rules) == "/usr/bin/qemu-aarch64-static"
    for other in ("s390x", "riscv64", "arm", "unheard-of"):
        assert emulation.interpreter(other, rules) == ""
    assert emulation.interpreter("arm64", f"{rules}/none") == ""


def test_what_has_no_emulator_is_refused(rules: str) -> None:
    emulation.check(platform.host(), rules)
    emulation.check(platform.parse("linux/arm64"), rules)
    with pytest.raises(UsageError, match="RUN needs programs for linux/s390x"):
        emulation.check(platform.parse("linux/s390x"), rules)


@pytest.mark.skipif(bool(emulation.interpreter("s390x")), reason="this machine emulates it")
def test_run_says_what_is_missing(shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"f": "", "Dockerfile": "FROM scratch\nCOPY f /\nRUN id\n"})
    done = shared("build", "--platform", "s390x", str(tmp_path))
    assert done.returncode
    assert "cannot execute" in done.stderr
    assert "install an emulator" in done.stderr


def test_an_image_for_another_platform_is_told(shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"f": "", "Dockerfile": "FROM --platform=linux/s390x scratch\nCOPY f /\n"})
    done = shared("build", str(tmp_path))
    assert done.returncode == 0
    assert "the image is for linux/s390x, and not for" in done.stderr
    assert "Dockerfile:1" in done.stderr
    assert "for linux" not in shared("build", "--platform", "s390x", str(tmp_path)).stderr
