"""Questions to the user, answered by a line."""

from __future__ import annotations

import sys

from rootless.errors import UsageError


def choose(ref: str, names: list[str]) -> str:
    """Ask which of several images is meant; "" where stdin or stdout is no terminal, as podman.

    Raises UsageError where the input ends.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return ""
    lines = [f"{number:3}) {name}\n" for number, name in enumerate(names, 1)]
    sys.stderr.write(f"Which image is meant by {ref}?\n{''.join(lines)}")
    while True:
        sys.stderr.write(f"Number, 1 to {len(names)}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise UsageError(f"nobody says which image is meant by {ref}", "write its full name")
        answer = line.strip()
        if answer.isascii() and answer.isdecimal() and 0 < int(answer[:9]) <= len(names):
            return names[int(answer[:9]) - 1]


def agreed() -> bool:
    """Ask whether to go on, as docker and podman do: of whoever writes to our standard input.

    Raises UsageError where the input ends: what is removed without a word could not be wanted.
    """
    print("Are you sure you want to continue? [y/N] ", end="", flush=True)
    line = sys.stdin.readline()
    if not line:
        print(flush=True)
        raise UsageError("nobody says whether to continue", "--force does not ask")
    return line.strip().lower() in ("y", "yes")
