"""What a name looks like: an image's, or a secret's."""

from __future__ import annotations

_SECRET = frozenset(
    (
        *("apikey", "auth", "credential", "credentials", "key", "passwd", "password", "pword"),
        *("secret", "token"),
    )
)
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_IN_TAGS = _LETTERS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-")


def is_sensitive(name: str) -> bool:
    """Whether a variable sounds as if it held a secret: a part of its name does, none is public."""
    parts = set(name.lower().split("_"))
    return bool(parts & _SECRET) and "public" not in parts


def is_image(name: str) -> bool:
    """Whether an image can have this name, with a tag or digest."""
    name, at, digest = name.partition("@")
    if at and ":" not in digest.strip(":"):
        return False
    path, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        if not tag or set(tag) - _IN_TAGS or tag[0] in ".-" or len(tag) > 128:
            return False
        name = path
    first, *rest = name.split("/")
    host = bool(rest) and ("." in first or ":" in first or first == "localhost")
    parts = rest if host else [first, *rest]
    return all(
        part and not set(part) - _LETTERS - set("._-") and {part[0], part[-1]} <= _LETTERS
        for part in parts
    )
