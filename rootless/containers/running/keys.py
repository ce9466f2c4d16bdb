"""The keys that leave a terminal and let the container go on (docker's --detach-keys)."""

from __future__ import annotations

from rootless.errors import UsageError, named

_CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


class Keys:
    """A sequence to look for in what the user types."""

    def __init__(self, text: str) -> None:
        """`text` is letters and ctrl-LETTER with commas between them; empty looks for nothing.

        Raises UsageError.
        """
        self._sequence = bytes(_key(word, text) for word in text.split(",")) if text else b""
        self._seen = 0
        """How many keys of it were typed last; they are held back until it is clear."""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what goes on to the container, and whether the sequence is complete."""
        if not self._sequence:
            return data, False
        passed = bytearray()
        for byte in data:
            held = self._sequence[: self._seen] + bytes((byte,))
            if held == self._sequence:
                self._seen = 0
                return bytes(passed), True
            # The longest end of what was typed that may still become the sequence.
            self._seen = next(
                n for n in range(len(held), -1, -1) if held[len(held) - n :] == self._sequence[:n]
            )
            passed += held[: len(held) - self._seen]
        return bytes(passed), False


def _key(word: str, text: str) -> int:
    control = word.removeprefix("ctrl-")
    if len(word) == 1 and word.isascii():
        return ord(word)
    if control != word and len(control) == 1:
        if "a" <= control.lower() <= "z":
            return ord(control.lower()) - ord("a") + 1
        if control in _CONTROL:
            return _CONTROL[control]
    raise UsageError(
        f"{named('detach_keys')} {text!r}: {word!r} is no key",
        "letters and ctrl-LETTER, as ctrl-p,ctrl-q",
    )
