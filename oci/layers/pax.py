"""The parts of tar that are text and numbers in odd places: pax records, numbers, sparse maps.

Sources: POSIX.1-2017 pax(1) "pax Interchange Format"; GNU tar's manual, "Basic Tar Format",
"Extensions to the tar format: storing sparse files"; tar(5) of libarchive. All functions are
pure: they raise ValueError with the cause, and `layers.tar` adds the name of the entry.
"""

from __future__ import annotations

from rootless.oci.errors import Exceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Sparse = list[tuple[int, int]]

XATTR = b"SCHILY.xattr."
"""Prefix of the pax keys that carry extended attributes, as star, GNU tar and Go write them."""

SPARSE = b"GNU.sparse."

LARGEST = (1 << 63) - 1
"""What off_t holds: the largest offset or size of a file."""


def number(field: bytes) -> int:
    """The value of a header's number field: octal text, or GNU's base 256.

    Base 256 has the highest bit of the first byte set; 0xff there begins a negative number in
    two's complement. An empty field is 0.
    """
    first = field[0]
    if first & 0x80:
        value = int.from_bytes(field, "big")
        bits = 8 * len(field)
        # The marker bit is no part of a positive number, and the sign of a negative one.
        return value - (1 << bits) if first == 0xFF else value & ~(1 << (bits - 1))
    text = field.partition(b"\0")[0].strip()
    if text and not text.isdigit():
        raise ValueError(f"{field!r} is not a number")
    return int(text or b"0", 8)


def decimal(text: bytes) -> int:
    """A number as the sparse maps and pax records have them: digits alone."""
    if not text.isdigit() or len(text) > 20:
        raise ValueError(f"{text[:40]!r} is not a number")
    return int(text)


def nanoseconds(text: bytes) -> int:
    """A pax time such as `1719900000.123456789`, in nanoseconds; finer digits are cut off."""
    whole, _, fraction = text.partition(b".")
    negative = whole.startswith(b"-")
    digits = (fraction + b"000000000")[:9]
    value = decimal(whole.removeprefix(b"-") or b"0") * 1_000_000_000 + decimal(digits)
    return -value if negative else value


def records(data: bytes) -> list[tuple[bytes, bytes]]:
    """The records `length key=value\\n` of a pax header, in their order.

    The length is decimal, counts the whole record, and is what ends it: values may hold newlines.
    """
    found = []
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        if space < 0:
            if not data[position:].strip(b"\0"):
                break  # padding that some writers count as data
            raise ValueError("a pax record has no length")
        length = decimal(data[position:space])
        end = position + length
        if end > len(data) or end <= space + 1 or data[end - 1] != 0x0A:
            raise ValueError("a pax record has a wrong length")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or not key:
            raise ValueError("a pax record has no key")
        found.append((key, value))
        position = end
    return found


def old_sparse(table: bytes) -> Sparse:
    """Pairs of 12-byte fields (offset, length) until an empty one: the old GNU format's tables."""
    found = []
    for position in range(0, len(table) - 23, 24):
        if not table[position]:
            break
        offset = number(table[position : position + 12])
        found.append((offset, number(table[position + 12 : position + 24])))
    return found


def pax_sparse(pairs: list[tuple[bytes, bytes]]) -> Sparse | None:
    """The map of the pax formats 0.0 (a pair of records each) and 0.1 (one record), else None."""
    offsets: list[int] = []
    lengths: list[int] = []
    for key, value in pairs:
        if key == b"GNU.sparse.map" and value:
            values = [decimal(part) for part in value.split(b",")]
            offsets, lengths = values[0::2], values[1::2]
        elif key == b"GNU.sparse.offset":
            offsets.append(decimal(value))
        elif key == b"GNU.sparse.numbytes":
            lengths.append(decimal(value))
        elif key == b"GNU.sparse.numblocks" and decimal(value) == 0:
            return []
    if len(offsets) != len(lengths):
        raise ValueError("the sparse map has an odd number of values")
    return list(zip(offsets, lengths, strict=True)) or None


def data_sparse(read_block: Callable[[], bytes], largest: int) -> Sparse:
    """The map of pax format 1.0, which begins the data in whole blocks.

    Lines of decimal numbers: how many pairs, then each offset and each length. `largest` bounds
    the number of pairs.
    """
    text = b""

    def line() -> int:
        nonlocal text
        while b"\n" not in text:
            if len(text) > 20:
                raise ValueError("the sparse map is damaged")
            text += read_block()
        value, _, text = text.partition(b"\n")
        return decimal(value)

    count = line()
    if count > largest:
        raise Exceeded("parts", f"the sparse map has {count} parts; the limit is {largest}")
    return [(line(), line()) for _ in range(count)]


def check_sparse(sparse: Sparse, stored: int, size: int) -> Sparse:
    """Return the parts that hold data, after seeing that they fit.

    They must ascend without overlap, lie within `size`, and hold exactly the `stored` bytes.
    """
    end = 0
    total = 0
    for offset, length in sparse:
        if offset < end or length < 0 or offset + length > size:
            raise ValueError("the sparse map does not fit its file")
        end = offset + length
        total += length
    if total != stored:
        raise ValueError(f"the sparse map speaks of {total} bytes, the archive holds {stored}")
    return [part for part in sparse if part[1]]
