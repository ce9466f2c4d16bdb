"""Names of volumes, and where the data of one is."""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.store.objects import is_name

DATA = "_data"
"""Name of the directory that containers see."""
_DIGITS = frozenset("0123456789abcdef")


def data_path(directory: str, name: str) -> str:
    """Return the directory that containers see of a volume in `directory`, that of all volumes."""
    return f"{directory}/{name}/{DATA}"


def check_name(text: str, hint: str = "") -> str:
    """Return `text` if it may name a volume, else raise UsageError with `hint`."""
    if not is_name(text):
        raise UsageError(
            f"{text!r} includes invalid characters for a volume name, "
            "only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed",
            hint or "names have at most 255 characters",
        )
    return text


def is_anonymous(name: str) -> bool:
    """Whether a name is 64 hexadecimal digits: all that tells it of volumes without a record."""
    return len(name) == 64 and _DIGITS.issuperset(name)
