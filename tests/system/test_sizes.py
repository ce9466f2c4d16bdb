"""Sizes of layers: noted when they are unpacked, never walked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rootless.system.sizes import layer_size

if TYPE_CHECKING:
    from pathlib import Path


def test_a_layer_is_not_walked(tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs/file").write_bytes(b"x" * 999)
    assert layer_size(f"{tmp_path}/fs") == 0
    (tmp_path / "layer.json").write_text(json.dumps({"bytes": 12345}))
    assert layer_size(f"{tmp_path}/fs") == 12345
