"""An rpm database as rpm makes it: headers in a table of SQLite."""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)"

TAGS = {"name": 1000, "version": 1001, "release": 1002, "license": 1014, "arch": 1022}
TAGS |= {"source": 1044, "vendor": 1011}


def header(*, epoch: int | None = None, **values: str) -> bytes:
    """Return the header of a package."""
    entries, store = b"", b""
    for key, text in values.items():
        entries += struct.pack(">IIII", TAGS[key], 6, len(store), 1)
        store += text.encode() + b"\0"
    if epoch is not None:
        store += b"\0" * (-len(store) % 4)
        entries += struct.pack(">IIII", 1003, 4, len(store), 1)
        store += struct.pack(">I", epoch)
    return struct.pack(">II", len(entries) // 16, len(store)) + entries + store


def write(path: Path, *headers: bytes, table: str = TABLE) -> None:
    """Write a database with these headers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.execute(table)
        for one in headers:
            base.execute("INSERT INTO Packages (blob) VALUES (?)", (one,))
        base.commit()
