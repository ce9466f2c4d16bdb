"""What the user may set once and for all: $XDG_CONFIG_HOME/rootless/config.toml.

    additional_stores = ["/srv/project/rootless"]   # see images/shared.py
    dialect = "podman"                              # of the command line; else docker's

    [limits]
    layer-bytes = "256GiB"      # one layer, uncompressed
    layer-entries = 8000000     # files, directories, links, ... of one layer

    [build]
    cache-bytes = "20GiB"       # what the results of builds may take

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


_BUILD = {"cache-bytes": 2**63 - 1}
"""Keys of [build]."""

_KNOWN = ("additional_stores", "dialect", "limits", "build")


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
        known = "there are additional_stores, dialect, [limits] and [build]"
        raise _refused(unknown[0], "there is no such setting", known)
    return _amounts(document, "limits", _LIMITS)


def build_cache() -> int:
    """Return the bytes that the results of builds may take; 0 for what is usual.

    Raises UsageError.
    """
    return _amounts(_document(path()), "build", _BUILD).get("cache-bytes", 0)


def _amounts(document: dict[str, Any], name: str, known: dict[str, int]) -> dict[str, int]:
    """Return the numbers of a table. Raises UsageError."""
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise _refused(name, "it is a table", f"write [{name}] on a line of its own")
    what = "limit" if name == "limits" else "setting"
    for key in table:
        if key not in known:
            raise _refused(key, f"there is no such {what}", f"there are {', '.join(known)}")
    return {key: _amount(key, value, known[key]) for key, value in table.items()}


def unknown() -> list[tuple[str, tuple[str, ...]]]:
    """Return the keys that mean nothing, each with those that could stand in its place.

    Raises UsageError for a file that cannot be read.
    """
    document = _document(path())
    found: list[tuple[str, tuple[str, ...]]] = [
        (key, _KNOWN) for key in document if key not in _KNOWN
    ]
    for name, keys in (("limits", _LIMITS), ("build", _BUILD)):
        if isinstance(table := document.get(name), dict):
            found += [(f"{name}.{key}", tuple(keys)) for key in table if key not in keys]
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


def _amount(key: str, value: object, most: int) -> int:
    sized = key.partition("-")[2] in _SIZES
    example = "128GiB, in quotes, or a number" if sized else "a number without quotes"
    if isinstance(value, str) and sized:
        value = size(value, f"{path()}: {key}")
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refused(key, f"invalid value {value!r}", f"write {example}")
    if not 0 < value <= most:
        raise _refused(key, f"{value} is out of range", f"1 to {most}")
    return value


def _refused(key: str, cause: str, hint: str) -> UsageError:
    return UsageError(f"{path()}: {key}: {cause}", hint)
