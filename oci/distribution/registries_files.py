"""Where registries.conf lies, and whether it has a word on registries; `registries` reads it."""

from __future__ import annotations

import os

from rootless.oci.errors import SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SYSTEM = "/etc/containers/registries.conf"
MAX_FILE = 1 << 20


def has_registries(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether there may be a [[registry]] in the files. Raises SettingsError.

    Most have none, and TOML takes as long to be read as all else that a push does. A key stands
    at the beginning of a line, bare or quoted; in quotes it may be written with escapes.
    """
    for path in files(environ):
        try:
            with open(path, "rb") as file:
                lines = file.read(MAX_FILE + 1).splitlines()
        except OSError as error:
            raise SettingsError(f"cannot read {path}: {error.strerror}") from error
        if any(map(_may_be_registry, lines)):
            return True
    return False


def _may_be_registry(line: bytes) -> bool:
    key, _, value = line.partition(b"=")
    key = key.lstrip(b"\xef\xbb\xbf \t[")  # the first line may begin with a byte order mark
    if value.lstrip()[:1] in (b'"', b"'"):
        return False  # a string: an alias
    return key.lstrip(b"\"'").startswith(b"registr") or (key[:1] == b'"' and b"\\" in key)


def files(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the files that there are, in the order in which they are read."""
    named = environ.get("CONTAINERS_REGISTRIES_CONF", "")
    if named:
        yield named
        return
    users = base(environ, "XDG_CONFIG_HOME", ".config") + "/containers/registries.conf"
    if os.path.exists(users):
        yield users
    else:
        if os.path.exists(SYSTEM):
            yield SYSTEM
        yield from _drop_ins(SYSTEM)
    yield from _drop_ins(users)


def _drop_ins(path: str) -> list[str]:
    try:
        names = sorted(os.listdir(f"{path}.d"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SettingsError(f"cannot read {path}.d: {error.strerror}") from error
    files = [f"{path}.d/{name}" for name in names if name.endswith(".conf")]
    return [file for file in files if not os.path.isdir(file)]


def base(environ: Mapping[str, str], variable: str, below_home: str) -> str:
    """Return a base directory of the user's (XDG Base Directory Specification)."""
    base = environ.get(variable, "")
    home = environ.get("HOME", "") or os.path.expanduser("~")
    return base if base.startswith("/") else f"{home}/{below_home}"
