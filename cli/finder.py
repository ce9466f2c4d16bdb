"""Our own modules found without a search: a quarter off the price of loading them.

A start loads a hundred modules of ours, each of which Python looks for in its built-in and frozen
modules, in a directory listing and by five suffixes, and whose cached code it reads with as many
checks. Here the place is known. All that is not as usual (no cached code, another source than that
it was made of, optimised or without a cache) is left to Python itself.

Modules of others are found by Python, and what is installed beside us only once something is
missing: to look through that is a tenth of a short start (`Installed`).
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType
    from typing import Any

_PACKAGE = "rootless."
_HEAD = 16
"""Bytes before the code in a .pyc file (PEP 552): magic, flags, time and size of the source."""

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK

_MOST = 100_000
"""Bytes of a .pyc file, at most. For more, malloc would ask the kernel at each one."""


def install() -> None:
    """Let modules of the package be found here from now on. Harmless when repeated."""
    if isinstance(sys.meta_path[0], Finder):
        return
    if sys.flags.optimize == 0 and sys.pycache_prefix is None and sys.implementation.cache_tag:
        sys.meta_path.insert(0, Finder())
    if sys.flags.no_site and "site" not in sys.modules:
        sys.meta_path.append(Installed())


class Finder:
    """Finds modules whose code is cached and current (importlib.abc.MetaPathFinder)."""

    def __init__(self) -> None:
        bootstrap: Any = sys.modules["_frozen_importlib"]
        external: Any = sys.modules["_frozen_importlib_external"]
        self._spec = bootstrap.ModuleSpec
        self._magic = external.MAGIC_NUMBER + bytes(4)
        """And flags: by time and size of the source, not by its hash."""
        self._suffix = f".{sys.implementation.cache_tag}.pyc"

    def find_spec(self, name: str, path: Sequence[str] | None, _target: object = None) -> Any:
        """Return the spec of a module of ours, None for what Python is to find itself."""
        if path is None or not name.startswith(_PACKAGE):
            return None
        folder, last = path[0], name[name.rindex(".") + 1 :]
        spec = self._spec_in(name, folder, last)
        if spec is None:
            spec = self._spec_in(name, f"{folder}/{last}", "__init__")
            if spec is not None:
                spec.submodule_search_locations = [f"{folder}/{last}"]
        return spec

    def _spec_in(self, name: str, folder: str, last: str) -> Any:
        source, cached = f"{folder}/{last}.py", f"{folder}/__pycache__/{last}{self._suffix}"
        code = self._code(source, cached)
        if code is None:
            return None
        spec = self._spec(name, Loader(code), origin=source)
        spec.has_location, spec.cached = True, cached
        return spec

    def _code(self, source: str, cached: str) -> CodeType | None:
        try:
            fd = os.open(cached, _FLAGS)
        except OSError:
            return None
        try:
            data = os.read(fd, _MOST)
            status = os.stat(source)
        except OSError:
            return None
        finally:
            os.close(fd)
        stamp = (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
        made_of = (int.from_bytes(data[8:12], "little"), int.from_bytes(data[12:_HEAD], "little"))
        if data[:8] != self._magic or made_of != stamp or len(data) == _MOST:
            return None
        try:
            code: CodeType = marshal.loads(memoryview(data)[_HEAD:])  # noqa: S302 - as Python
        except (EOFError, ValueError, TypeError):
            return None  # cut off, by a full disk for example
        return code


class Loader:
    """Executes code that was found (importlib.abc.Loader)."""

    def __init__(self, code: CodeType) -> None:
        self._code = code

    def create_module(self, _spec: object) -> None:
        """Python makes the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill it."""
        exec(self._code, module.__dict__)  # noqa: S102 - what an import is


class Installed:
    """Finds what is installed, as Python would have from its start without -S.

    Comes after all other finders, and is there until something was missing (MetaPathFinder).
    """

    def __init__(self) -> None:
        self._looks = False

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        """Let Python look at what is installed, and ask all finders again.

        Other threads wait for it: finders are called with Python's lock of all imports.
        """
        if path is not None or self._looks:
            return None  # the latter is what `site` itself looks for
        if self in sys.meta_path:  # not there for who has waited
            self._look()
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
        return None

    def _look(self) -> None:
        import site

        self._looks = True
        try:
            site.main()
        finally:
            self._looks = False
        sys.meta_path.remove(self)
