"""--env and --label, with the files that hold more of them."""

from __future__ import annotations

import os

from rootless.errors import UsageError, named
from rootless.values import is_usable, pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rootless.containers.words.asked import Asked


def changes(asked: Asked, host: Mapping[str, str], base: str) -> list[list[str | None]]:
    """Parse --env-file and --env. Files, below `base`, are read here, once: they may be pipes.

    `-e KEY` copies the host's value, and removes KEY where the host has none (docker);
    `-e PREFIX*` copies all that begin so (podman).
    """
    result: list[list[str | None]] = []
    for path in asked.get("env_file", ()):
        result += _file(path, host, base)
    for text in asked.get("env", ()):
        key, equals, value = text.partition("=")
        if not key or "\0" in text:
            raise UsageError(
                f"invalid environment variable: {text!r}",
                "it must be KEY=VALUE",
                field="environment",
            )
        if equals:
            result.append([key, value])
        elif key.endswith("*"):
            result += [[name, host[name]] for name in host if name.startswith(key[:-1])]
        else:
            result.append([key, host.get(key)])
    return result


def merges(asked: Asked) -> list[list[str]]:
    """Parse --env-merge NAME=VALUE, in which $NAME and ${NAME} are variables that there are."""
    from rootless.containers.creation.merging import expanded

    result = []
    for text in asked.get("env_merge", ()):
        key, value = pair(text, named("env_merge"), needs_value=True)
        expanded(value, {})
        result.append([key, value])
    return result


def labels(asked: Asked, base: str) -> dict[str, str]:
    """Return the labels of --label-file and --label; later ones win."""
    result = {}
    for path in asked.get("label_file", ()):
        for number, line in _lines(path, named("label_file"), base):
            key, value = pair(line, f"{named('label_file')} {path}, line {number}")
            result[key] = value
    for text in asked.get("label", ()):
        key, value = pair(text, named("label"))
        result[key] = value
    if not is_usable(result):
        raise UsageError(f"{named('label_file')}: a label holds a NUL byte")
    return result


def _file(path: str, host: Mapping[str, str], base: str) -> Iterable[list[str | None]]:
    """Read an environment file: KEY=VALUE as it stands, no quotes; KEY alone copies the host's."""
    for number, line in _lines(path, named("env_file"), base):
        key, equals, value = line.partition("=")
        if not key or key != key.rstrip() or len(key.split()) != 1 or "\0" in line:
            place = f"{named('env_file')} {path}, line {number}"
            raise UsageError(f"{place}: invalid variable {line!r}", "it must be KEY=VALUE")
        if equals:
            yield [key, value]
        elif key in host:
            yield [key, host[key]]


def _lines(path: str, option: str, base: str) -> list[tuple[int, str]]:
    """The numbers and lines of a file of pairs, without comments and empty ones.

    Blanks before them are cut off.
    """
    if "\0" in path:
        raise UsageError(f"{option}: invalid path {path!r}")
    try:
        # An empty name is that of no file, and not of the directory.
        with open(path and os.path.join(base, path), encoding="utf-8-sig") as file:
            lines = [(at, line.rstrip("\n").lstrip()) for at, line in enumerate(file, 1)]
    except OSError as error:
        raise UsageError(f"{option}: open {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{option} {path}: not UTF-8 at byte {error.start}") from error
    return [(at, line) for at, line in lines if line and not line.startswith("#")]
