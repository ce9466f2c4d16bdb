"""What the user may set once and for all: $XDG_CONFIG_HOME/rootless/config.toml.

    additional_stores = ["/srv/project/rootless"]   # see images/shared.py
    dialect = "podman"                              # of the command line; else docker's

    [limits]
    layer-bytes = "256GiB"      # one layer, uncompressed
    layer-entries = 8000000     # files, directories, links, ... of one layer

The limits are read only when something is loaded, pulled, imported or unpacked.
"""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.store.paths import config_file
from rootless.values import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIMITS = {
    "layer-bytes": 2**63 - 1,
    "layer-entries": 2**31,
    # The depth costs open descriptors, of which 1024 are usual; layers.places keeps 384 of them.
    "layer-depth": 512,
    "layer-header": 2**30,
    "layer-parts": 2**30,
    "archive-bytes": 2**63 - 1,
    "archive-entries": 2**31,
}
"""Key -> the largest value. `archive-` is what load reads, with layers as its entries."""

_SIZES = ("bytes", "header")
"""What of it may be written with a unit."""


_KNOWN = ("additional_stores", "dialect", "limits")


def path() -> str:
    """Where the settings are, or would be."""
    return config_file()


def additional_stores() -> list[str]:
    """Return the directories of the shared stores. Raises UsageError for anything but paths."""
    value = _document(path()).get("additional_stores", [])
    if not isinstance(value, list):
        raise _refused("additional_stores", "it is a list", 'write ["/path", ...]')
    for each in value:
        if not isinstance(each, str) or not each.startswith("/"):
            raise _refused("additional_stores", f"{each!r} is no absolute path", "begin it with /")
    return value


def dialect() -> str:
    """Return the dialect that the command line is to speak, "" for none. Raises UsageError."""
    value = _document(path()).get("dialect", "")
    if not isinstance(value, str):
        raise _refused("dialect", "it is a name", 'write "docker" or "podman"')
    return value


def limits() -> dict[str, int]:
    """Return the limits that the file sets, by their keys; see `images.limits`.

    Raises UsageError, which names the file and the key, for what is not understood.
    """
    document = _document(path())
    unknown = sorted(document.keys() - set(_KNOWN))
    if unknown:
        known = "there are additional_stores, dialect and [limits]"
        raise _refused(unknown[0], "there is no such setting", known)
    table = document.get("limits", {})
    if not isinstance(table, dict):
        raise _refused("limits", "it is a table", "write [limits] on a line of its own")
    for key in table:
        if key not in _LIMITS:
            raise _refused(key, "there is no such limit", f"there are {', '.join(_LIMITS)}")
    return {key: _amount(key, value) for key, value in table.items()}


def unknown() -> list[tuple[str, tuple[str, ...]]]:
    """Return the keys that mean nothing, each with those that could stand in its place.

    Raises UsageError for a file that cannot be read.
    """
    document = _document(path())
    found: list[tuple[str, tuple[str, ...]]] = [
        (key, _KNOWN) for key in document if key not in _KNOWN
    ]
    if isinstance(table := document.get("limits"), dict):
        found += [(f"limits.{key}", tuple(_LIMITS)) for key in table if key not in _LIMITS]
    return found


def _document(file: str) -> dict[str, Any]:
    try:
        with open(file, "rb") as stream:
            import tomllib  # only where there is something to read: it costs 5 ms

            return tomllib.load(stream)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        hint = "XDG_CONFIG_HOME names another directory for settings"
        raise UsageError(f"cannot read {file}: {error.strerror}", hint) from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise UsageError(f"cannot read {file}: {error}", "it has to be TOML") from error


def _amount(key: str, value: object) -> int:
    sized = key.partition("-")[2] in _SIZES
    example = "128GiB, in quotes, or a number" if sized else "a number without quotes"
    if isinstance(value, str) and sized:
        value = size(value, f"{path()}: {key}")
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refused(key, f"invalid value {value!r}", f"write {example}")
    if not 0 < value <= _LIMITS[key]:
        raise _refused(key, f"{value} is out of range", f"1 to {_LIMITS[key]}")
    return value


def _refused(key: str, cause: str, hint: str) -> UsageError:
    return UsageError(f"{path()}: {key}: {cause}", hint)
