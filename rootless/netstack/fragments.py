"""Fragments of the guest, put together again: RFC 791, 3.2, RFC 8200, 4.5, RFC 5722."""

from __future__ import annotations

import time

MAX_WAITING = 64
"""Datagrams that wait for parts; one more, and the oldest is given up."""

PATIENCE = 30.0
"""Seconds that a datagram waits; Linux's ipfrag_time."""

_MAX_PARTS = 64
_MAX_BYTES = 65535


class _Datagram:
    """One that is not complete."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.size = 0
        self.total = -1
        self.begun = time.monotonic()


class Reassembly:
    """All datagrams that wait for parts: at most MAX_WAITING of 64 KiB."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, _Datagram] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits; what waits too long counts no more."""
        now = time.monotonic()
        for key, datagram in list(self._waiting.items()):
            if now - datagram.begun > PATIENCE:
                del self._waiting[key]
        return not self._waiting

    def add(self, key: bytes, start: int, part: bytes, *, more: bool) -> bytes | None:
        """Add one fragment; return the payload when it is complete.

        `key` is what the fragments of a datagram have in common, `start` the offset in bytes.
        A datagram with parts that overlap or go beyond 64 KiB is dropped whole.
        """
        datagram = self._waiting.get(key)
        if datagram is None or time.monotonic() - datagram.begun > PATIENCE:
            if len(self._waiting) >= MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]
            datagram = self._waiting[key] = _Datagram()
        end = start + len(part)
        if not more:
            datagram.total = end
        datagram.size += len(part)
        if (
            end > _MAX_BYTES
            or start in datagram.parts
            or len(datagram.parts) >= _MAX_PARTS
            or (more and len(part) % 8)
            or 0 <= datagram.total < datagram.size
        ):
            del self._waiting[key]
            return None
        datagram.parts[start] = part
        if datagram.size != datagram.total:
            return None
        del self._waiting[key]
        return _join(datagram)


def _join(datagram: _Datagram) -> bytes | None:
    at, whole = 0, []
    for start in sorted(datagram.parts):
        if start != at:
            return None  # they overlap
        whole.append(datagram.parts[start])
        at += len(whole[-1])
    return b"".join(whole)
