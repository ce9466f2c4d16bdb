"""Sizes of layers: noted when they are unpacked, never walked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rootless.runtime.tree.sizes import layer_size

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store


def test_a_layer_is_not_walked(tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs/file").write_bytes(b"x" * 999)
    assert layer_size(f"{tmp_path}/fs") == 0
    (tmp_path / "layer.json").write_text(json.dumps({"bytes": 12345}))
    assert layer_size(f"{tmp_path}/fs") == 12345


def test_what_images_share(busybox: Store) -> None:
    busybox.ok("run", "--name", "one", "busybox", "touch", "/x")
    busybox.ok("commit", "one", "localhost/more:2")
    lines = busybox.ok("system", "df", "-v").splitlines()
    headings, *rows = (line.split("   ") for line in lines[2:5])
    assert [word.strip() for word in headings if word][4:7] == [
        "SIZE", "SHARED SIZE", "UNIQUE SIZE",
    ]  # fmt: skip
    found = {row[0]: [word.strip() for word in row if word.strip()] for row in rows}
    more, base = found["localhost/more"], found["localhost/busybox"]
    assert more[1] == "2"
    # The new layer is an archive of two entries, and lies there packed and unpacked.
    assert more[5] == base[5]
    assert more[6].endswith("kB")
    assert base[6].endswith("B")
