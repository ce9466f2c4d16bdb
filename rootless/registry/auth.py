"""Who may in, and how far: by the Basic scheme (RFC 7617), and by tokens for guests.

`Htpasswd` is a file of `htpasswd -B`, user:hash a line, and whoever is in it may do everything.
Only bcrypt hashes are taken, as by docker's registry: the others of htpasswd are guessed too fast.
Of libraries for them `bcrypt` (PyCA) is the one that lives, ships types and lets other threads run
while it works; passlib has had no release since 2020.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading

from rootless.errors import UsageError
from rootless.registry.refusal import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Guard(Protocol):
        """Says who sends a request."""

        @property
        def token(self) -> str:
            """What the owner has in the place of a password; "" where there are passwords."""
            ...

        def caller(self, header: str) -> Caller:
            """Who has sent an Authorization header, "" for none. Raises Refusal 401."""
            ...


PARALLEL = 2
"""Passwords that are checked at once: each takes a processor for a good part of a second."""

MAX_KNOWN = 1000
MAX_FILE = 1 << 20


GUEST = "guest"
"""The bearer token of a guest, whom nobody asks for anything."""


class Caller:
    """Who sends a request: a name for the log, and whether he is a guest."""

    __slots__ = ("guest", "name")

    def __init__(self, name: str, *, guest: bool) -> None:
        self.name = name
        self.guest = guest
        """Whether he may read all, but change only what guests have made."""


class Open:
    """Everybody is a guest, but for whoever has the token that is told to the owner.

    On loopback that is any user of the machine: over TCP no credentials of a peer are to be had
    that a program of another user's (a proxy, a container's network) would not have as well.
    """

    def __init__(self) -> None:
        self.token = os.urandom(16).hex()

    def caller(self, header: str) -> Caller:
        """Who has sent an Authorization header. Raises Refusal 401."""
        if not header:
            return Caller("-", guest=True)
        scheme, _, word = header.partition(" ")
        name = "owner"
        if scheme.lower() == "basic":
            name, word = _basic(header)
        elif word == GUEST:
            return Caller("-", guest=True)
        if not hmac.compare_digest(word.encode(), self.token.encode()):
            raise Refusal(401, "UNAUTHORIZED", "the password is not the one that was printed")
        return Caller(name, guest=False)


class Htpasswd:
    """The users of a file, read again when it changes.

    Raises UsageError where it cannot be read or holds another hash than bcrypt's.
    """

    token = ""

    def __init__(self, path: str) -> None:
        self._path = path
        self._busy = threading.Semaphore(PARALLEL)
        self._lock = threading.Lock()
        self._key = os.urandom(32)
        self._stamp = _stamp(path)
        self._users = _read(path)
        self._known: dict[str, bytes] = {}
        """User -> what was right, under a key that only this process knows: bcrypt is too slow
        to be asked at every request, and nothing is to be learnt from this."""
        self._dummy = next(iter(self._users.values()), b"")

    def caller(self, header: str) -> Caller:
        """The user of an Authorization header. Raises Refusal 401."""
        name, password = _basic(header)
        if not name or not self._is_right(name, password.encode()):
            challenge = {"WWW-Authenticate": 'Basic realm="rootless registry", charset="UTF-8"'}
            raise Refusal(401, "UNAUTHORIZED", "a user and a password are needed", challenge)
        return Caller(name, guest=False)

    def _is_right(self, name: str, password: bytes) -> bool:
        self._refresh()
        users = self._users
        proof = hmac.digest(self._key, users.get(name, b"") + b"\n" + password, hashlib.sha256)
        if hmac.compare_digest(self._known.get(name, b""), proof):
            return True
        # A name that is not there takes as long as one that is: names are not to be guessed.
        with self._busy:
            right = _fits(password, users.get(name, self._dummy)) and name in users
        if right:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[name] = proof
        return right

    def _refresh(self) -> None:
        """Read the file again if it was changed; one that cannot be read lets nobody in."""
        with self._lock:
            try:
                stamp = _stamp(self._path)
                if stamp != self._stamp:
                    self._users, self._stamp = _read(self._path), stamp
                    self._known.clear()
            except UsageError as error:
                self._users, self._stamp = {}, (0, 0, 0)
                self._known.clear()
                raise Refusal(500, "UNKNOWN", "the file of users cannot be read") from error


def _basic(header: str) -> tuple[str, str]:
    """User and password of an Authorization header, twice "" where there is neither."""
    scheme, _, coded = header.partition(" ")
    try:
        plain = base64.b64decode(coded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        plain = ""
    name, _, password = plain.partition(":")
    return (name, password) if scheme.lower() == "basic" else ("", "")


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: str) -> dict[str, bytes]:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE)
        lines = data.decode().splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}: it is not UTF-8") from error
    users = {}
    for number, line in enumerate(lines, 1):
        name, _, hashed = line.strip().partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if not name or not hashed.startswith(("$2y$", "$2a$", "$2b$")) or len(hashed) != 60:
            raise UsageError(
                f"{path}, line {number}: no user with a bcrypt hash",
                "htpasswd -B makes lines that are taken",
            )
        users[name] = hashed.encode()
    return users


def _fits(password: bytes, hashed: bytes) -> bool:
    import bcrypt

    if not hashed:
        return False
    try:
        # bcrypt sees 72 bytes; htpasswd cuts longer passwords off, this library refuses them.
        return bcrypt.checkpw(password[:72], hashed)
    except ValueError:  # a zero byte, or a hash that is damaged
        return False
