"""The stream between a supervisor and a client that is attached to its container.

Frames with docker's header of 8 bytes (Engine API, "Attach to a container": kind, three zero
bytes, length big-endian), in both directions, on one stream socket:

    client -> supervisor   STDIN (empty: end of input), RESIZE (rows, columns),
                           LOST (a byte: the stream that nobody reads any more)
    supervisor -> client   STDOUT, STDERR, EXIT (exit code; the last frame)

A client that comes later, through the socket in the container's directory, says first what it
wants: ATTACH, which is answered with the same when the output begins to flow; CHECK, which has the
health check run and is answered with its exit code; or PORTS, which changes what is published
({"add": ports whose sockets come along, "remove": [[container port, protocol]]}, empty answer);
or NETWORKS ({"attach": runtime.spec.Wire, "runtime": directory}, {"detach": id of the network},
{"names": {id: [name]}}), which is answered with {} or {"error": text}.
"""

from __future__ import annotations

import struct

STDIN = 0
STDOUT = 1
STDERR = 2
RESIZE = 3
EXIT = 4
ATTACH = 5
CHECK = 6
PORTS = 7
LOST = 8
NETWORKS = 9

SOCKET = "attach"
"""Name of the socket in the container's directory."""

CHUNK = 65536
"""Bytes that are read at once from a pipe, which holds as many by default (pipe(7))."""

MOST = 1 << 20
"""Bytes of a frame at most: pieces of streams are CHUNK, and nothing else is as large."""

_HEADER = struct.Struct(">BxxxI")
HEADER = _HEADER.size


def frame(kind: int, payload: bytes) -> bytes:
    """Return `payload` with its header."""
    return _HEADER.pack(kind, len(payload)) + payload


class Reader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether no part of a frame is waiting for its rest."""
        return not self._data

    @property
    def part(self) -> bytes:
        """What has come of a frame whose rest is still to come."""
        return bytes(self._data)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the frames (kind, payload) that `data` completes.

        Raises ValueError for one that is longer than any: it would all be kept in memory.
        """
        self._data += data
        frames = []
        start = 0
        while len(self._data) - start >= HEADER:
            kind, length = _HEADER.unpack_from(self._data, start)
            if length > MOST:
                raise ValueError(f"a frame of {length} bytes")
            end = start + HEADER + length
            if len(self._data) < end:
                break
            frames.append((kind, bytes(self._data[start + HEADER : end])))
            start = end
        del self._data[:start]
        return frames
