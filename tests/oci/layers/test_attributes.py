"""Attributes that a file system does not take for their size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tars import END, extract, file, pax

from rootless.oci.layers import owners

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


@pytest.mark.parametrize("size", [60_000, 70_000])
def test_an_attribute_too_large_for_the_file_system(tmp_path: Path, size: int) -> None:
    """It is kept beside the file: ext4 speaks of a full disk, the kernel of a long list."""
    value = b"x" * size
    extract(pax((b"SCHILY.xattr.user.large", value)) + file(b"f", b"1") + END, tmp_path)
    path = tmp_path / "layer/fs/f"
    assert path.read_bytes() == b"1"
    if os.listxattr(path):  # xfs and btrfs take the smaller one
        assert os.getxattr(path, "user.large") == value
    else:
        truths = dict(owners.read(str(tmp_path / "layer")))
        assert truths["f"].xattrs == {"user.large": value}
