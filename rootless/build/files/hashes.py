"""Digests of files, remembered by what stat(2) says of them, so that each content is read once.

A file may be written again within the grain of its times, so what was written just before it was
read is not remembered (git calls that racily clean). One file of the store for each tree: records
of 48 bytes, half of which name the file as it was.
"""

from __future__ import annotations

import os
import sys
import time
from hashlib import blake2b, sha256

from rootless.oci.digest import CHUNK
from rootless.oci.layers import xattrs
from rootless.oci.layers.tarwriter import HOLES
from rootless.runtime.tree.copying import extents

_NAME, _DIGEST = 16, 32
_RECORD = _NAME + _DIGEST
_GRAIN = 50_000_000
"""Nanoseconds within which times of files may not differ: some jiffies, and more."""


class Unknown(LookupError):
    """The digest of a file is not known, and it was not to be read."""


class Hashes:
    """The digests of the files of one tree. `save` keeps them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: dict[bytes, bytes] = {}
        self._used: dict[bytes, bytes] = {}
        self._changed = False
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            data = b""
        for start in range(0, len(data) - _RECORD + 1, _RECORD):
            name = data[start : start + _NAME]
            self._known[name] = data[start + _NAME : start + _RECORD]

    def known(self, status: os.stat_result) -> bytes:
        """Return the digest of the content of a file. Raises Unknown."""
        name = _name(status)
        try:
            digest = self._used[name] = self._known[name]
        except KeyError:
            raise Unknown from None
        return digest

    def read(self, fd: int, status: os.stat_result) -> bytes:
        """Return the digest of the content, read from `fd` where it is not known."""
        try:
            return self.known(status)
        except Unknown:
            pass
        digest = _digest(fd, status)
        newest = max(status.st_mtime_ns, status.st_ctime_ns)
        if newest < time.time_ns() - _GRAIN and _name(os.fstat(fd)) == _name(status):
            self._known[_name(status)] = self._used[_name(status)] = digest
            self._changed = True
        return digest

    def save(self) -> None:
        """Keep what was used; it is a cache, so a full disk costs time and no more."""
        if not self._changed:
            return
        temporary = f"{self._path}.{os.getpid()}"
        data = b"".join(name + digest for name, digest in self._used.items())
        try:
            os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(data)
            os.rename(temporary, self._path)
        except OSError:
            pass


def _digest(fd: int, status: os.stat_result) -> bytes:
    """Hash what a file holds, attributes too; many holes by where they are, not byte by byte."""
    state = sha256()
    parts = [(0, sys.maxsize)]
    if status.st_size - status.st_blocks * 512 >= HOLES:
        parts = list(extents(fd, status.st_size))
        state.update(repr((status.st_size, parts)).encode())
    for start, end in parts:
        at = start
        while at < end and (data := os.pread(fd, min(CHUNK, end - at), at)):
            state.update(data)
            at += len(data)
    if attributes := xattrs.read_all(fd):
        state.update(repr(attributes).encode())
    return state.digest()


def _name(status: os.stat_result) -> bytes:
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return blake2b(repr(numbers).encode(), digest_size=_NAME).digest()
