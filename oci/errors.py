"""The root of the exception tree, and its part that speaks of images.

    Error                       anything that a user is told in one line
    |-- InvalidReference        a name that is no image reference
    |-- DigestError             a digest that is none, or content that does not match its digest
    |-- ImageError              an image, manifest or archive that is damaged or not understood
    |   |-- LayerError          an entry of a layer that is refused or cannot be written
    |   `-- SignatureError      an image that the user's policy refuses, or a signature that is none
    |-- RegistryError           what a registry answered, or that it did not
    |-- SettingsError           a file of registries' settings that is not understood
    `-- rootless.errors         the engine's part of the tree continues there

`message` says what failed and on what; `hint` says what to do and may be empty.
Nothing here is imported from the rest of the project, so every module may use it.
"""

from __future__ import annotations


def one_line(text: str) -> str:
    """Return a text as one line that only prints: words of strangers may be in it."""
    line = " ".join(text.splitlines())
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in line)


class Error(Exception):
    """Base of all errors that are shown as one line: `message`, then `hint` if there is one.

    `exit_code` is what the command line ends with: 125 unless a subclass says otherwise
    (the convention of docker and podman for errors of the engine itself).
    """

    exit_code = 125

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


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


class SettingsError(Error):
    """A file of settings for registries that is not understood; the message names it."""
