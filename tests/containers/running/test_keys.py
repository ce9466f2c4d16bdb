"""The keys that leave a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.containers.running.keys import Keys
from rootless.errors import UsageError

pytestmark = pytest.mark.once


def typed(keys: Keys, *pieces: bytes) -> tuple[bytes, bool]:
    """Feed pieces; return all that was passed on, and whether the sequence came."""
    passed = b""
    for piece in pieces:
        more, left = keys.feed(piece)
        passed += more
        if left:
            return passed, True
    return passed, False


@pytest.mark.parametrize(
    ("text", "pieces", "passed", "left"),
    [
        ("ctrl-p,ctrl-q", [b"ls\x10\x11more"], b"ls", True),
        ("ctrl-p,ctrl-q", [b"ls\x10", b"\x11"], b"ls", True),
        ("ctrl-p,ctrl-q", [b"\x10", b"x"], b"\x10x", False),
        ("ctrl-p,ctrl-q", [b"\x10\x10\x11"], b"\x10", True),
        ("a,a,b", [b"aaab"], b"a", True),
        ("ctrl-@", [b"x\0"], b"x", True),
        ("ctrl-],q", [b"\x1dq"], b"", True),
        ("", [b"\x10\x11"], b"\x10\x11", False),
    ],
)
def test_sequences(text: str, pieces: list[bytes], passed: bytes, left: bool) -> None:
    assert typed(Keys(text), *pieces) == (passed, left)


@given(data=st.lists(st.binary(max_size=6)), text=st.sampled_from(["a,b", "a,a,b", "ctrl-p,a"]))
def test_nothing_is_lost_or_made_up(data: list[bytes], text: str) -> None:
    whole = b"".join(data)
    sequence = bytes(16 if word == "ctrl-p" else ord(word) for word in text.split(","))
    passed, left = typed(Keys(text), *data)
    before, found, _ = whole.partition(sequence)
    assert left == bool(found)
    if left:
        assert passed == before
    else:
        assert whole.startswith(passed)  # the beginning of a sequence may be held back
        assert sequence.startswith(whole[len(passed) :])


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-pp", "ctrl-1", "xy", "a,,b", "ä"])
def test_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no key"):
        Keys(text)
