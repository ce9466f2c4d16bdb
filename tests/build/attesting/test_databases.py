"""Package databases that are text, and rpm's: what is in them, and what is none."""

from __future__ import annotations

import random
import sqlite3
import struct
from typing import TYPE_CHECKING, Any

import pytest
from rpmdb import TABLE, header, write

from rootless.build.attesting import databases, rpm
from rootless.build.attesting.packages import System

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.once

DEBIAN = System("debian", "12")

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc (2.36-9)
Version: 2.36-9+deb12u1
Maintainer: GNU <libc@example.org>
Description: a library
 Package: no-package-of-its-own
 .

Package: gone
Status: deinstall ok config-files
Version: 1

Package: no-version
Status: install ok installed

Package: odd\x1b[31m
Status: install ok installed
Version: 1

Package: epoch
Status: install ok installed
Version: 1:2~rc1
"""

INSTALLED = """C:Q1abc=
P:musl
V:1.2.4-r1
A:x86_64
L:MIT
o:musl

P:libcrypto3
V:3.1.2-r0
A:x86_64
L:Apache-2.0
o:openssl
F:lib
R:libcrypto.so.3

P:without
"""


def purls(packages: Any) -> dict[str, list[str]]:
    return {one.purl: one.licenses for one in packages}


def test_dpkg() -> None:
    assert list(purls(databases.dpkg(STATUS, "x", DEBIAN))) == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=glibc%402.36-9",
        "pkg:deb/debian/epoch@1:2~rc1?distro=debian-12",
    ]


def test_apk() -> None:
    distro = "distro=alpine-3.18.3"
    assert purls(databases.apk(INSTALLED, "x", System("alpine", "3.18.3"))) == {
        f"pkg:apk/alpine/musl@1.2.4-r1?arch=x86_64&{distro}": ["MIT"],
        f"pkg:apk/alpine/libcrypto3@3.1.2-r0?arch=x86_64&{distro}&upstream=openssl": ["Apache-2.0"],
    }


PYTHON = {
    "Name: Foo_Bar.baz\nVersion: 1.0+local\nLicense: MIT\n\nName: description\n": [
        ("pkg:pypi/foo-bar-baz@1.0%2Blocal", ["MIT"])
    ],
    "Name: a\nVersion: 1\nLicense-Expression: MIT OR ISC\nLicense: long\n": [
        ("pkg:pypi/a@1", ["MIT OR ISC"])
    ],
    "Name: a\nVersion: 1\nLicense: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n": [
        ("pkg:pypi/a@1", ["MIT License"])
    ],
    "Name: a\n": [],
    "Version: 1\n": [],
    "": [],
    "Name: \0\nVersion: 1\n": [],
    f"Name: {'a' * 2000}\nVersion: 1\n": [],
}


@pytest.mark.parametrize("text", PYTHON, ids=range(len(PYTHON)))
def test_python(text: str) -> None:
    found = databases.python(text, "x")
    assert [(one.purl, one.licenses) for one in found] == PYTHON[text]


def test_licenses_of_debian() -> None:
    text = (
        "Format: https://example.org/copyright-format/1.0/\nFiles: *\nLicense: GPL-2+\n text\n\n"
        "Files: a\nLicense: Expat\n\nLicense: GPL-2+\n again\n"
    )
    assert databases.copyright_of(text) == ["GPL-2+", "Expat"]
    assert databases.copyright_of("License: GPL-2+\n") == []


@pytest.mark.parametrize("read", [databases.dpkg, databases.apk])
def test_strange_texts(read: Callable[..., Any], seed: int) -> None:
    """Whatever it is, packages have a name, a version and a purl of one line."""
    chance = random.Random(seed)
    pieces = ["Package: a", "Version: 1", "P:", "V:1", "\n", "\n\n", "\0", ":", " ", "\x85", "é"]
    for _ in range(200):
        text = "".join(chance.choice(pieces) for _ in range(chance.randrange(60)))
        for one in read(text, "x", DEBIAN):
            assert one.name.isprintable()
            assert one.version
            assert one.purl.isascii()


# -- rpm


def listed(path: Path) -> list[Any]:
    system = System("fedora", "39")
    return [rpm.package(blob, "x", system) for blob in rpm.rows(str(path))]


def test_rpm(tmp_path: Path) -> None:
    write(
        tmp_path / "db",
        header(name="bash", version="5.2", release="1.fc39", arch="x86_64", license="GPLv3+"),
        header(epoch=2, name="vim", version="9", release="1", source="vim-9-1.src.rpm"),
        header(name="gpg-pubkey", version="1", release="2"),
        header(name="bare"),
    )
    bash, vim, key, bare = listed(tmp_path / "db")
    assert bash.purl == "pkg:rpm/fedora/bash@5.2-1.fc39?arch=x86_64&distro=fedora-39"
    assert (bash.version, bash.licenses) == ("5.2-1.fc39", ["GPLv3+"])
    assert vim.version == "2:9-1"
    assert "epoch=2" in vim.purl
    assert "upstream=vim-9-1.src.rpm" in vim.purl
    assert (key, bare) == (None, None)


HEADERS = {
    "empty": b"",
    "short": b"\0\0",
    "more entries than there are": struct.pack(">II", 4000, 0),
    "a million entries": struct.pack(">II", 1 << 30, 1 << 30),
    "an offset outside": struct.pack(">IIIIII", 1, 4, 1000, 6, 1 << 31, 1) + b"abc\0",
    "a string without an end": struct.pack(">IIIIII", 1, 4, 1000, 6, 0, 1) + b"abcd",
    "a number outside": struct.pack(">IIIIII", 1, 4, 1003, 4, 2, 1) + b"abcd",
}


@pytest.mark.parametrize("case", HEADERS)
def test_damaged_headers(case: str) -> None:
    assert rpm.package(HEADERS[case], "x", DEBIAN) is None


ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) "
    "SELECT i AS hnum, x'00' AS blob FROM n"
)
SCHEMAS = {
    "no table": "CREATE TABLE other (a)",
    "a view": f"CREATE VIEW Packages AS {ENDLESS}",
    "another table": "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)",
    "a column that is computed": TABLE.replace(
        "blob BLOB NOT NULL", "blob BLOB NOT NULL, c AS (hex(zeroblob(1000)))"
    ),
}


@pytest.mark.parametrize("case", SCHEMAS)
def test_schemas_that_are_not_rpms(case: str, tmp_path: Path) -> None:
    """Nothing of what a file defines itself is ever evaluated."""
    with sqlite3.connect(tmp_path / "db") as base:
        base.execute(SCHEMAS[case])
    base.close()
    with pytest.raises(rpm.Unreadable, match="table"):
        listed(tmp_path / "db")


@pytest.mark.parametrize(
    "data", [b"", b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_what_is_no_database(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(data)
    with pytest.raises(rpm.Unreadable):
        listed(tmp_path / "db")


def test_a_damaged_database(tmp_path: Path, seed: int) -> None:
    """Bytes that are others give packages, fewer, or Unreadable: nothing else, and it ends."""
    write(tmp_path / "good", *(header(name=f"p{n}", version="1") for n in range(300)))
    good = (tmp_path / "good").read_bytes()
    chance = random.Random(seed)
    for _ in range(40):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 40)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "db").write_bytes(data)
        try:
            assert len(listed(tmp_path / "db")) <= 50_000
        except rpm.Unreadable:
            pass
