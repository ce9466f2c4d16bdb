"""urllib3 over an http.client whose answers come to an end.

http.client skips provisional answers and trailers for as long as they come, and takes for the
length of a chunk whatever int() takes: behind a negative one it reads until the memory is full.
What is overridden here has no public name, so the tests in tests/security look at each in turn.
"""

from __future__ import annotations

import http.client

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from rootless.oci.distribution.brief import MOST_HEADS, chunk_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    import urllib3

_MAX_LINE = 1 << 16


class _Answer(http.client.HTTPResponse):
    """An answer of bounded heads and trailers, in chunks that have a length."""

    _heads = 0

    def _read_status(self) -> tuple[str, int, str]:
        self._heads += 1
        if self._heads > MOST_HEADS:
            raise http.client.HTTPException("it sends provisional answers without end")
        status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
        return status

    def _read_next_chunk_size(self) -> int:
        size = chunk_size(self.fp.readline(_MAX_LINE))
        if size < 0:
            self.close()
            raise http.client.HTTPException("a chunk has no length")
        return size

    def _read_and_discard_trailer(self) -> None:
        for _ in range(MOST_HEADS):
            if self.fp.readline(_MAX_LINE) in (b"\r\n", b"\n", b""):
                return
        self.close()
        raise http.client.HTTPException("its trailers do not end")


class _Connection(HTTPConnection):
    response_class = _Answer


class _TlsConnection(HTTPSConnection):
    response_class = _Answer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def bound(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """Have a manager of connections, which has none yet, make bounded ones. Returns it."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager
