"""Capture files for Wireshark and tcpdump: pcap, with nanoseconds (draft-ietf-opsawg-pcap)."""

from __future__ import annotations

import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

SNAPLEN = 1 << 18
"""Bytes of a frame at most: more than the 64 KiB that segmentation offload makes."""

_MAGIC, _ETHERNET = 0xA1B23C4D, 1
_FILE = struct.Struct("=IHHiIII")
_RECORD = struct.Struct("=IIII")


class Writer:
    """Writes frames to a file. Raises OSError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0
        file.write(_FILE.pack(_MAGIC, 2, 4, 0, 0, SNAPLEN, _ETHERNET))

    def write(self, frame: bytes) -> None:
        """Write a frame that crosses the link now."""
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        length = len(frame)
        self._file.write(_RECORD.pack(seconds & 0xFFFFFFFF, nanoseconds, length, length) + frame)
        self.count += 1
