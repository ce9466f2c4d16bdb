"""How a log file holds what a container wrote: docker's format and kubernetes'.

    json-file   {"log":"a whole line\n","stream":"stdout","time":"2026-11-24T14:12:30.123456789Z"}
                a record whose text does not end in \n is a part of a line (docker, json-file)
    k8s-file    2026-11-24T14:12:30.123456789+00:00 stdout F a whole line
                P instead of F for a part (the CRI logging format; podman-logs(1))

Both keep the container's bytes as they are. In JSON that is no valid UTF-8 where the container's
output was none; Go's reader, which docker uses, shows such bytes as U+FFFD. A piece of which so
much would need an escape that base64 is shorter, for a NUL is six characters then, is one record:

                {"log":"[65536 bytes of binary output]\n","base64":"AAA...","stream": ...}

What is formatted is whole pieces as they were read, by few operations on all their lines at once.
"""

from __future__ import annotations

import time

from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Format(Protocol):
        """One way to write a record and to read it."""

        def encode(self, stream: int, data: bytes) -> bytes:
            """Return the records of a piece of stream 1 or 2."""

        def parse(self, line: bytes) -> Entry | None:
            """Return the record of one line without its newline; None for a line that is none."""


_NAMES = {1: b"stdout", 2: b"stderr"}
_STREAMS = {name: number for number, name in _NAMES.items()}


class Entry:
    """One record of a log."""

    def __init__(self, stamp: bytes, stream: int, text: bytes) -> None:
        self.stamp = stamp
        """When: UTC in RFC 3339 with nine digits and without a zone, so that it sorts as text."""
        self.stream = stream
        self.data = text
        """What the container wrote."""

    @property
    def whole(self) -> bool:
        """Whether a line ends here."""
        return self.data.endswith(b"\n")


class Clock:
    """Stamps of now; only the fraction is formatted each time."""

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def now(self) -> bytes:
        """Return the moment in UTC without a zone."""
        second, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        return b"%s.%09d" % (self._text, nanoseconds)


class K8s:
    """k8s-file."""

    def __init__(self) -> None:
        self._clock = Clock()

    def encode(self, stream: int, data: bytes) -> bytes:
        """See Format."""
        whole = self._clock.now() + b"+00:00 " + _NAMES[stream] + b" F "
        if data[-1] == 10:
            return whole + data[:-1].replace(b"\n", b"\n" + whole) + b"\n"
        lines, newline, rest = data.rpartition(b"\n")
        part = whole[:-2] + b"P " + rest + b"\n"
        return whole + lines.replace(b"\n", b"\n" + whole) + b"\n" + part if newline else part

    def parse(self, line: bytes) -> Entry | None:
        """See Format."""
        fields = line.split(b" ", 3)
        if len(fields) != 4 or fields[1] not in _STREAMS or fields[2] not in (b"F", b"P"):
            return None
        text = fields[3] + b"\n" if fields[2] == b"F" else fields[3]
        return Entry(fields[0].partition(b"+")[0], _STREAMS[fields[1]], text)


_PLAIN = bytes(byte for byte in range(256) if byte not in b'"\\' and byte >= 32) + b"\n"
"""Bytes that need no escape in JSON, and the newline, which is dealt with apart."""
_TEXT = _PLAIN + b'"\\\t\r\x1b'
"""What text has: those, what is escaped in few characters, and what colours begin with."""
_SAMPLE = 1024
"""Bytes of a piece that tell what it is; shorter ones are always text."""
_COMMON = {ord('"'): b'\\"', ord("\t"): b"\\t", ord("\r"): b"\\r", 27: b"\\u001b"}


def _is_binary(sample: bytes) -> bool:
    """Whether there is so much that is no text that base64 is shorter than escapes."""
    return 12 * len(sample.translate(None, _TEXT)) > len(sample)


class JsonFile:
    """json-file."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._attributes = b""

    def add(self, attributes: dict[str, str]) -> None:
        """Write these into each record from now on, as docker does: "attrs"."""
        if attributes:
            text = jsonio.dumps(attributes, sort_keys=True)
            self._attributes = b',"attrs":' + text.encode("utf-8", "surrogateescape")

    def encode(self, stream: int, data: bytes) -> bytes:
        """See Format."""
        if len(data) > _SAMPLE and _is_binary(data[:_SAMPLE]):
            return self._binary(stream, data)
        escaped = data.translate(None, _PLAIN)
        if escaped:
            # A backslash first, or those of the other escapes would be taken for the container's.
            data = data.replace(b"\\", b"\\\\")
            for byte in set(escaped) - {92}:
                data = data.replace(bytes((byte,)), _COMMON.get(byte) or b"\\u%04x" % byte)
        more = self._attributes
        end = b'","stream":"%s"%s,"time":"%sZ"}\n' % (_NAMES[stream], more, self._clock.now())
        begin = b'{"log":"'
        if data[-1] == 10:
            return begin + data[:-1].replace(b"\n", b"\\n" + end + begin) + b"\\n" + end
        return begin + data.replace(b"\n", b"\\n" + end + begin) + end

    def _binary(self, stream: int, data: bytes) -> bytes:
        from binascii import b2a_base64

        return (
            b'{"log":"[%d bytes of binary output]\\n","base64":"%s","stream":"%s"%s,"time":"%sZ"}\n'
            % (
                len(data),
                b2a_base64(data, newline=False),
                _NAMES[stream],
                self._attributes,
                self._clock.now(),
            )
        )

    def parse(self, line: bytes) -> Entry | None:
        """See Format."""
        try:
            value = jsonio.loads(line)
            stream = _STREAMS[value["stream"].encode()]
            if "base64" in value:
                from binascii import a2b_base64

                text = a2b_base64(value["base64"])
            else:
                text = value["log"].encode("utf-8", "surrogateescape")
            return Entry(value["time"].rstrip("Z").encode(), stream, text)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


FORMATS: dict[str, type[K8s | JsonFile]] = {"json-file": JsonFile, "k8s-file": K8s}
