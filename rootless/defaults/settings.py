"""containers.conf, read: one value for each key, and which file it is from."""

from __future__ import annotations

import os

from rootless.defaults import plain
from rootless.defaults.keys import KEYS, KINDS
from rootless.errors import UsageError
from rootless.runtime.privileges import caps
from rootless.store.paths import containers_confs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping
    from typing import Any

    from rootless.defaults.keys import Key

_DISTRIBUTION = "/usr/share/containers/"

_DISTRIBUTIONS = frozenset(("default_sysctls", "log_driver"))
"""What distributions set in their own file for podman, and would take away something here: their
sysctl lets only root ping, and their driver is no default of ours."""

_UNKNOWN: Key = ("", "nothing", "")

_BUILT_IN = {("containers", "default_capabilities"): caps.DEFAULT}
"""What {append=true} appends to where no file has said anything yet."""


class Settings:
    """What the files say together; what they do not say has no value."""

    def __init__(self, files: Iterable[str] = ()) -> None:
        self.files = list(files)
        self._values: dict[tuple[str, str], Any] = {}
        self._sources: dict[tuple[str, str], str] = {}
        self._appending: set[tuple[str, str]] = set()

    def get(self, table: str, key: str) -> Any:
        """Return the value of a key that is read; None where no file has one."""
        return self._values.get((table, key))

    def names(self) -> list[tuple[str, str]]:
        """Return the table and key of all that is set, also of what is not read."""
        return sorted(self._sources)

    def values(self) -> list[tuple[str, str]]:
        """Return the table and key of all that is set and read."""
        return sorted(self._values)

    def export(self, environ: MutableMapping[str, str]) -> None:
        """Put [engine] env into the environment of this program, below what is there."""
        for text in self.get("engine", "env") or ():
            name, equals, value = text.partition("=")
            if not (name and equals):
                raise self.refused("engine", "env", '["NAME=VALUE"]', text)
            environ.setdefault(name, value)

    def source(self, table: str, key: str) -> str:
        """Return the file that a value is from, with the key: how an error begins."""
        return f"{self._sources[table, key]}: [{table}] {key}"

    def refused(self, table: str, key: str, write: str, value: object = None) -> UsageError:
        """Return the error for a value that makes no sense, or a part of it; `write` what does."""
        wrong = self.get(table, key) if value is None else value
        return UsageError(
            f"{self.source(table, key)}: invalid value {wrong!r:.60}", f"write {write}"
        )

    def alone(self, table: str, *keys: str) -> Settings:
        """Return settings with these values of a table alone, as far as there are some."""
        some = Settings(self.files)
        for key in keys:
            if (table, key) in self._values:
                some._values[table, key] = self._values[table, key]
                some._sources[table, key] = self._sources[table, key]
        return some

    def ignored(self) -> list[str]:
        """Return table and key of what is set and means nothing here, or not yet, in words."""
        result = []
        for table, key in self.names():
            _, state, why = KEYS.get(table, {}).get(key, _UNKNOWN)
            if state != "read":
                why = "not here yet" if state == "later" else why
                result.append(f"{table}.{key}".strip(".") + (f" ({why})" if why else ""))
        return result

    def add(self, file: str, document: dict[str, Any]) -> None:
        """Take in what a further file says. Raises UsageError for a value of the wrong type."""
        for table, entries in document.items():
            if not isinstance(entries, dict):
                self._sources[table, ""] = file
                continue
            for key, value in entries.items():
                if key in _DISTRIBUTIONS and file.startswith(_DISTRIBUTION):
                    continue
                self._set(file, table, key, value)

    def _set(self, file: str, table: str, key: str, value: Any) -> None:
        where = (table, key)
        kind, state, _ = KEYS.get(table, {}).get(key, _UNKNOWN)
        self._sources[where] = file
        if state != "read":
            return
        types, write = KINDS[kind]
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "flag"):
            raise self.refused(*where, write, value)
        if kind == "texts":
            value = self._texts(where, value, write)
        self._values[where] = value

    def _texts(self, where: tuple[str, str], value: Any, write: str) -> list[str]:
        """Return a list with what it is appended to; {append=true} holds for later files, too."""
        texts = []
        for item in value:
            if isinstance(item, dict) and item.keys() == {"append"}:
                if item["append"]:
                    self._appending.add(where)
                else:
                    self._appending.discard(where)
            elif isinstance(item, str):
                texts.append(item)
            else:
                raise self.refused(*where, write, item)
        before = self._values.get(where, _BUILT_IN.get(where, ()))
        return [*before, *texts] if where in self._appending else texts


def load(environ: Mapping[str, str] = os.environ) -> Settings | None:
    """Return what the files of the user and of the machine say; None where there are none."""
    found = containers_confs(environ)
    return read(found) if found else None


def read(files: Iterable[str]) -> Settings:
    """Read files one after the other. Raises UsageError, which names the file and the key."""
    result = Settings(files)
    for file in result.files:
        result.add(file, _document(file))
    return result


def _document(file: str) -> dict[str, Any]:
    try:
        with open(file, encoding="utf-8") as stream:
            text = stream.read()
        document = plain.loads(text)
        if document is None:
            import tomllib

            document = tomllib.loads(text)
    except OSError as error:
        raise UsageError(
            f"cannot read {file}: {error.strerror}", "CONTAINERS_CONF names another file"
        ) from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise UsageError(f"cannot read {file}: {error}", "it has to be TOML") from error
    return document
