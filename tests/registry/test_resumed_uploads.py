"""Our own push over a bad line: of what has arrived nothing is sent again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import archives
import pytest
from faulty import PUSH_FAULTS, Line

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store
    from serving_help import Registry

pytestmark = pytest.mark.once

SIZE = 3_000_000


@pytest.mark.parametrize("fault", PUSH_FAULTS)
def test_an_upload_goes_on(cli: Store, start: Callable[..., Registry], fault: str) -> None:
    archive = Path(cli.directory, "x.tar")
    layer = archives.layer({"big": os.urandom(SIZE)})
    archive.write_bytes(archives.docker([layer], names=["big:1"]))
    cli.ok("load", "-q", "-i", str(archive))
    line = Line(start("--storage", f"{cli.directory}/storage").address)
    try:
        left = [fault]

        def once(path: str) -> str:
            large = "/uploads/" in path and line.brought > SIZE / 2
            return left.pop() if large and left else ""

        line.fault = once
        cli.ok("push", "-q", "big:1", f"{line.address}/one:1")
        assert left == []
        most = {"cut": 1.6, "lost": 1.1}.get(fault, 2.1)
        assert line.brought < SIZE * most
        cli.ok("rmi", "big:1")
        cli.ok("pull", "-q", f"{line.address}/one:1")
    finally:
        line.close()
