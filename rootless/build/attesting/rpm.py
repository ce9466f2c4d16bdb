"""The rpm database in its form of today, a table of headers in SQLite -> packages.

The file is a stranger's, and SQLite would do what its schema says: so the one table that rpm makes
has to be there in rpm's own words, and what is asked of it may take so many steps and no more.
"""

from __future__ import annotations

import contextlib
import struct

from rootless.build.attesting.packages import MOST, Package, is_plausible, purl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.build.attesting.packages import System

NAME, VERSION, RELEASE, EPOCH, VENDOR = 1000, 1001, 1002, 1003, 1011
LICENSE, ARCH, SOURCE = 1014, 1022, 1044
"""Tags of a header (rpmtag.h)."""

_INT32, _STRING, _STRINGS, _TRANSLATED = 4, 6, 8, 9
"""Types of values."""

_TABLE = "create table packages(hnum integer primary key autoincrement,blob blob not null)"
_LARGEST = 32 << 20
"""Bytes of a header."""

_MOST_ENTRIES = 4096
_STEPS = 20_000
"""Times that SQLite may do a thousand of its instructions."""


class Unreadable(ValueError):
    """What is no database of rpm's."""


def rows(path: str) -> Iterator[bytes]:
    """Yield the headers in a file that is ours alone. Raises Unreadable."""
    try:
        import sqlite3
    except ImportError:
        raise Unreadable("this Python has no sqlite3") from None
    steps = iter(range(_STEPS))
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as base:
            base.text_factory = bytes  # which need not be UTF-8
            base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
            base.set_progress_handler(lambda: next(steps, None) is None, 1000)
            base.execute("PRAGMA trusted_schema=OFF")
            base.execute("PRAGMA cell_size_check=ON")
            _check(base)
            query = "SELECT blob FROM main.Packages NOT INDEXED ORDER BY hnum LIMIT ?"
            for (blob,) in base.execute(query, (MOST,)):
                if isinstance(blob, bytes):
                    yield blob
    except (sqlite3.Error, UnicodeError, OverflowError) as error:  # what is wrong may be no UTF-8
        raise Unreadable(str(error)[:200]) from None


def _check(base: Any) -> None:
    """Raise Unreadable unless the table is what rpm makes."""
    query = "SELECT type, sql FROM main.sqlite_master WHERE lower(name) = 'packages'"
    found = base.execute(query).fetchmany(2)
    if len(found) != 1 or found[0][0] != b"table" or not isinstance(found[0][1], bytes):
        raise Unreadable("it has no table of packages")
    sql = found[0][1].decode("utf-8", "replace").lower()
    text = " ".join(sql.replace("'", " ").replace('"', " ").split())
    for mark in "(),":
        text = text.replace(f" {mark}", mark).replace(f"{mark} ", mark)
    if text != _TABLE:
        raise Unreadable("its table of packages is not rpm's")


def package(blob: bytes, place: str, system: System) -> Package | None:
    """Return the package of a header; None for a key, and for what is none."""
    try:
        values = _values(blob)
    except (struct.error, ValueError):
        return None
    name, version = str(values.get(NAME, "")), str(values.get(VERSION, ""))
    if not version or not is_plausible(name, version) or name == "gpg-pubkey":
        return None
    release, epoch = str(values.get(RELEASE, "")), values.get(EPOCH)
    whole = f"{version}-{release}" if release else version
    found = Package("rpm", name, f"{epoch}:{whole}" if epoch else whole, place)
    more = {
        "arch": str(values.get(ARCH, "")),
        "distro": system.distro,
        "epoch": "" if epoch is None else str(epoch),
        "upstream": str(values.get(SOURCE, "")),
    }
    found.purl = purl("rpm", system.id, name, whole, more)
    found.licenses = [str(values[LICENSE])] if values.get(LICENSE) else []
    found.supplier = str(values.get(VENDOR, ""))
    return found


def _values(blob: bytes) -> dict[int, str | int]:
    """Return the values of the tags that matter. Raises ValueError, struct.error."""
    count, size = struct.unpack_from(">II", blob)
    start = 8 + 16 * count
    if count > _MOST_ENTRIES or start + size > len(blob):
        raise ValueError("a header that does not end")
    store = blob[start : start + size]
    found: dict[int, str | int] = {}
    for number in range(count):
        tag, kind, offset, _ = struct.unpack_from(">IIII", blob, 8 + 16 * number)
        if tag not in (NAME, VERSION, RELEASE, EPOCH, VENDOR, LICENSE, ARCH, SOURCE):
            continue
        if kind in (_STRING, _STRINGS, _TRANSLATED):
            end = store.index(b"\0", offset)
            text = store[offset : min(end, offset + 4096)].decode("utf-8", "replace")
            found[tag] = text
        elif kind == _INT32:
            (found[tag],) = struct.unpack_from(">I", store, offset)
    return found
