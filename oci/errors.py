"""The root of the exception tree, and its part that speaks of images.

    Error                       anything that a user is told in one line
    |-- InvalidReference        a name that is no image reference
    |-- DigestError             a digest that is none, or content that does not match its digest
    |-- ImageError              an image, manifest or archive that is damaged or not understood
    |   |-- LayerError          an entry of a layer that is refused or cannot be written
    |   `-- SignatureError      an image that the user's policy refuses, or a signature that is none
    |-- RegistryError           what a registry answered, or that it did not
    |   |-- Unauthorized        it wants to know who asks, or does not let them (401, 403)
    |   |-- RegistryNotFound    it has no such image, blob or repository (404)
    |   |-- RegistryBlocked     registries.conf forbids to ask it
    |   `-- HttpError           no answer, or none that helps: the same may succeed later
    |       |-- TooManyRequests      it limits requests (429)
    |       |-- RegistryFailed       a fault of its own (5xx)
    |       `-- RegistryUnreachable  there is nobody, or nobody answers in time
    |-- SettingsError           a file of registries' settings that is not understood
    `-- rootless.errors         the engine's part of the tree continues there

`message` says what failed and on what; `hint` says what to do and may be empty.
Nothing here is imported from the rest of the project, so every module may use it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

# Control characters (of which those from 0x80 on are commands to many terminals as well), marks
# that turn the direction of what follows, what is invisible, what breaks lines, and halves of
# characters that no terminal could be sent.
_OBEYED = (
    *((0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E)),
    *((0x200B, 0x200B), (0x200E, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF)),
    *((0xFFF9, 0xFFFB), (0xD800, 0xDC9F), (0xDD00, 0xDFFF), (0xE0000, 0xE007F)),
)
"""First and last of each range. Bytes that are no UTF-8 (PEP 383, 0xDCA0 to 0xDCFF) stay."""


class _Escapes(dict[int, str]):
    """What stands for a character, found out when it is first met (str.translate)."""

    def __init__(self, *, json: bool = False) -> None:
        super().__init__()
        self._json = json

    def __missing__(self, point: int) -> str:
        text = chr(point)
        if any(first <= point <= last for first, last in _OBEYED) or (
            self._json and 0xD800 <= point <= 0xDFFF
        ):
            if self._json and 0xD800 <= point <= 0xDFFF:
                text = "\\ufffd"  # as Go's encoder: a document is UTF-8, whatever is in it
            elif self._json:
                # Line feeds between the values of a document, not in them: those are escaped.
                text = text if point < 0x7F else _utf16(point)
            elif 0xDC80 <= point <= 0xDC9F:
                text = f"\\x{point - 0xDC00:02x}"
            else:
                text = repr(text)[1:-1]
        self[point] = text
        return text


def _utf16(point: int) -> str:
    if point < 0x10000:
        return f"\\u{point:04x}"
    high, low = divmod(point - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


_ESCAPES = _Escapes()
_JSON_ESCAPES = _Escapes(json=True)


def shown(text: str) -> str:
    """Return words of strangers as people may see them: on one line, and as text only.

    What a terminal would obey is shown as Python writes it, such as \\x1b; letters of all languages
    stay as they are, and bytes that are no UTF-8.
    """
    return text if text.isprintable() else text.translate(_ESCAPES)


def shown_json(document: str) -> str:
    """Return the same JSON document with all that a terminal would obey escaped in it.

    Bytes that are no UTF-8 are U+FFFD there, for no reader of JSON takes them.
    """
    return (
        document
        if document.isascii() and "\x7f" not in document
        else document.translate(_JSON_ESCAPES)
    )


def one_line(text: str) -> str:
    """Return a text as one line that only prints: words of strangers may be in it."""
    return shown(" ".join(text.replace("\t", " ").splitlines()))


_OPEN, _CLOSE = "\0<", ">\0"
"""Round the names of fields in a message: users' texts hold no NUL, and strangers' gain nothing."""


def named(field: str) -> str:
    """Return `field` for the words of an error: a front end puts its own name there."""
    return f"{_OPEN}{field}{_CLOSE}"


def first_named(text: str) -> str:
    """Return the first field that the words of an error name; "" where there is none."""
    return text.partition(_OPEN)[2].partition(_CLOSE)[0]


def _worded(text: str, name: Callable[[str], str]) -> str:
    """Return the words of an error with `name` of each field in its place."""
    said, *rest = text.split(_OPEN)
    for part in rest:
        field, closed, after = part.partition(_CLOSE)
        said += name(field) + after if closed else _OPEN + part
    return said


class Error(Exception):
    """Base of all errors that are shown as one line: `message`, then `hint` if there is one.

    Both name fields of a request, and arguments of the library, by `named`. `told` puts a front
    end's names in their places: the command line an option, a compose file a key, the API a JSON
    path; `message`, `hint` and `str` have the names as they are.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__()
        self._say(message, hint)

    def _say(self, message: str, hint: str) -> None:
        self.marked = (message, hint)
        """Message and hint as they were given: what is handed on to another process."""
        self.message = _worded(message, str)
        self.hint = _worded(hint, str)
        self.args = (self.message,)

    def about(self, thing: str) -> Self:
        """Say first what it is about, unless the message does; return the error."""
        message, hint = self.marked
        if thing not in self.message:
            self._say(f"{thing}: {message}", hint)
        return self

    def __str__(self) -> str:
        return self.told(str)

    def told(self, name: Callable[[str], str]) -> str:
        """Return message and hint, with `name` of each field that they speak of."""
        message, hint = self.words(name)
        return f"{message} ({hint})" if hint else message

    def words(self, name: Callable[[str], str]) -> tuple[str, str]:
        """Return message and hint each for itself, as `told` has them."""
        message, hint = self.marked
        return _worded(message, name), _worded(hint, name)


class InvalidReference(Error):
    """A string that is not an image reference."""


class DigestError(Error):
    """A string that is no digest, or content whose digest is another."""


class ImageError(Error):
    """An image, manifest or archive that is damaged or not understood."""


class LayerError(ImageError):
    """A layer entry that is refused or cannot be written; the message names the entry."""


class SignatureError(ImageError):
    """An image that containers-policy.json(5) refuses, or a signature that proves nothing."""


class Exceeded(ValueError):
    """A bound on an archive was exceeded: `limit` is its name in `layers.tar.Limits`.

    Not shown to anybody: who reads the archive makes a LayerError of it that names the entry.
    """

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class RegistryError(Error):
    """A registry refused, answered nonsense or did not answer."""


class Unauthorized(RegistryError):
    """The registry does not let us, with or without credentials: status 401 or 403."""


class RegistryNotFound(RegistryError):
    """The registry has no such image, blob or repository: status 404."""


class RegistryBlocked(RegistryError):
    """containers-registries.conf(5) forbids to ask for this name."""


class HttpError(RegistryError):
    """No answer, or none that helps. `temporary`: the same again may work at once.

    `no_tls`: there is nobody, or nobody who speaks TLS, at the other end. `after`: the seconds
    that the server wants us to wait, -1 where it does not say.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        temporary: bool = False,
        no_tls: bool = False,
        after: float = -1,
    ) -> None:
        super().__init__(message, hint)
        self.temporary = temporary
        self.after = after
        self.no_tls = no_tls


class TooManyRequests(HttpError):
    """The registry limits requests: status 429."""


class RegistryFailed(HttpError):
    """The registry has a fault of its own: status 500 and above."""


class RegistryUnreachable(HttpError):
    """There is nobody at the registry's address, or nobody who answers in time."""


class SettingsError(Error):
    """A file of settings for registries that is not understood; the message names it."""
