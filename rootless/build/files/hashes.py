"""Digests of files, remembered by what stat(2) says of them, so that each content is read once.

A file may be written again within the grain of its times, so what was written just before it was
read is not remembered (git calls that racily clean). One file of the store for each tree: records
of 48 bytes, half of which name the file as it was. Nobody syncs it: after a power failure its end
may be cut, or zeros.
"""

from __future__ import annotations

import os
import sys
import time
from _blake2 import blake2b

_NAME, _DIGEST = 16, 32
_RECORD = _NAME + _DIGEST
_TAIL = 4
"""Bytes at the end of a digest that are not all zero: else it was not written to its end."""
_MOST = 500_000
"""Records of one tree: 24 MB."""
_GRAIN = 50_000_000
"""Nanoseconds within which times of files may not differ: some jiffies, and more."""


class Unknown(LookupError):
    """The digest of a file is not known, and it was not to be read."""


class Hashes:
    """The digests of the files of one tree. `save` keeps those that are new.

    Of several who save at the same time each adds his own.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: dict[bytes, bytes] = {}
        self._new: list[bytes] = []
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            data = b""
        self._records, self._torn = divmod(len(data), _RECORD)
        for start in range(0, self._records * _RECORD, _RECORD):
            digest = data[start + _NAME : start + _RECORD]
            if any(digest[-_TAIL:]):
                self._known[data[start : start + _NAME]] = digest

    def known(self, status: os.stat_result) -> bytes:
        """Return the digest of the content of a file. Raises Unknown."""
        try:
            return self._known[_name(status)]
        except KeyError:
            raise Unknown from None

    def read(self, fd: int, status: os.stat_result) -> bytes:
        """Return the digest of the content, read from `fd` where it is not known."""
        try:
            return self.known(status)
        except Unknown:
            pass
        digest = _digest(fd, status)
        newest = max(status.st_mtime_ns, status.st_ctime_ns)
        name = _name(status)
        if (
            any(digest[-_TAIL:])
            and newest < time.time_ns() - _GRAIN
            and _name(os.fstat(fd)) == name
        ):
            self._known[name] = digest
            self._new.append(name + digest)
        return digest

    def save(self) -> None:
        """Keep what is new; it is a cache, so a full disk costs time and no more."""
        if not self._new:
            return
        data, how = b"".join(self._new), os.O_APPEND
        if self._records > _MOST:  # files come and go: begin anew with what is of now
            how = os.O_TRUNC
        elif self._torn:  # what is added would not be where records are
            data, how = b"".join(name + one for name, one in self._known.items()), os.O_TRUNC
        self._new = []
        try:
            os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
            try:
                os.write(fd, data)
            finally:
                os.close(fd)
        except OSError:
            pass


def _digest(fd: int, status: os.stat_result) -> bytes:
    """Hash what a file holds, attributes too; many holes by where they are, not byte by byte."""
    from hashlib import sha256

    from rootless.oci.digest import CHUNK
    from rootless.oci.layers import xattrs
    from rootless.oci.layers.tarwriter import HOLES
    from rootless.runtime.tree.copying import extents

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
