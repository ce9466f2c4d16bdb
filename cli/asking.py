"""Questions to the user, answered by a line."""

from __future__ import annotations

import sys

from rootless.cli.output import say
from rootless.errors import UsageError


def choose(ref: str, names: list[str]) -> str:
    """Ask which of several images is meant; "" where stdin or stdout is no terminal, as podman.

    Raises UsageError where the input ends.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return ""
    say(f"Which image is meant by {ref}?", to_stderr=True)
    for number, name in enumerate(names, 1):
        say(f"{number:3}) {name}", to_stderr=True)
    while True:
        say(f"Number, 1 to {len(names)}: ", to_stderr=True, end="")
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
    say("Are you sure you want to continue? [y/N] ", end="")
    line = sys.stdin.readline()
    if not line:
        say("")
        raise UsageError("nobody says whether to continue", "--force does not ask")
    return line.strip().lower() in ("y", "yes")
